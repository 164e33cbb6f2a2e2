"""`stormcone run`: the agent."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import click

from stormcone.agent.boot_id import read_boot_id
from stormcone.agent.loop import Agent
from stormcone.agent.notices import Notice, NoticeKind
from stormcone.agent.settings import KEEP, AgentSettings
from stormcone.cli.commands.check import approval_of, summary_of
from stormcone.cli.options import Span, gathered, interval_option, journal_option, json_option, sources_options
from stormcone.cli.run_output import RunOutput
from stormcone.cli.signals import run_until_told, until_stopped
from stormcone.clock import Clock
from stormcone.clouds.contract import AUTO, Provider, ProviderOptions, Source, named
from stormcone.detect import PATIENCE, Identity, first_sight, open_provider
from stormcone.errors import HandlerMistake, JournalDamaged, ProviderUnavailable, SettingsError, Unreachable
from stormcone.handlers import USUAL_LEAD, App, Stage
from stormcone.handlers.commands import CommandHandler, split_command
from stormcone.handlers.files import load_app
from stormcone.journal import Journal
from stormcone.model import Machine
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


@dataclass(frozen=True, kw_only=True)
class Commands:
    """The commands that stand in a handler's place, by stage, when they prepare, and whether they get credentials."""

    words: Mapping[Stage, list[str]]
    lead: timedelta
    with_credentials: bool

    def handler(self) -> CommandHandler:
        """What runs them.

        Raises:
            SettingsError: one of them, or the lead, cannot be used.
        """
        try:
            return CommandHandler(self.words, credentials=self.with_credentials, lead=self.lead)
        except HandlerMistake as error:
            raise SettingsError(str(error)) from error


def _commands(
    on_prepare: list[str] | None,
    on_started: list[str] | None,
    on_recover: list[str] | None,
    lead: timedelta | None,
    *,
    with_credentials: bool,
) -> Commands:
    given = {Stage.PREPARE: on_prepare, Stage.STARTED: on_started, Stage.RECOVER: on_recover}
    words = {stage: words for stage, words in given.items() if words}
    if with_credentials and not words:
        raise click.UsageError("--with-credentials is for commands, and none is given (--on-prepare)")
    if lead is not None and Stage.PREPARE not in words:
        raise click.UsageError("--lead says when --on-prepare is run, and that is not given")
    return Commands(words=words, lead=USUAL_LEAD if lead is None else lead, with_credentials=with_credentials)


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """What the command line says of approval in the app's place; what is None stays."""

    approve: str | None
    leader: str | None
    standby: str | None
    standby_after: timedelta | None
    approve_early: timedelta | None
    postpone: str | None
    postpone_by: timedelta | None

    def applied_to(self, app: App) -> App:
        """The app as it is then.

        Raises:
            SettingsError: an option cannot be used, or not with what the app says.
        """
        try:
            return app.but(**{name: value for name, value in vars(self).items() if value is not None})
        except HandlerMistake as error:
            raise SettingsError(str(error)) from error


def _settings(interval: timedelta | None, keep: timedelta, dry_run: bool) -> AgentSettings:
    return AgentSettings(interval=interval.total_seconds() if interval else None, keep=keep, dry_run=dry_run)


@click.command("run")
@click.argument("file", metavar="[FILE.py[:APP]]", required=False)
@sources_options
@journal_option
@gathered(
    "commands",
    _commands,
    click.option("--on-prepare", type=CommandLine(), help="Run this when an event is announced."),
    click.option("--on-started", type=CommandLine(), help="Run this when it has begun."),
    click.option("--on-recover", type=CommandLine(), help="Run this when it has ended."),
    click.option("--lead", type=Span(), help="How long before an event's time --on-prepare is run. [default: 1h]"),
    click.option(
        "--with-credentials", is_flag=True, help="Let commands have the cloud's credentials from this environment."
    ),
)
@gathered(
    "overrides",
    Overrides,
    click.option("--approve", type=click.Choice(["prepared", "never"]), help="Overrides the app's approval policy."),
    click.option("--leader", metavar="NAME", help="Who approves events that name several machines: `first` or a name."),
    click.option("--standby", metavar="NAME", help="Who approves in the leader's place where the leader is silent."),
    click.option("--standby-after", type=Span(), help="How long the leader may be silent. [default: 5m]"),
    click.option(
        "--approve-early", type=Span(), help="Approve at most so long ahead, also where the event then begins at once."
    ),
    click.option(
        "--postpone",
        type=click.Choice(["never", "once"]),
        help="Whether each event is put off once, where its cloud lets it be.",
    ),
    click.option(
        "--postpone-by", type=Span(positive=True), help="How far at the most; as far as the cloud lets it be otherwise."
    ),
)
@gathered(
    "settings",
    _settings,
    interval_option,
    click.option(
        "--keep",
        type=Span(positive=True),
        default=f"{KEEP.days}d",
        show_default=True,
        help="How long the journal keeps an event after its end.",
    ),
    click.option(
        "--dry-run", is_flag=True, help="Run no handler, approve nothing, write no journal: say what would be done."
    ),
)
@json_option
@click.option("-v", "--verbose", count=True, help="Say more; twice for everything.")
def command(
    file: str | None,
    sources: Sequence[Source],
    journal: Path,
    commands: Commands,
    overrides: Overrides,
    settings: AgentSettings,
    as_json: bool,
    verbose: int,
) -> None:
    """Watch this machine and carry your handlers through its maintenance.

    FILE.py holds handlers and an `app` (or another name, after a colon). Without one, give commands: each gets the
    event as JSON on standard input and as STORMCONE_* variables; exit status 0 is done, 75 is "try again", anything
    else has failed. No shell runs the line: for pipes, variables and the like write sh -c '...'.

    \b
    stormcone run handlers.py
    stormcone run --on-prepare 'systemctl stop queue' --on-recover 'systemctl start queue'
    """
    clock = clock_of(next((source.endpoint for source in sources if source.endpoint), None))
    output = RunOutput(clock, as_json=as_json)
    with output.listening(verbose):
        with until_stopped():
            app = overrides.applied_to(_app(file, commands))
            options, *also = [ProviderOptions.of(source, clock) for source in sources]
            place = ":memory:" if settings.dry_run else journal
            loss: str | None = None
            while loss != "":
                with (
                    Journal.open(place, replace_at=clock.now()) as book,
                    closing(_open(options, book)) as provider,
                    _opened(also) as others,
                ):
                    machine = _first_identity(provider, book)
                    for other in others:
                        _first_identity(other, book)
                    if loss is None:
                        _say_what_is_run(app, clock, output)
                        if book.exposure:
                            output.tell(Notice(clock.now(), NoticeKind.PROBLEM, book.exposure))
                    book.loss = loss or book.loss
                    agent = Agent(
                        provider,
                        app,
                        book,
                        settings=settings,
                        clock=clock,
                        machine=machine,
                        listener=output.tell,
                        also=others,
                    )
                    loss = _watch(agent, book, clock)
        kept = "nothing was done, nothing is kept" if settings.dry_run else f"{journal} keeps what was seen and done"
        output.tell(Notice(clock.now(), NoticeKind.STOPPED, f"stopped; {kept}"))


def _say_what_is_run(app: App, clock: Clock, output: RunOutput) -> None:
    for line in (*map(summary_of, app.handlers), f"approval: {approval_of(app)}"):
        output.tell(Notice(clock.now(), NoticeKind.HANDLER, line))


def _watch(agent: Agent, journal: Journal, clock: Clock) -> str:
    """Let the agent work until it is told to stop; answers "", or what was lost with a journal that broke under it."""
    try:
        run_until_told(agent.run, agent.stop)
    except JournalDamaged as error:
        return journal.set_aside(clock.now(), str(error))
    return ""


def _app(file: str | None, commands: Commands) -> App:
    if file is None and not commands.words:
        raise click.UsageError("there is nothing to run: give a handler file, or a command with --on-prepare")
    app = App() if file is None else load_app(file)
    if commands.words:
        app.add(commands.handler())
    return app


def _open(options: ProviderOptions, journal: Journal) -> Provider:
    """The provider; the journal's own within the boot in which it was written, and where no cloud answers.

    So an agent that is started again, or comes up early after a boot, waits for no instance endpoint.
    """
    lives = journal.lives()
    if options.provider != AUTO or not lives:
        return open_provider(options)
    last = replace(options, provider=lives[-1].provider)
    if lives[-1].boot_id == read_boot_id() != "":
        return open_provider(last)
    try:
        return open_provider(options)
    except ProviderUnavailable:
        return open_provider(last)


@contextmanager
def _opened(options: Iterable[ProviderOptions]) -> Iterator[list[Provider]]:
    """The further providers, open until the end of the block."""
    with ExitStack() as stack:
        yield [stack.enter_context(closing(open_provider(each))) for each in options]


def _first_identity(provider: Provider, journal: Journal) -> Machine | None:
    """See at the very first start that the cloud is there, so that what stays wrong is told at once.

    It is there where it says which machine this is or what is announced; whichever fails, the agent goes on asking. One
    that has worked before comes up while the endpoint is down, after a reboot say; also one whose journal was damaged.
    """
    if journal.lives() or journal.loss:
        return None
    identity = Identity(provider)
    if named(provider) is None:
        identity.within(PATIENCE)
    if identity.failed_by(Unreachable):
        return identity.within(None)
    return first_sight(provider, identity)
