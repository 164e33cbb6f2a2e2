"""`stormcone demo`: the whole story, told as it happens."""

import shlex
import tempfile
from pathlib import Path

import click

from stormcone.cli.commands.demo_fleet import command as fleet_command
from stormcone.cli.console import say
from stormcone.cli.director import NOTICE, SPEED, Director, clouds, staged
from stormcone.cli.render import story_text
from stormcone.cli.teller import Teller, heading
from stormcone.detect import lacking
from stormcone.errors import ProviderUnavailable, StormconeError
from stormcone.journal import Journal
from stormcone.journal.timeline import timeline
from stormcone.simulators.contract import DEFAULT_PORT
from stormcone.text import span

STORIES = 2
"""Events in each cloud's part: one that takes place and one that is called off."""


@click.group("demo", invoke_without_command=True)
@click.option("--cloud", "only", metavar="NAME", help="Show this cloud only.")
@click.pass_context
def command(context: click.Context, only: str | None) -> None:
    """See the whole story in a minute: no account, no server.

    A simulator announces two reboots over real HTTP; one takes place, one is called off. An agent prepares, approves,
    and recovers. The clock runs a hundred times as fast.

    `stormcone demo fleet` shows three agents that agree.
    """
    if context.invoked_subcommand is not None:
        if only is not None:
            raise click.UsageError("--cloud is for the story of one machine; leave it out")
        return
    known = clouds()
    if only is not None and only not in known:
        raise click.UsageError(f"there is no simulated cloud {only!r}; there are: {', '.join(known) or 'none'}")
    if not known:
        raise StormconeError("there is no cloud to show: none has both a provider and a simulator installed")
    wanted = [only] if only else known
    lacks = {cloud: why for cloud in wanted if (why := lacking(cloud))}
    shown = [cloud for cloud in wanted if cloud not in lacks]
    if not shown:
        raise ProviderUnavailable("; ".join(lacks.values()))
    with (
        tempfile.TemporaryDirectory(prefix="stormcone-demo-") as folder,
        Journal.open(Path(folder, "journal.db")) as book,
    ):
        teller = Teller()
        steps = [_play(cloud, book, teller) for cloud in shown]
        heading(f"One handler, {' and '.join(shown)}. What the journal keeps of the first event (stormcone history)")
        for episode in book.episodes()[::STORIES]:
            say(story_text(episode, timeline(book, episode)))
    heading("Now you, each line in a terminal of its own")
    say("\n".join(f"  {line}" for line in min(steps, key=lambda lines: sum(map(len, lines)))))
    for cloud, why in lacks.items():
        say(f"\nNot shown is {cloud}: {why}.")
    say("\nOn a real machine: stormcone doctor. Your own handler: stormcone run --help.")


def _play(cloud: str, book: Journal, teller: Teller) -> list[str]:
    """Tell both stories on one cloud; answers the command lines that do the same by hand."""
    teller.begin()
    with staged(cloud, book, teller.show) as director:
        heading(f"{cloud}: a reboot of {director.machine} with {span(NOTICE)} of notice, at {SPEED:g} times the speed")
        director.reboot()
        heading(f"{cloud}: another reboot, which the cloud calls off while we prepare for it")
        director.called_off()
        return _steps(cloud, director)


def _steps(cloud: str, director: Director) -> list[str]:
    options = director.options
    reach = ["--provider", cloud, "--endpoint", f"http://127.0.0.1:{DEFAULT_PORT}"]
    if options.region:
        reach += ["--region", options.region]
    for name, value in options.settings.items():
        reach += ["--set", f"{name}={value}"]
    handler = ["--on-prepare", "echo drain", "--on-recover", "echo back"]
    return [
        shlex.join(["stormcone", *words])
        for words in (
            ["simulator", cloud, "--machine", director.machine],
            ["run", *reach, *handler],
            ["simulate", "reboot", "--machine", director.machine, "--in", "15m"],
            ["history"],
        )
    ]


command.add_command(fleet_command)
