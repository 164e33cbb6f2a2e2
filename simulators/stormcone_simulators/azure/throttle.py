"""The limits on how often a machine may ask.

Source: Azure's page on the Instance Metadata Service, "Rate limiting". Unverified: that the second slides, and that
refused requests do not count.
"""

from collections import defaultdict, deque
from datetime import datetime, timedelta

from stormcone_simulators.azure.endpoints import IDENTITY_PATH

SECOND = timedelta(seconds=1)
IN_A_SECOND = 5
"""Requests of one machine to everything but managed identity, together."""
IDENTITY_IN_A_SECOND = 20


class Throttle:
    """Counts what every machine asks, by the simulator's clock."""

    def __init__(self) -> None:
        self._asked: defaultdict[tuple[str, bool], deque[datetime]] = defaultdict(deque)

    def refuses(self, machine: str, path: str, now: datetime) -> bool:
        """Whether a request is one too many; if not, it counts."""
        identity = path.startswith(IDENTITY_PATH)
        asked = self._asked[machine, identity]
        while asked and asked[0] <= now - SECOND:
            asked.popleft()
        if len(asked) >= (IDENTITY_IN_A_SECOND if identity else IN_A_SECOND):
            return True
        asked.append(now)
        return False
