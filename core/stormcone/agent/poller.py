"""Asking the cloud, again and again: when, and what an answer is."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stormcone.agent.pace import Pace
from stormcone.clock import Clock
from stormcone.clouds.contract import Provider
from stormcone.errors import ProviderError
from stormcone.model import Ending, EventKey, Observation, Outcome
from stormcone.rules.lifecycle import Verdicts
from stormcone.text import folded, one_line

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PollResult:
    """What one poll brought.

    Attributes:
        observation: what is announced, or None where it could not be asked.
        verdicts: what the cloud says of events that it no longer lists; see `lifecycle.advance`.
        error: why it could not be asked, or None.
    """

    observation: Observation | None = None
    verdicts: Verdicts | None = None
    error: ProviderError | None = None


class Poller:
    """Asks one provider.

    Args:
        provider: who is asked.
        clock: for the intervals.
        pace: how long from the beginning of one poll to that of the next.
        going_on: the events that are known and have not ended, with their ids as the cloud spells them.
    """

    def __init__(
        self,
        provider: Provider,
        clock: Clock,
        pace: Pace,
        going_on: Callable[[], Mapping[EventKey, str]],
    ) -> None:
        self._provider = provider
        self._clock = clock
        self._pace = pace
        self._going_on = going_on
        self._wake = threading.Event()
        self._stopping = False

    def run(self, post: Callable[[PollResult], None]) -> None:
        """Poll and post each answer, until `stop`."""
        while not self._stopping:
            self._wake.clear()
            begun = self._clock.monotonic()
            answer = self.ask()
            post(answer)
            pause = self._pace.after(answer.error) - (self._clock.monotonic() - begun)
            if not self._stopping:
                self._clock.wait(self._wake, max(pause, 0.0))

    def stop(self) -> None:
        """Let `run` end; a request that is under way is not waited for."""
        self._stopping = True
        self._wake.set()

    def soon(self) -> None:
        """Poll without waiting for the interval."""
        self._wake.set()

    def ask(self) -> PollResult:
        """Poll once. Never raises: what went wrong is the answer's error."""
        verdicts = None
        try:
            observation = self._provider.poll()
            if self._provider.capabilities.reports_outcome:
                verdicts = self._verdicts(observation)
        except ProviderError as error:
            return PollResult(error=error)
        except Exception as error:  # noqa: BLE001 - a provider's fault must not end the polling
            _log.debug("the provider %s failed", self._provider.name, exc_info=True)
            wrapped = ProviderError(f"the provider {self._provider.name} failed: {one_line(error)}")
            return PollResult(error=wrapped)
        return PollResult(observation, verdicts)

    def _verdicts(self, observation: Observation) -> dict[EventKey, Outcome | Ending | None]:
        seen = {event.key for event in observation.events}
        going_on = self._going_on() if observation.complete else {}
        gone = [key for key in going_on if key not in seen]
        outcomes = self._provider.outcomes([going_on[key] for key in gone]) if gone else {}
        said = {folded(identifier): outcome for identifier, outcome in outcomes.items()}
        # What has not ended after all is left out, as if it had not been asked about.
        return {key: said.get(key.id) for key in gone if key.id not in said or said[key.id] is not None}
