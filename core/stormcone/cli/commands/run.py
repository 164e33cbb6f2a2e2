"""`stormcone run`: the agent."""

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import click

from stormcone.agent.loop import KEEP, Agent
from stormcone.cli.options import (
    Span,
    interval_option,
    journal_option,
    json_option,
    options_for_provider,
    provider_options,
)
from stormcone.cli.signals import run_until_told, until_stopped
from stormcone.cli.run_output import RunOutput
from stormcone.clock import Clock
from stormcone.handlers.commands import CommandHandler, split_command
from stormcone.detect import AUTO, open_provider
from stormcone.errors import JournalDamaged, ProviderError, ProviderUnavailable, SettingsError
from stormcone.handlers.files import load_app
from stormcone.handlers import App, Stage
from stormcone.journal import Journal
from stormcone.model import Machine
from stormcone.agent.notices import Notice, NoticeKind
from stormcone.clouds.contract import Provider, ProviderOptions
from stormcone.simulators.control_client import clock_of


class CommandLine(click.ParamType[list[str]]):
    """A command: a JSON list of words, or a line that is split like a shell's but run without one."""

    name = "command"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        """The command's words; fails with one sentence."""
        text = str(value).strip()
        try:
            if not text.startswith("["):
                return split_command(text)
            words = json.loads(text)
        except (SettingsError, ValueError) as error:
            self.fail(str(error), param, ctx)
        if not words or not all(isinstance(word, str) for word in words):
            self.fail(f"{text} is not a list of words", param, ctx)
        return list(words)


@click.command("run")
@click.argument("file", metavar="[FILE.py[:APP]]", required=False)
@provider_options
@journal_option
@interval_option
@click.option("--on-prepare", type=CommandLine(), help="Run this when an event is announced.")
@click.option("--on-started", type=CommandLine(), help="Run this when it has begun.")
@click.option("--on-recover", type=CommandLine(), help="Run this when it has ended.")
@click.option("--approve", type=click.Choice(["prepared", "never"]), help="Overrides the app's approval policy.")
@click.option("--leader", metavar="NAME", help="Who approves events that name several machines: `first` or a name.")
@click.option("--standby", metavar="NAME", help="Who approves in the leader's place where the leader is silent.")
@click.option("--standby-after", type=Span(), help="How long the leader may be silent. [default: 5m]")
@click.option(
    "--keep",
    type=Span(positive=True),
    default=f"{KEEP.days}d",
    show_default=True,
    help="How long the journal keeps an event after its end.",
)
@click.option(
    "--dry-run", is_flag=True, help="Run no handler, approve nothing, write no journal: say what would be done."
)
@json_option
@click.option("-v", "--verbose", count=True, help="Say more; twice for everything.")
def command(
    file: str | None,
    provider: str,
    endpoint: str | None,
    machine: str | None,
    region: str | None,
    settings: Sequence[str],
    journal: Path,
    interval: timedelta | None,
    on_prepare: list[str] | None,
    on_started: list[str] | None,
    on_recover: list[str] | None,
    approve: str | None,
    leader: str | None,
    standby: str | None,
    standby_after: timedelta | None,
    keep: timedelta,
    dry_run: bool,
    as_json: bool,
    verbose: int,
) -> None:
    """Watch this machine and carry your handlers through its maintenance.

    FILE.py holds handlers and an `app` (or another name, after a colon). Without one, give commands: each gets the
    event as JSON on standard input and as STORMCONE_* variables; exit status 0 is done, 75 is "try again", anything
    else has failed.

    \b
    stormcone run handlers.py
    stormcone run --on-prepare 'systemctl stop queue' --on-recover 'systemctl start queue'
    """
    commands = {Stage.PREPARE: on_prepare, Stage.STARTED: on_started, Stage.RECOVER: on_recover}
    clock = clock_of(endpoint)
    story = RunOutput(clock, as_json=as_json)
    with story.listening(verbose):
        app = _app(file, {stage: words for stage, words in commands.items() if words})
        if approve is not None:
            app.approve = "never" if approve == "never" else "prepared"
        app.leader = leader or app.leader
        app.standby = standby or app.standby
        app.standby_after = app.standby_after if standby_after is None else standby_after
        options = options_for_provider(endpoint, machine, region, settings, clock)
        place = ":memory:" if dry_run else journal
        with until_stopped():
            loss: str | None = None
            while loss != "":
                with (
                    Journal.open(place, replace_at=clock.now()) as book,
                    closing(_open(provider, options, book)) as source,
                ):
                    book.loss = loss or book.loss
                    agent = Agent(
                        source,
                        app,
                        book,
                        clock=clock,
                        machine=_first_identity(source, book),
                        interval=interval.total_seconds() if interval else None,
                        listener=story.tell,
                        dry_run=dry_run,
                        keep=keep,
                    )
                    loss = _watch(agent, clock)
        kept = "nothing was done, nothing is kept" if dry_run else f"{journal} keeps what was seen and done"
        story.tell(Notice(clock.now(), NoticeKind.STOPPED, f"stopped; {kept}"))


def _watch(agent: Agent, clock: Clock) -> str:
    """Let the agent work until it is told to stop; answers "", or what was lost with a journal that broke under it."""
    try:
        run_until_told(agent.run, agent.stop)
    except JournalDamaged as error:
        return agent.journal.set_aside(clock.now(), str(error))
    return ""


def _app(file: str | None, commands: dict[Stage, list[str]]) -> App:
    if file is None and not commands:
        raise click.UsageError("there is nothing to run: give a handler file, or a command with --on-prepare")
    app = App() if file is None else load_app(file)
    if commands:
        app.add(CommandHandler(commands))
    return app


def _open(name: str, options: ProviderOptions, journal: Journal) -> Provider:
    """The provider; where no cloud answers, as at early boot, the one that the journal's last life had."""
    try:
        return open_provider(name, options)
    except ProviderUnavailable:
        lives = journal.lives()
        if name != AUTO or not lives:
            raise
        return open_provider(lives[-1].provider, options)


def _first_identity(source: Provider, journal: Journal) -> Machine | None:
    """Ask who we are at the very first start, so that a wrong endpoint is told at once.

    An agent that has worked before comes up while the endpoint is down, after a reboot say, and goes on asking; also
    one whose journal was damaged.
    """
    try:
        return source.identify()
    except ProviderError:
        if not (journal.lives() or journal.loss):
            raise
        return None
