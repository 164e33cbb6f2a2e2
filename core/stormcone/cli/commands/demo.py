"""`stormcone demo`: the whole story, told as it happens."""

import shlex
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from stormcone.agent.notices import NoticeKind
from stormcone.cli.console import is_terminal, say
from stormcone.cli.director import NOTICE, SPEED, Beat, Director, clouds, staged
from stormcone.cli.render import story_text
from stormcone.detect import lacking
from stormcone.errors import ProviderUnavailable, StormconeError
from stormcone.journal import Journal
from stormcone.journal.timeline import timeline
from stormcone.simulators.contract import DEFAULT_PORT
from stormcone.text import printable, span

if TYPE_CHECKING:
    from datetime import datetime


class Look(NamedTuple):
    """How one kind of beat is shown.

    Attributes:
        symbol: one character.
        who: whose doing it is.
        colour: on a terminal.
        gloss: what such a line means, said when it is first seen; "" where the line says it itself.
    """

    symbol: str
    who: str
    colour: str
    gloss: str = ""


LOOKS: dict[NoticeKind | None, Look] = {
    NoticeKind.IDENTIFIED: Look("○", "agent", "white", "the cloud's metadata says which machine this is"),
    NoticeKind.ANNOUNCED: Look("▲", "cloud", "yellow", "the notice, read in the cloud's own protocol"),
    NoticeKind.REVISED: Look("▲", "cloud", "yellow"),
    NoticeKind.RUN_BEGUN: Look("▶", "agent", "white", "it calls your handler, and has written down that it does"),
    None: Look("│", "handler", "bright_blue", "your code: the same for every cloud"),
    NoticeKind.RUN_ENDED: Look("✓", "agent", "green"),
    NoticeKind.RUN_CUT_OFF: Look("✓", "agent", "green", "a stage that was told to end, and did"),
    NoticeKind.APPROVED: Look("✓", "agent", "green", "all is ready, so the cloud need not wait any longer"),
    NoticeKind.STARTED: Look("▼", "cloud", "magenta", "the machine goes down; on a real one, so would the agent"),
    NoticeKind.ENDED: Look(
        "■", "cloud", "cyan", "it is over; where the cloud does not say how it ended, that is inferred"
    ),
    NoticeKind.DECIDED: Look("•", "agent", "white"),
}
"""Every kind that the demo expects; any other is `TROUBLE`."""

TROUBLE = Look("✗", "agent", "red")

STORIES = 2
"""Events in each cloud's part: one that takes place and one that is called off."""

_WHO_WIDTH = max(len(look.who) for look in LOOKS.values())


@click.command("demo")
@click.option("--cloud", "only", metavar="NAME", help="Show this cloud only.")
def command(only: str | None) -> None:
    """See the whole story in a minute: no account, no server.

    A simulator announces two reboots over real HTTP; one takes place, one is called off. An agent prepares, approves,
    and recovers. The clock runs a hundred times as fast.
    """
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
        teller = _Teller()
        steps = [_play(cloud, book, teller) for cloud in shown]
        _heading(f"One handler, {' and '.join(shown)}. What the journal keeps of the first event (stormcone history)")
        for episode in book.episodes()[::STORIES]:
            say(story_text(episode, timeline(book, episode)))
    _heading("Now you, each line in a terminal of its own")
    say("\n".join(f"  {line}" for line in min(steps, key=lambda lines: sum(map(len, lines)))))
    for cloud, why in lacks.items():
        say(f"\nNot shown is {cloud}: {why}.")
    say("\nOn a real machine: stormcone doctor. Your own handler: stormcone run --help.")


class _Teller:
    """Prints beats as time lines, each of which begins with its first beat."""

    def __init__(self) -> None:
        self._begun: datetime | None = None
        self._explained: set[Look] = set()

    def begin(self) -> None:
        """Begin another time line."""
        self._begun = None

    def show(self, beat: Beat) -> None:
        """Print a beat, with what such a line means where it is the first of its kind."""
        self._begun = self._begun or beat.at
        minutes, seconds = divmod(round((beat.at - self._begun).total_seconds()), 60)
        look = LOOKS.get(beat.kind, TROUBLE)
        mark = click.style(f"{look.symbol} {look.who:<{_WHO_WIDTH}}", fg=look.colour, bold=True)
        line = f"{minutes:>4}:{seconds:02}  {mark}  {printable(beat.text)}"
        if look.gloss and look not in self._explained:
            self._explained.add(look)
            line += "\n" + click.style(f"{'':9}{'':{_WHO_WIDTH + 2}}  ({look.gloss})", dim=True)
        with suppress(BrokenPipeError):  # the main thread finds out for itself that nobody listens, and ends the demo
            say(line)  # in one piece, as the agent and its handler speak from threads of their own


def _play(cloud: str, book: Journal, teller: _Teller) -> list[str]:
    """Tell both stories on one cloud; answers the command lines that do the same by hand."""
    teller.begin()
    with staged(cloud, book, teller.show) as director:
        _heading(f"{cloud}: a reboot of {director.machine} with {span(NOTICE)} of notice, at {SPEED:g} times the speed")
        director.reboot()
        _heading(f"{cloud}: another reboot, which the cloud calls off while we prepare for it")
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


def _heading(text: str) -> None:
    say("")
    say(click.style(f"━━ {text}", bold=True) if is_terminal() else f"== {text}")
