"""Events for people and for programs; shared by the commands that show them."""

from datetime import datetime
from typing import Any

import click

from stormcone.model import Approval, Machine, MaintenanceEvent, Phase
from stormcone.notices import describe
from stormcone.text import printable, span, stamp

_IMPACT_COLOURS = {
    "terminate": "red",
    "redeploy": "red",
    "stop": "red",
    "reboot": "yellow",
    "freeze": "cyan",
}

_APPROVALS = {
    Approval.NONE: "cannot be approved",
    Approval.STARTS: "approving lets it start early",
    Approval.CONSENT: "waits for approval",
}


def event_json(event: MaintenanceEvent, machine: Machine | None = None) -> dict[str, Any]:
    """An event as JSON, with whether it touches the machine."""
    document = event.model_dump(mode="json")
    if machine is not None:
        document["affects_this_machine"] = machine.affected_by(event)
    return document


def event_text(event: MaintenanceEvent, machine: Machine, now: datetime) -> str:
    """An event as a few lines, each piece whole so that it can be copied; an arrow marks what touches the machine."""
    arrow = "▶" if machine.affected_by(event) else " "
    what = click.style(describe(event), fg=_IMPACT_COLOURS.get(event.impact), bold=True)
    facts = [f"cause: {event.cause}", _APPROVALS[event.approval]]
    if event.duration is not None:
        facts.append(f"lasts {span(event.duration)}")
    lines = [f"{arrow} {what}: {_when(event, now)}", f"  {printable(event.id)}", f"  {', '.join(facts)}"]
    if event.description:
        lines.append(f"  {printable(event.description)}")
    return "\n".join(lines)


def _when(event: MaintenanceEvent, now: datetime) -> str:
    if event.phase is not Phase.SCHEDULED:
        return event.phase.value
    if event.not_before is None:
        return "scheduled, at a time not known"
    left = event.not_before - now
    return f"scheduled, not before {stamp(event.not_before)} " + (f"(in {span(left)})" if left.days >= 0 else "(due)")
