"""All that the journal has of one event, for `history --event`: what the story leaves out."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click

from stormcone.journal import Episode, JournalStore
from stormcone.text import iso, printable, stamp


def whole_story(journal: JournalStore, episode: Episode) -> dict[str, Any]:
    """The steps of an episode's life, its runs with their attempts, and its approvals, as documents."""
    return {
        "changes": [
            {
                "at": iso(change.at),
                "kind": change.kind.value,
                "fields": list(change.fields),
                "event": change.event.model_dump(mode="json"),
            }
            for change in journal.changes(episode.id)
        ],
        "runs": [
            {
                "handler": run.handler,
                "stage": run.stage.value,
                "machine": run.machine or None,
                "state": run.state.value,
                "due": _iso(run.due),
                "note": run.note or None,
                "attempts": [
                    {
                        "number": attempt.number,
                        "begun": iso(attempt.begun),
                        "ended": _iso(attempt.ended),
                        "verdict": attempt.verdict,
                        "note": attempt.note or None,
                    }
                    for attempt in journal.attempts(run.id)
                ],
            }
            for run in journal.runs(episode.id)
        ],
        "approvals": [
            {
                "asked": iso(approval.asked),
                "answered": _iso(approval.answered),
                "accepted": approval.accepted,
                "final": approval.final,
                "until": _iso(approval.until),
                "note": approval.note or None,
            }
            for approval in journal.approvals(episode.id)
        ],
    }


def whole_text(episode: Episode, record: dict[str, Any]) -> Iterator[str]:
    """The same for people, below the story: the event's facts, each run, and the cloud's own document."""
    event = episode.event
    facts = {
        "id": event.id,
        "told by": event.source or event.provider,
        "cause": f"{event.cause} ({event.native_type} {event.native_status})".replace(" )", ")"),
        "machines": ", ".join(event.resources) or "none",
        "not before": _stamp(event.not_before),
        "first seen": _stamp(episode.first_seen),
        "begun": _stamp(episode.started),
        "ended": _stamp(episode.ended),
        "description": event.description,
        "decision": episode.decision,
    }
    width = max(map(len, facts))
    for name, value in facts.items():
        if value:
            yield f"{click.style(f'{name:<{width}}', dim=True)}  {printable(value)}"
    for run in record["runs"]:
        of = f" of {run['machine']}" if run["machine"] else ""
        due = f", due {_stamp(datetime.fromisoformat(run['due']))}" if run["due"] else ""
        tried = len(run["attempts"])
        attempts = f", {tried} attempt{'s' if tried > 1 else ''}" if tried else ""
        note = f": {run['note']}" if run["note"] else ""
        yield printable(f"{run['handler']}.{run['stage']}{of}: {run['state']}{due}{attempts}{note}")
    yield click.style("what the cloud sent last:", dim=True)
    yield from (printable(line) for line in json.dumps(event.native, indent=2).splitlines())


def _iso(time: datetime | None) -> str | None:
    return iso(time) if time else None


def _stamp(time: datetime | None) -> str:
    return stamp(time) if time else ""
