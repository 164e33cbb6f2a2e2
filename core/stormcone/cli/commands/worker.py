"""`stormcone worker`: does a share of a watcher's work."""

import os
from collections.abc import Callable
from datetime import timedelta

import click

from stormcone.agent.notices import Notice, NoticeKind
from stormcone.agent.worker import AT_ONCE, SILENCE, Worker
from stormcone.cli.commands.check import summaries_of
from stormcone.cli.configured import OPTIONS, built, configured
from stormcone.cli.console import Manner, is_terminal
from stormcone.cli.options import Span, default_journal
from stormcone.cli.run_output import RunOutput
from stormcone.cli.signals import run_until_told, until_stopped
from stormcone.clock import SystemClock
from stormcone.config.load import Configuration
from stormcone.config.names import variable_of
from stormcone.journal.places import open_worker_side

_OWN = {
    "file", "config", "journal", "on_prepare", "on_started", "on_recover", "lead", "grace", "log", "as_json", "verbose",
}  # fmt: skip
"""What it has of the options of `run`: it asks no cloud and approves nothing."""


@click.command("worker")
@configured(without=set(OPTIONS) - _OWN)
@click.option(
    "--at-once",
    type=click.IntRange(1, 500),
    default=AT_ONCE,
    show_default=True,
    envvar=variable_of(("at_once",)),
    show_envvar=True,
    help="How many runs it does at the same time.",
)
@click.option(
    "--silence",
    type=Span(positive=True),
    default=timedelta(seconds=SILENCE),
    show_default=f"{SILENCE:g}s",
    envvar=variable_of(("silence",)),
    show_envvar=True,
    help="After how long without a word its runs are given to another.",
)
def command(read: Callable[[], Configuration], at_once: int, silence: timedelta) -> None:
    """Do a share of the work of a watcher that runs with --workers.

    Start as many as you like, wherever the journal's database can be reached, each with the watcher's handler file.
    It takes runs whose handler it has, and asks no cloud: it needs no credentials of one. A worker that dies or hangs
    loses its runs to another, which begins them anew with `context.attempt` one higher.

    \b
    stormcone run handlers.py --workers --journal postgresql://db/stormcone
    stormcone worker handlers.py --journal postgresql://db/stormcone
    """
    manner = click.get_current_context().ensure_object(Manner)
    asked = click.get_current_context().params["log"] or os.environ.get(variable_of(("log",))) or "auto"
    manner.as_json = manner.as_json or asked == "json" or (asked == "auto" and not is_terminal())
    configuration = read()
    given = configuration.settings
    manner.as_json = given.as_json or given.log == "json" or (given.log == "auto" and not is_terminal())
    clock = SystemClock()
    output = RunOutput(clock, as_json=manner.as_json)
    with output.listening(given.verbose), until_stopped():
        app = built(configuration)
        side = open_worker_side(given.journal or default_journal(), silence.total_seconds())
        side.reach()
        for line in summaries_of(app):
            output.tell(Notice(clock.now(), NoticeKind.HANDLER, line))
        worker = Worker(
            app,
            side,
            silence=silence.total_seconds(),
            at_once=at_once,
            grace=given.grace.total_seconds(),
            clock=clock,
            listener=output.tell,
        )
        begins = f"worker {side.name} takes up to {at_once} run(s) at once from {given.journal}"
        output.tell(Notice(clock.now(), NoticeKind.IDENTIFIED, begins))
        run_until_told(worker.run, worker.stop)
        output.tell(Notice(clock.now(), NoticeKind.STOPPED, "stopped"))
