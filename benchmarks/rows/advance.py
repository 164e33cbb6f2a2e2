"""What it costs to compare an answer with what is known, by how much is known."""

import statistics
import time
from datetime import UTC, datetime, timedelta

from figures import Curve, Figure, Measured
from stormcone import Cause, Impact, Machine, MaintenanceEvent, Observation, Phase
from stormcone.rules.changes import Known
from stormcone.rules.lifecycle import advance

NUMBERS = (10, 100, 1_000, 10_000, 100_000)
SHOWN = (10, 1_000, 100_000)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MACHINE = Machine(provider="azure", id="vm-0", name="web-0")


def an_event(number: int, moved_by: int = 0) -> MaintenanceEvent:
    return MaintenanceEvent(
        id=f"C7061BAC-AFDC-4513-B24B-{number:012X}",
        provider="azure",
        native_type="Reboot",
        impact=Impact.REBOOT,
        cause=Cause.MAINTENANCE,
        phase=Phase.SCHEDULED,
        resources=("web-0",),
        not_before=NOW + timedelta(hours=1, seconds=number + moved_by),
    )


def _seconds(number: int) -> float:
    events = [an_event(each) for each in range(number)]
    known = {event.key: Known(event=event, first_seen=NOW) for event in events}
    moved = [an_event(each, moved_by=0 if each % 100 else 300) for each in range(number)]
    observation = Observation(events=tuple(moved))
    took = []
    for _ in range(max(3, min(50, 30_000 // number))):
        begun = time.process_time()
        changes = advance(known, observation, NOW, MACHINE)
        took.append(time.process_time() - begun)
        assert len(changes) == -(-number // 100), len(changes)
    return statistics.median(took)


def measure() -> Measured:
    took = {number: _seconds(number) for number in NUMBERS}
    return Measured(
        [
            *(Figure(f"{number:,} known events", took[number] * 1e3, "ms") for number in SHOWN),
            *(Figure(f"each of {number:,}", took[number] / number * 1e6, "µs") for number in SHOWN),
        ],
        [
            Curve(
                "advance",
                "known events",
                "milliseconds of a processor",
                {"1 % changed": [(number, seconds * 1e3) for number, seconds in took.items()]},
            )
        ],
    )
