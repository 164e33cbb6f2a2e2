"""Events and their stories for people and for programs; shared by the commands that show them."""

from datetime import datetime
from typing import Any

import click

from stormcone.agent.notices import describe
from stormcone.journal import Episode
from stormcone.journal.timeline import TimelineEntry
from stormcone.model import Approval, Machine, MaintenanceEvent, Phase
from stormcone.rules.runs import Verdict
from stormcone.text import printable, span, stamp

_IMPACT_COLOURS = {
    "terminate": "red",
    "redeploy": "red",
    "stop": "red",
    "reboot": "yellow",
    "freeze": "cyan",
}

_WHO_COLOURS = {"cloud": "yellow", "approval": "magenta"}
_HANDLER_COLOUR = "cyan"

_VERDICTS = frozenset(map(str, Verdict))

_APPROVALS = {
    Approval.NONE: "cannot be approved",
    Approval.STARTS: "approving lets it start early",
    Approval.TRIGGERS: "approving begins it now",
    Approval.CONSENT: "waits for approval",
}


def event_json(event: MaintenanceEvent, machine: Machine | None = None) -> dict[str, Any]:
    """An event as JSON, with whether it touches the machine."""
    document = event.model_dump(mode="json")
    if machine is not None:
        document["affects_this_machine"] = machine.affected_by(event)
    return document


def event_text(event: MaintenanceEvent, machine: Machine | None, now: datetime) -> str:
    """An event as a few lines, each piece whole so that it can be copied; an arrow marks what touches the machine."""
    arrow = "?" if machine is None else "▶" if machine.affected_by(event) else " "
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


def story_text(episode: Episode, story: list[TimelineEntry]) -> str:
    """An event's story as a tree, each line whole so that it can be copied."""
    event = episode.event
    again = f", episode {episode.number}" if episode.number > 1 else ""
    head = click.style(f"{describe(event)} — {event.outcome or event.phase}", bold=True)
    width = max((len(entry.who) for entry in story), default=0)
    lines = [_entry_text(entry, width) for entry in story]
    if not episode.approved and episode.decision:
        lines.append(click.style(printable(f"not approved: {episode.decision}"), dim=True))
    guides = [*["├── "] * (len(lines) - 1), "└── "][: len(lines)]
    return "\n".join(
        [
            f"{head}  {click.style(printable(event.id) + again, dim=True)}",
            *(click.style(guide, dim=True) + line for guide, line in zip(guides, lines, strict=True)),
        ]
    )


def _entry_text(entry: TimelineEntry, width: int) -> str:
    who = click.style(f"{printable(entry.who):<{width}}", fg=_WHO_COLOURS.get(entry.who, _HANDLER_COLOUR))
    verdict, colon, note = entry.result.partition(":")
    told = verdict.replace("_", " ") if verdict in _VERDICTS else verdict
    result = f": {told}{colon}{note}" if entry.result else ""
    return f"{click.style(stamp(entry.at), dim=True)}  {who}  {printable(entry.what + result)}"
