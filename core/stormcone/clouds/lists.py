"""Several lists of one cloud, polled together: each at its own interval, and none spoilt by another's failure.

A cloud may tell of its events in several places, of which one is throttled while the others answer. What is read here
says which lists were read whole (`Observation.whole`), so that an event which is absent ends only where its own list
has been read.

```python
lists = Lists(
    PolledList("spot", read_spot),
    PolledList("scheduled", read_scheduled, every=60.0),
    clock=clock,
)
observation = lists.poll()
```
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from stormcone.clock import Clock
from stormcone.errors import ProviderError
from stormcone.model import Observation


class PolledList(NamedTuple):
    """One list.

    Attributes:
        name: the `listing` of its events.
        read: asks for it: an observation of this list alone, which calls it "", as one of `Sightings` does. It raises
            `ProviderError` where it could not be asked.
        every: seconds; a poll that comes sooner after the last reading repeats that one.
    """

    name: str
    read: Callable[[], Observation]
    every: float = 0.0


@dataclass
class _Reading:
    """What is known of one list: its last reading, and when it is asked again, on the monotonic clock."""

    observation: Observation | None = None
    error: ProviderError | None = None
    due: float | None = None


class Lists:
    """The lists of one provider; one thread polls.

    Args:
        lists: in the order in which they are asked.
        clock: for the intervals.
        longest_pause: seconds for which a list that asks to be left alone is, at the most: no more than half of the
            shortest notice in it.
    """

    def __init__(self, *lists: PolledList, clock: Clock, longest_pause: float) -> None:
        self._lists = lists
        self._clock = clock
        self._longest_pause = longest_pause
        self._readings = {each.name: _Reading() for each in lists}
        self._last: Observation | None = None

    def poll(self) -> Observation:
        """What the lists say; one that fails is not whole, and why is a problem.

        The same object as before where nothing has changed.

        Raises:
            ProviderError: of those that were asked none answered, or all are left alone because they failed.
        """
        asked = [each for each in self._lists if self._is_due(each)]
        for each in asked:
            self._read(each)
        if all(self._readings[each.name].error is not None for each in asked or self._lists):
            raise _foremost([reading.error for reading in self._readings.values() if reading.error is not None])
        observation = self._together()
        if self._last is None or observation != self._last:
            self._last = observation
        return self._last

    def soon(self) -> None:
        """Have the next poll ask for every list."""
        for reading in self._readings.values():
            reading.due = None

    def _is_due(self, each: PolledList) -> bool:
        due = self._readings[each.name].due
        return due is None or self._clock.monotonic() >= due

    def _read(self, each: PolledList) -> None:
        reading = self._readings[each.name]
        begun = self._clock.monotonic()
        try:
            observation = _named(each.name, each.read())
        except ProviderError as error:
            reading.error = error
            reading.due = begun + min(error.retry_after or 0.0, self._longest_pause)
        else:
            reading.observation, reading.error, reading.due = observation, None, begun + each.every

    def _together(self) -> Observation:
        good = [each.observation for each in self._readings.values() if each.observation and each.error is None]
        failed = [(each.name, error) for each in self._lists if (error := self._readings[each.name].error) is not None]
        return Observation(
            events=tuple(event for each in good for event in each.events),
            whole=frozenset().union(*(each.whole for each in good)),
            problems=(
                *(problem for each in good for problem in each.problems),
                *(f"{name}: {error}" for name, error in failed),
            ),
        )


def _named(name: str, observation: Observation) -> Observation:
    """The observation of one list under its name."""
    return replace(
        observation,
        events=tuple(event.but(listing=name) for event in observation.events),
        whole=frozenset({name} if observation.reads_whole() else ()),
    )


def _foremost(errors: list[ProviderError]) -> ProviderError:
    """One that may pass, where there is one: then asking again may help."""
    return next((error for error in errors if error.passing), errors[0])
