"""Events and machines for people and for programs; shared by the commands that show them."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from stormcone.model import Machine, MaintenanceEvent
from stormcone.text import printable, span, stamp

if TYPE_CHECKING:
    from rich.table import Table

_IMPACT_STYLES = {"terminate": "bold red", "redeploy": "red", "stop": "red", "reboot": "yellow", "freeze": "cyan"}


def event_json(event: MaintenanceEvent, machine: Machine | None = None) -> dict[str, Any]:
    """An event as JSON, with whether it touches the machine."""
    document = event.model_dump(mode="json")
    if machine is not None:
        document["affects_this_machine"] = machine.affected_by(event)
    return document


def event_table(events: Iterable[MaintenanceEvent], machine: Machine, now: datetime) -> "Table":
    """The events as a table."""
    from rich.table import Table
    from rich.text import Text

    table = Table("", "impact", "phase", "not before", "in", "machines", "cause", "approving", "id", box=None)
    for event in events:
        ours = machine.affected_by(event)
        table.add_row(
            Text("▶" if ours else " ", style="bold"),
            Text(event.impact, style=_IMPACT_STYLES.get(event.impact, "")),
            event.phase.value,
            stamp(event.not_before) if event.not_before else "?",
            span(event.not_before - now) if event.not_before and event.not_before > now else "",
            Text(printable(", ".join(event.resources))),
            event.cause.value,
            event.approval.value,
            Text(printable(event.id)),
            style=None if ours else "dim",
        )
    return table
