"""`stormcone demo fleet`: three agents that share a database, told as it happens."""

import signal
import sys
import threading
from contextlib import suppress
from datetime import timedelta

import click

from stormcone.cli.commands.fleet import overview_lines
from stormcone.cli.console import say
from stormcone.cli.fleet_stage import BOTH, GROUP, THIRD, FleetDirector, Stopped, staged
from stormcone.cli.signals import run_until_told
from stormcone.cli.teller import Teller, heading
from stormcone.sinks.parts import overheard
from stormcone.text import span

SPEED = 30.0
"""Seconds of the demo's clock to one real second, unless told otherwise: the story of 12 minutes takes 24 seconds."""

FASTEST = 100.0
"""Above this, the agents' clock would leave the database no time to answer."""

NOTICE = timedelta(minutes=15)
LATER = timedelta(hours=1)


@click.command("fleet")
@click.option(
    "--speed",
    type=click.FloatRange(1, FASTEST),
    default=SPEED,
    show_default=True,
    help="Seconds of the demo's clock to a real one.",
)
def command(speed: float) -> None:
    """See three agents agree on an approval and wait for their turn: with a PostgreSQL of the demo's own.

    One event names two machines: it is approved once, when both are prepared. Another one names the third, which waits
    until fewer are away. It needs a PostgreSQL that is installed; the server is started for the demo, and gone with it.
    """
    stopped = threading.Event()

    def play() -> None:
        with suppress(Stopped):
            _play(speed, stopped)

    with overheard("stormcone"):  # what the agents warn of is told as part of the story
        told = run_until_told(play, stopped.set)
    if told == signal.SIGINT:
        raise click.Abort
    if told:
        sys.exit(128 + told)


def _play(speed: float, stopped: threading.Event) -> None:
    say("Starting a PostgreSQL and three agents ...")
    teller = Teller()
    with staged(speed, teller.show, stopped) as director:
        named = " and ".join(BOTH)
        heading(f"A reboot of {named}, in {span(NOTICE)}: at {speed:g} times the speed")
        shared = director.announce(BOTH, NOTICE)
        director.prepares(shared, BOTH)
        own = director.announce((THIRD,), LATER)
        director.waits(own, THIRD)
        seen = list(overview_lines(director.report()))
        director.recovered(shared, BOTH)
        director.recovered(own, (THIRD,))
        heading(f"What `stormcone fleet` said while {THIRD} waited (group {GROUP}: max_unavailable = 1)")
        say("\n".join(seen))
        heading("What the cloud was asked")
        for event, names in ((shared, BOTH), (own, (THIRD,))):
            say(f"  reboot of {', '.join(names)}: {_asked(director, event)}")
    say("\nYour own fleet: three lines of configuration on each machine, see docs/fleet.md.")


def _asked(director: FleetDirector, event: str) -> str:
    by = director.approvals(event)
    return f"approved {'once' if len(by) == 1 else f'{len(by)} times'}, by {', '.join(by) or 'nobody'}"
