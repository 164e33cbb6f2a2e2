"""`stormcone run`: the agent."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path
from typing import cast

import click

from stormcone.agent.boot_id import read_boot_id
from stormcone.agent.loop import Agent
from stormcone.agent.notices import Notice, NoticeKind
from stormcone.cli.commands.check import summaries_of
from stormcone.cli.configured import built, configured, settings_placed, sources_of
from stormcone.cli.console import Manner, is_terminal
from stormcone.cli.options import Place, beside, default_journal
from stormcone.cli.reloading import Reloading
from stormcone.cli.run_output import RunOutput
from stormcone.cli.signals import on_hangup, run_until_told, until_stopped
from stormcone.cli.watched import WatchedRun
from stormcone.clock import Clock
from stormcone.clouds.contract import AUTO, Provider, ProviderOptions, named
from stormcone.config.build import settings_of
from stormcone.config.fleet import membership, summary
from stormcone.config.load import Configuration
from stormcone.config.names import variable_of
from stormcone.config.shards import Shard, shard_of
from stormcone.config.sinks import open_sinks
from stormcone.detect import PATIENCE, Choice, Identity, choose, first_sight, open_provider
from stormcone.errors import JournalDamaged, JournalFenced, ProviderUnavailable, SettingsError, Unreachable
from stormcone.handlers import App
from stormcone.health.addresses import address_of
from stormcone.journal import Journal, JournalStore
from stormcone.journal.places import open_journal, open_shard_book
from stormcone.model import Machine
from stormcone.postgresql.address import DatabaseAddress
from stormcone.rules.sharding import WHOLE
from stormcone.simulators.control_client import clock_of
from stormcone.sinks.contract import NamedSink


@click.command("run")
@configured()
def command(read: Callable[..., Configuration]) -> None:
    """Watch this machine and carry your handlers through its maintenance.

    FILE.py holds handlers and an `app` (or another name, after a colon). Without one, give commands: each gets the
    event as JSON on standard input and as STORMCONE_* variables; exit status 0 is done, 75 is "try again", anything
    else has failed. No shell runs the line: for pipes, variables and the like write sh -c '...'.

    \b
    stormcone run
    stormcone run handlers.py
    stormcone run --on-prepare 'systemctl stop queue' --on-recover 'systemctl start queue'
    """
    context = click.get_current_context()
    manner = context.ensure_object(Manner)
    asked = context.params["log"] or os.environ.get(variable_of(("log",))) or "auto"
    manner.as_json = manner.as_json or _in_json(asked)  # until the configuration can be read
    if manner.shard:
        read = partial(read, listen=())
    reloading = Reloading(read)
    try:
        with on_hangup(reloading.ask):
            configuration = read()
            manner.as_json = configuration.settings.as_json or _in_json(configuration.settings.log)
            _run(configuration, reloading, manner)
    finally:
        reloading.end()


def _in_json(log: str) -> bool:
    return log == "json" or (log == "auto" and not is_terminal())


def _run(configuration: Configuration, reloading: Reloading, manner: Manner) -> None:
    given = configuration.settings
    shard = shard_of(configuration)
    sources = (shard.source,) if shard else sources_of(configuration)
    journal = shard.journal if shard else given.journal or default_journal()
    settings = settings_of(given, shard.part if shard else WHOLE)
    _check_workers(configuration)
    if shard and not (manner.shard or settings.dry_run):
        _agree(shard, given.journal)
    clock = clock_of(next((source.endpoint for source in sources if source.endpoint), None))
    output = RunOutput(clock, as_json=manner.as_json, shard=manner.shard or None)
    socket = None if settings.dry_run else beside(journal)
    with output.listening(given.verbose):
        with until_stopped(), WatchedRun(clock, output.tell, map(address_of, given.listen), socket) as watched:
            app = built(configuration)
            options, *also = [ProviderOptions.of(source, clock) for source in sources]
            place = Path(":memory:") if settings.dry_run else journal
            loss, first, over = "", True, False
            while not over:
                with (
                    open_journal(
                        place,
                        replace_at=clock.now(),
                        wait=watched.stand_by,
                        patience=None if first else inf,
                        workers=given.workers,
                    ) as book,
                    settings_placed(configuration),
                    _chosen(options, book) as choice,
                    _opened(also) as others,
                    open_sinks(configuration, clock) as sinks,
                    membership(configuration, app) as fleet,
                ):
                    provider = choice.provider
                    machine = _first_identity(provider, book)
                    for other in others:
                        _first_identity(other, book)
                    if first:
                        if options.provider == AUTO:
                            output.tell(
                                Notice(clock.now(), NoticeKind.IDENTIFIED, f"{provider.name} it is: {choice.why}")
                            )
                        _say_what_is_run(app, sinks, "" if settings.dry_run else summary(configuration), clock, output)
                        if book.exposure:
                            _problem(output, clock, book.exposure)
                    book.loss = loss or book.loss
                    agent = Agent(
                        provider,
                        app,
                        book,
                        settings=settings,
                        clock=clock,
                        machine=machine,
                        listener=watched.hear,
                        on_turn=watched.turned,
                        also=others,
                        sinks=sinks,
                        fleet=fleet,
                    )
                    watched.begin(agent)
                    reloading.serve(agent, configuration, watched.not_reloaded)
                    over, loss = _watch(agent, book, clock)
                    app, first = agent.app, False
        kept = "nothing was done, nothing is kept" if settings.dry_run else f"{journal} keeps what was seen and done"
        output.tell(Notice(clock.now(), NoticeKind.STOPPED, f"stopped; {kept}"))


def _check_workers(configuration: Configuration) -> None:
    """Refuse workers where they could not reach the journal."""
    if configuration.settings.workers and not isinstance(configuration.settings.journal, DatabaseAddress):
        raise configuration.placed(
            SettingsError('workers share a journal in a database; set journal = "postgresql://..." as well'),
            ("workers",),
        )


def _agree(shard: Shard, place: Place | None) -> None:
    """See that watchers of the same database know a shard as it is known here; `watch` has seen to that already."""
    assert isinstance(place, DatabaseAddress)  # noqa: S101 - for the type checker: `shard_of` has looked
    with closing(open_shard_book(place, [shard.shared])) as book:
        book.join()


def _problem(output: RunOutput, clock: Clock, text: str) -> None:
    output.tell(Notice(clock.now(), NoticeKind.PROBLEM, text))


def _say_what_is_run(app: App, sinks: Sequence[NamedSink], fleet: str, clock: Clock, output: RunOutput) -> None:
    told = [f"sinks: {', '.join(sink.name for sink in sinks)}"] if sinks else []
    told += [fleet] if fleet else []
    for line in (*summaries_of(app), *told):
        output.tell(Notice(clock.now(), NoticeKind.HANDLER, line))


def _watch(agent: Agent, journal: JournalStore, clock: Clock) -> tuple[bool, str]:
    """Let the agent work; answers whether it was told to stop, and what was lost with a journal that broke under it.

    One whose journal another agent has taken over waits until it is to be had again.
    """
    try:
        run_until_told(agent.run, agent.stop)
    except JournalDamaged as error:
        return False, cast(Journal, journal).set_aside(clock.now(), str(error))
    except JournalFenced:
        return False, ""
    return True, ""


def _open(options: ProviderOptions, journal: JournalStore) -> Choice:
    """The provider; the journal's own within the boot in which it was written, and where no cloud answers.

    So an agent that is started again, or comes up early after a boot, waits for no instance endpoint.
    """
    lives = journal.lives()
    if options.provider != AUTO or not lives:
        return choose(options)
    last = replace(options, provider=lives[-1].provider)
    if lives[-1].boot_id == read_boot_id() != "":
        return replace(choose(last), why="it is that of the last life, in this boot")
    try:
        return choose(options)
    except ProviderUnavailable as error:
        return replace(choose(last), why=f"it is that of the last life; {error}")


@contextmanager
def _chosen(options: ProviderOptions, journal: JournalStore) -> Iterator[Choice]:
    """The first provider, open until the end of the block, and why it is this one."""
    choice = _open(options, journal)
    with closing(choice.provider):
        yield choice


@contextmanager
def _opened(options: Iterable[ProviderOptions]) -> Iterator[list[Provider]]:
    """The further providers, open until the end of the block."""
    with ExitStack() as stack:
        yield [stack.enter_context(closing(open_provider(each))) for each in options]


def _first_identity(provider: Provider, journal: JournalStore) -> Machine | None:
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
