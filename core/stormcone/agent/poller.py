"""Asking the cloud, again and again: when, and what an answer is."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from stormcone.agent.pace import Pace
from stormcone.clock import Clock
from stormcone.clouds.contract import Provider
from stormcone.errors import ProviderError
from stormcone.model import Ending, EventKey, MaintenanceEvent, Observation, Outcome
from stormcone.rules.changes import Verdicts
from stormcone.rules.sharding import WHOLE, Part
from stormcone.text import folded, one_line

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PollResult:
    """What one poll brought.

    Attributes:
        observation: what is announced, or None where it could not be asked.
        verdicts: what the cloud says of events that it no longer lists; see `stormcone.rules.lifecycle.advance`.
        error: why it could not be asked, or None.
        ends_error: why it could not be asked how events ended, or None.
    """

    observation: Observation | None = None
    verdicts: Verdicts | None = None
    error: ProviderError | None = None
    ends_error: ProviderError | None = None

    @property
    def receipt(self) -> tuple[str, ...]:
        """The marks of the messages that brought it."""
        return self.observation.receipt if self.observation else ()


def seen_by(provider: str, observation: Observation) -> Observation:
    """The observation with the provider's name before that of each listing, since others may have one of that name."""

    def full(listing: str) -> str:
        return f"{provider}/{listing}" if listing else provider

    events = tuple(event.model_copy(update={"listing": full(event.listing)}) for event in observation.events)
    whole, pushed = (frozenset(map(full, names)) for names in (observation.whole, observation.pushed))
    return replace(observation, events=events, whole=whole, pushed=pushed)


class Poller:
    """Asks one provider.

    Args:
        provider: who is asked.
        clock: for the intervals.
        pace: how long from the beginning of one poll to that of the next.
        going_on: the events that are known and have not ended.
        part: which events are taken; the others are somebody else's.
    """

    def __init__(
        self,
        provider: Provider,
        clock: Clock,
        pace: Pace,
        going_on: Callable[[], Mapping[EventKey, MaintenanceEvent]],
        part: Part = WHOLE,
    ) -> None:
        self._provider = provider
        self._clock = clock
        self._pace = pace
        self._going_on = going_on
        self._part = part
        self._wake = threading.Event()
        self._stopping = False
        self._last = (Observation(), Observation())

    def run(self, post: Callable[[PollResult], None]) -> None:
        """Poll and post each answer, until `stop`."""
        while not self._stopping:
            self._wake.clear()
            begun = self._clock.monotonic()
            answer = self.ask()
            post(answer)
            pause = self._pace.after(answer.error, answer.ends_error) - (self._clock.monotonic() - begun)
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
        try:
            answer = PollResult(self._seen(self._provider.poll()))
            return self._with_verdicts(answer) if self._provider.capabilities.reports_outcome else answer
        except ProviderError as error:
            return PollResult(error=error)
        except Exception as error:  # noqa: BLE001 - a provider's fault must not end the polling
            _log.debug("the provider %s failed", self._provider.name, exc_info=True)
            wrapped = ProviderError(f"the provider {self._provider.name} failed: {one_line(error)}")
            return PollResult(error=wrapped)

    def _seen(self, observation: Observation) -> Observation:
        """As `seen_by`: a provider that has read nothing new gives the value that it gave before, and so do we."""
        if observation is not self._last[0]:
            ours = replace(observation, events=tuple(filter(self._part.has, observation.events)))
            self._last = (observation, seen_by(self._provider.name, ours))
        return self._last[1]

    def _with_verdicts(self, answer: PollResult) -> PollResult:
        """The answer with how what it no longer lists has ended; where that cannot be asked, that is a problem."""
        observation = answer.observation or Observation()
        seen = {event.key for event in observation.events}
        going_on = self._going_on().items()
        gone = {key: event for key, event in going_on if key not in seen and observation.reads_whole(event.listing)}
        try:
            return replace(answer, verdicts=self._verdicts(gone) if gone else {})
        except ProviderError as error:
            trouble = f"how {len(gone)} event(s) ended could not be asked: {error}"
            observation = replace(observation, problems=(*observation.problems, trouble))
            return replace(answer, observation=observation, verdicts={}, ends_error=error)

    def _verdicts(self, gone: Mapping[EventKey, MaintenanceEvent]) -> dict[EventKey, Outcome | Ending | None]:
        outcomes = self._provider.outcomes([event.id for event in gone.values()])
        said = {folded(identifier): outcome for identifier, outcome in outcomes.items()}
        # What has not ended after all is left out, as if it had not been asked about.
        return {key: said.get(key.id) for key in gone if key.id not in said or said[key.id] is not None}
