"""`stormcone check`: a handler file, looked over without a cloud."""

from typing import Any

import click

from stormcone.cli.console import print_json, say
from stormcone.cli.options import json_option
from stormcone.handlers import ANY_CAUSE, ANY_IMPACT, App, Handler, Stage
from stormcone.handlers.commands import CommandHandler
from stormcone.handlers.files import load_app
from stormcone.text import printable, span


@click.command("check")
@click.argument("file", metavar="FILE.py[:APP]")
@json_option
def command(file: str, as_json: bool) -> None:
    """Look a handler file over: load it, refuse mistakes, and say what each handler takes and what approves.

    \b
    stormcone check handlers.py
    """
    app = load_app(file)
    if as_json:
        print_json({"handlers": [_document(handler) for handler in app.handlers], "approval": approval_of(app)})
        return
    for handler in app.handlers:
        say(printable(summary_of(handler)))
    say(printable(f"approval: {approval_of(app)}"))


def summary_of(handler: Handler) -> str:
    """A handler in one line: its stages, what it takes, and its limits."""
    stages = ", ".join(stage for stage in Stage if handler.has(stage))
    lead = "as soon as announced" if handler.lead is None else f"{span(handler.lead)} ahead"
    facts = [f"impacts {_chosen(handler.impacts, ANY_IMPACT, 'all but none')}"]
    if set(handler.causes) != ANY_CAUSE:
        facts.append(f"causes {_chosen(handler.causes, ANY_CAUSE, 'all')}")
    if handler.tentative:
        facts.append("also what may never happen")
    if handler.has(Stage.PREPARE):
        facts.append(f"prepares {lead}")
    if handler.timeout is not None:
        facts.append(f"timeout {span(handler.timeout)}")
    if handler.retries is not None:
        facts.append(f"retries {handler.retries}")
    if isinstance(handler, CommandHandler) and handler.through_shell:
        facts.append(f"a shell runs {', '.join(handler.through_shell)}")
    return f"{handler.label}: {stages}; {'; '.join(facts)}"


def approval_of(app: App) -> str:
    """How the app approves, as a clause."""
    settings = app.approval
    if settings.approve == "never":
        return "never"
    parts = ["by the app's own policy" if callable(settings.approve) else "once every prepare has succeeded"]
    if not any(handler.has(Stage.PREPARE) for handler in app.handlers) and not callable(settings.approve):
        parts = ["never, since no handler prepares"]
    if settings.leader is not None:
        parts.append(f"for neighbours too where {settings.leader} leads")
    if settings.standby is not None:
        parts.append(f"{settings.standby} stands by, {span(settings.standby_after)} later")
    if settings.approve_early is not None:
        parts.append(f"no more than {span(settings.approve_early)} ahead")
    if settings.approve_short_freeze:
        parts.append("a freeze of 8 s or less at once")
    if settings.approve_consent:
        parts.append("consent is given")
    return "; ".join(parts)


def _chosen(values: Any, usual: frozenset[Any], word: str) -> str:
    return word if set(values) == usual else ", ".join(sorted(values))


def _document(handler: Handler) -> dict[str, Any]:
    return {
        "name": handler.label,
        "stages": [stage.value for stage in Stage if handler.has(stage)],
        "impacts": sorted(handler.impacts),
        "causes": sorted(handler.causes),
        "tentative": handler.tentative,
        "lead_seconds": None if handler.lead is None else handler.lead.total_seconds(),
        "timeout_seconds": None if handler.timeout is None else handler.timeout.total_seconds(),
        "retries": handler.retries,
    }
