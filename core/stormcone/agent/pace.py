"""How long a cloud is left alone between two requests of one kind."""

from stormcone.clouds.contract import Provider
from stormcone.errors import ProviderError

LONGEST_PAUSE = 60.0
"""Seconds that a failing endpoint is left alone at the most; it may ask for half of the cloud's shortest notice."""


class Pace:
    """The pauses between requests: the interval, longer where they fail, and as long as the cloud asks for.

    Args:
        provider: whose shortest notice bounds what the cloud may ask for.
        interval: seconds between polls.
    """

    def __init__(self, provider: Provider, interval: float) -> None:
        self._provider = provider
        self._interval = interval
        self._failures = 0

    def after(self, error: ProviderError | None) -> float:
        """Seconds until the next request, counted from the beginning of the last one; None is a success."""
        if error is None:
            self._failures = 0
            return self._interval
        self._failures += 1
        longest = max(self._interval, min(LONGEST_PAUSE, 10 * self._interval))
        pause = min(self._interval * 2.0 ** min(self._failures - 1, 16), longest)
        return max(pause, self.heeded(error))

    def heeded(self, error: ProviderError) -> float:
        """The seconds that the cloud asks for, as far as they are granted: a pause must not outlast a notice."""
        longest = max(self._interval, self._provider.capabilities.shortest_notice / 2)
        return min(error.retry_after or 0.0, longest)
