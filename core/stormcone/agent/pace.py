"""How long a cloud is left alone between two requests of one kind."""

from stormcone.clouds.contract import Provider
from stormcone.errors import ProviderError

LONGEST_PAUSE = 60.0
"""Seconds that a failing endpoint is left alone at the most; a quarter of the cloud's shortest notice if that is less.

It may ask for half of that notice.
"""


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

    def after(self, error: ProviderError | None, beside: ProviderError | None = None) -> float:
        """Seconds until the next request, counted from the beginning of the last one.

        Args:
            error: why it failed; None is a success.
            beside: what failed beside a success, and may ask for a pause too.
        """
        self._failures = 0 if error is None else self._failures + 1
        quarter = self._provider.capabilities.shortest_notice / 4
        longest = max(self._interval, min(LONGEST_PAUSE, 10 * self._interval, quarter))
        pause = min(self._interval * 2.0 ** min(max(self._failures - 1, 0), 16), longest)
        said = error or beside
        return max(pause, self.heeded(said) if said else 0.0)

    def heeded(self, error: ProviderError) -> float:
        """The seconds that the cloud asks for, as far as they are granted: a pause must not outlast a notice."""
        longest = max(self._interval, self._provider.capabilities.shortest_notice / 2)
        return min(error.retry_after or 0.0, longest)
