"""How an event ended that its provider stopped listing without a verdict.

Pure functions over values; the docs draw their table from `INFERENCES`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from stormcone.model import Machine, Outcome, Phase
from stormcone.rules.changes import Known


class Inference(NamedTuple):
    """One rule for how an event ended that its provider stopped listing without a verdict."""

    when: str
    applies: Callable[[Known, datetime, Machine], bool]
    outcome: Outcome


def _time_passed(known: Known, now: datetime, _machine: Machine) -> bool:
    return known.event.not_before is not None and now >= known.event.not_before


def booted_since(known: Known, _now: datetime, machine: Machine) -> bool:
    """Whether the machine has booted since the event was first seen, by one that makes machines boot."""
    both_known = bool(known.boot_id and machine.boot_id)
    fits = known.event.impact.loses_memory is True and machine.affected_by(known.event)
    return both_known and fits and known.boot_id != machine.boot_id


INFERENCES = (
    Inference("it had started", lambda known, _now, _machine: known.event.phase is Phase.STARTED, Outcome.COMPLETED),
    Inference("its time has passed", _time_passed, Outcome.COMPLETED),
    Inference("we approved it", lambda known, _now, _machine: known.approved, Outcome.COMPLETED),
    Inference("its impact loses memory, and the machine has booted since", booted_since, Outcome.COMPLETED),
    Inference("its time is not known", lambda known, _now, _machine: known.event.not_before is None, Outcome.UNKNOWN),
    Inference("otherwise: its time was not reached", lambda _known, _now, _machine: True, Outcome.CANCELED),
)
"""The first rule that applies decides."""


def infer_outcome(known: Known, now: datetime, machine: Machine) -> Outcome:
    """How an event ended that is no longer listed and of whose end the cloud says nothing."""
    return next(rule.outcome for rule in INFERENCES if rule.applies(known, now, machine))
