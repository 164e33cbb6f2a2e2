"""`stormcone watch`: a share of many regions, with other watchers."""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing

import click

from stormcone.agent.keeper import Keeper, KeeperView
from stormcone.agent.notices import Notice, NoticeKind
from stormcone.agent.reporter import Reporter
from stormcone.cli.commands.check import summaries_of
from stormcone.cli.configured import built, configured
from stormcone.cli.console import Manner, is_terminal
from stormcone.cli.run_output import RunOutput
from stormcone.cli.shard_process import RunProcess
from stormcone.cli.signals import on_hangup, run_until_told, until_stopped
from stormcone.clock import SystemClock
from stormcone.config.load import Configuration
from stormcone.config.names import variable_of
from stormcone.config.shards import shards_of
from stormcone.errors import SettingsError
from stormcone.health.addresses import address_of
from stormcone.health.server import HealthListener
from stormcone.health.shards import ShardsHealth
from stormcone.journal.places import open_shard_book
from stormcone.postgresql.address import DatabaseAddress
from stormcone.service.notify import Notifier

_NOT_OURS = {"provider", "endpoint", "machine", "region", "settings", "shard", "dry_run"}
"""The options of `run` that each shard says for itself, or that make no sense for many."""


class _Remembers(click.Command):
    """A command that keeps what it was given, word for word, for the processes that it starts."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[__name__] = tuple(args)
        return super().parse_args(ctx, args)


@click.command("watch", cls=_Remembers)
@configured(without=_NOT_OURS)
def command(read: Callable[[], Configuration]) -> None:
    """Watch a share of the regions that [shards] in the configuration names.

    Start it on as many machines as you like, with the same configuration: the watchers that live share the shards
    evenly. When one comes, it takes its share; when one goes or dies, the others take what it had. Each shard has a
    process, a journal and a lease of its own. It needs a journal in a database.

    \b
    stormcone watch handlers.py --journal postgresql://db/stormcone
    """
    context = click.get_current_context()
    manner = context.ensure_object(Manner)
    asked = context.params["log"] or os.environ.get(variable_of(("log",))) or "auto"
    manner.as_json = manner.as_json or _in_json(asked)  # until the configuration can be read
    configuration = read()
    given = configuration.settings
    manner.as_json = given.as_json or _in_json(given.log)
    _watch(configuration, context.meta[__name__], as_json=manner.as_json)


def _in_json(log: str) -> bool:
    return log == "json" or (log == "auto" and not is_terminal())


def _watch(configuration: Configuration, arguments: Sequence[str], *, as_json: bool) -> None:
    given = configuration.settings
    if given.dry_run:
        why = "watchers share shards by their journals, and a dry run has none; try one shard: stormcone run --shard"
        raise configuration.placed(SettingsError(why), ("dry_run",))
    shards = shards_of(configuration)
    assert isinstance(given.journal, DatabaseAddress)  # noqa: S101 - for the type checker: `shards_of` has looked
    clock = SystemClock()
    output = RunOutput(clock, as_json=as_json)
    health, notifier = ShardsHealth(clock), Notifier()

    def turned(view: KeeperView) -> None:
        health.turned(view)
        if notifier.wanted:
            notifier.waits(health.line)

    def tell(kind: NoticeKind, text: str) -> None:
        output.tell(Notice(clock.now(), kind, text))

    with output.listening(given.verbose), until_stopped(), closing(notifier), ExitStack() as stack:
        for line in summaries_of(built(configuration)):
            tell(NoticeKind.HANDLER, line)
        book = stack.enter_context(closing(open_shard_book(given.journal, [each.shared for each in shards.values()])))
        book.join()
        tell(NoticeKind.IDENTIFIED, f"shares {len(shards)} shard(s): {', '.join(shards)}")
        keeper = Keeper(
            book,
            lambda shard: RunProcess(shard, arguments),
            clock=clock,
            reporter=Reporter(clock, output.tell),
            grace=given.grace.total_seconds(),
            on_turn=turned,
        )
        for address in map(address_of, given.listen):
            stack.callback(HealthListener(address, health, lambda text: tell(NoticeKind.PROBLEM, text)).close)
            reach = "whoever reaches this machine" if address.exposed else "this machine alone"
            tell(NoticeKind.SERVING, f"health and metrics are served on {address}, for {reach}")
        with on_hangup(keeper.reload):
            run_until_told(keeper.run, keeper.stop)
        tell(NoticeKind.STOPPED, f"stopped; the journals at {given.journal} keep what was seen and done")
