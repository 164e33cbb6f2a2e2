"""What a turn of the agent costs, by how many events are unfinished and how many of them have changed."""

import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from figures import Curve, Figure, Measured
from rows.advance import MACHINE, NOW, an_event
from stormcone import (
    Agent,
    App,
    Capabilities,
    Handler,
    InlineExecutor,
    Journal,
    ManualClock,
    Observation,
    Provider,
    Scope,
)

NUMBERS = (0, 100, 1_000, 10_000)
CHANGED = (1, 10, 100, 1_000)


class Prepares(Handler):
    lead = timedelta(minutes=5)

    def prepare(self, event: Any, context: Any) -> None: ...


class Announces:
    """A provider that says what it is told to say, and says the same thing again as the same value, as Azure's does."""

    name = "azure"
    capabilities = Capabilities(scope=Scope.MACHINE, poll_interval=1.0)

    def __init__(self) -> None:
        self.observation = Observation()

    def identify(self) -> Any:
        return MACHINE

    def named(self) -> Any:
        return None

    def poll(self) -> Observation:
        return self.observation

    def close(self) -> None: ...


def _seconds(act: Callable[[], None], times: int) -> float:
    took = []
    for _ in range(times):
        begun = time.process_time()
        act()
        took.append(time.process_time() - begun)
    return statistics.median(took)


def measure() -> Measured:
    provider, clock = Announces(), ManualClock(NOW)
    idle: dict[int, float] = {}
    changes: dict[int, dict[int, float]] = {}
    with Journal.open(":memory:") as journal:
        agent = Agent(
            cast(Provider, provider),
            App([Prepares()]),
            journal,
            clock=clock,
            boot_id="boot-1",
            executor=InlineExecutor(),
        )
        agent.step()
        for number in NUMBERS:
            events = [an_event(each) for each in range(number)]
            provider.observation = Observation(events=tuple(events))
            agent.step()
            assert len(agent.view.works) == number
            idle[number] = _seconds(agent.step, 15)
            changes[number] = {}
            for changed in (each for each in CHANGED if each <= number):

                def move(changed: int = changed, events: list[Any] = events) -> None:
                    for place in range(changed):
                        events[place] = events[place].but(not_before=events[place].not_before + timedelta(seconds=1))
                    provider.observation = Observation(events=tuple(events))
                    agent.step()

                changes[number][changed] = _seconds(move, 3)

    def more(number: int, few: int, many: int) -> float:
        return (changes[number][many] - changes[number][few]) / (many - few) * 1e6

    return Measured(
        [
            *(Figure(f"nothing changed, {number:,} events", idle[number] * 1e6, "µs") for number in NUMBERS),
            Figure("100 changed, 100 events", changes[100][100] * 1e3, "ms"),
            Figure("100 changed, 10,000 events", changes[10_000][100] * 1e3, "ms"),
            Figure("each change more, 100 events", more(100, 1, 100), "µs"),
            Figure("each change more, 10,000 events", more(10_000, 1, 1_000), "µs"),
        ],
        [
            Curve(
                "turn",
                "unfinished events",
                "milliseconds of a processor",
                {
                    "nothing changed": [(number, idle[number] * 1e3) for number in NUMBERS if number],
                    "1 changed": [(number, changes[number][1] * 1e3) for number in NUMBERS if number],
                    "100 changed": [(number, changes[number][100] * 1e3) for number in NUMBERS if number],
                },
            ),
        ],
    )
