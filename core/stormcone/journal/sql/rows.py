"""Rows as values, and times as text: the only place that knows how the tables write things down.

What a row holds is checked as it is read: nothing but this module's functions makes a value of one, so a journal that
was tampered with is an error in a sentence and never a wrong value.
"""

import json
from datetime import UTC, datetime

from stormcone.clock import Instant
from stormcone.handlers import Stage
from stormcone.journal.records import (
    ApprovalRecord,
    AttemptRecord,
    ChangeRecord,
    ClockRecord,
    Episode,
    Life,
    SinkRecord,
)
from stormcone.journal.sql.session import Row
from stormcone.model import MaintenanceEvent
from stormcone.rules.changes import ChangeKind
from stormcone.rules.runs import Run, RunState
from stormcone.sinks.notification import Notification

# Every function here raises ValueError or TypeError where a row does not hold what it should.


def to_text(time: datetime) -> str:
    """A time as the tables have it: UTC, to the microsecond, of one length, so that texts compare as times do."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def maybe_text(time: datetime | None) -> str | None:
    """As `to_text`, where there may be none."""
    return None if time is None else to_text(time)


def _time(found: str | datetime) -> datetime:
    """A time as a table has it: as text, or where the database knows times, as one."""
    return found if isinstance(found, datetime) else datetime.fromisoformat(found)


def _maybe_time(found: str | datetime | None) -> datetime | None:
    return None if found is None else _time(found)


def number(row: Row) -> int:
    """A row of a single number."""
    return int(row["number"])


def identity(row: Row) -> int:
    """The number of a row."""
    return int(row["id"])


def clock(row: Row) -> ClockRecord:
    """The row of `clock`."""
    instant = Instant(_time(row["date"]), _time(row["steady"]))
    return ClockRecord(instant=instant, seconds=float(row["seconds"]), boot_id=str(row["boot_id"]))


def machine(row: Row) -> str:
    """The key of a machine."""
    return str(row["machine"])


def known_machine(row: Row) -> tuple[str, str, bool]:
    """A row of `machines`: a key, and something that it is known for; whether that is an id."""
    return str(row["machine"]), str(row["name"]), bool(row["is_id"])


def life(row: Row) -> Life:
    """A row of `lives`."""
    return Life(
        id=row["id"],
        begun=_time(row["begun"]),
        ended=_maybe_time(row["ended"]),
        provider=row["provider"],
        machine=row["name"],
        boot_id=row["boot_id"],
    )


def episode(row: Row) -> Episode:
    """A row of `episodes`, with whether it was approved."""
    return Episode(
        id=row["id"],
        number=row["number"],
        event=MaintenanceEvent.model_validate_json(row["event"]),
        boot_id=row["boot_id"],
        first_seen=_time(row["first_seen"]),
        seen=_time(row["seen"]),
        started=_maybe_time(row["started"]),
        ended=_maybe_time(row["ended"]),
        decision=row["decision"],
        approved=bool(row["approved"]),
    )


def change(row: Row) -> ChangeRecord:
    """A row of `changes`."""
    return ChangeRecord(
        at=_time(row["at"]),
        kind=ChangeKind(row["kind"]),
        event=MaintenanceEvent.model_validate_json(row["event"]),
        fields=tuple(json.loads(row["fields"])),
    )


def run(row: Row) -> Run:
    """A row of `runs`."""
    return Run(
        id=row["id"],
        episode=row["episode"],
        machine=row["machine"],
        handler=row["handler"],
        stage=Stage(row["stage"]),
        position=row["position"],
        state=RunState(row["state"]),
        attempt=row["attempt"],
        due=_maybe_time(row["due"]),
        again=_maybe_time(row["again"]),
        begun=_maybe_time(row["begun"]),
        ended=_maybe_time(row["ended"]),
        note=row["note"],
    )


def attempt(row: Row) -> AttemptRecord:
    """A row of `attempts`."""
    return AttemptRecord(
        run=row["run"],
        number=row["number"],
        begun=_time(row["begun"]),
        ended=_maybe_time(row["ended"]),
        verdict=row["verdict"],
        note=row["note"],
    )


def approval(row: Row) -> ApprovalRecord:
    """A row of `approvals`."""
    return ApprovalRecord(
        id=row["id"],
        asked=_time(row["asked"]),
        answered=_maybe_time(row["answered"]),
        accepted=None if row["accepted"] is None else bool(row["accepted"]),
        final=bool(row["final"]),
        note=row["note"],
        again=_maybe_time(row["again"]),
        until=_maybe_time(row["until"]),
    )


def notification(row: Row) -> tuple[int, Notification]:
    """A row of `notifications`, with its number."""
    return int(row["id"]), Notification.model_validate_json(row["body"])


def sink(row: Row) -> SinkRecord:
    """A row of `sinks`, with what waits."""
    return SinkRecord(
        name=str(row["name"]),
        waiting=int(row["waiting"]),
        oldest=_maybe_time(row["oldest"]),
        sent=int(row["sent"]),
        refused=int(row["refused"]),
        dropped=int(row["dropped"]),
        attempt=int(row["attempt"]),
        again=_maybe_time(row["again"]),
        error=str(row["error"]),
    )
