"""How demonstrations speak: a line for each thing that happens, with what such a line means where it is new."""

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import click

from stormcone.agent.notices import NoticeKind
from stormcone.cli.console import is_terminal, say
from stormcone.cli.director import Beat
from stormcone.text import printable

if TYPE_CHECKING:
    from datetime import datetime


CLOUD = "cloud"
"""Who does what no agent and no handler does."""


class Look(NamedTuple):
    """How one kind of beat is shown.

    Attributes:
        symbol: one character.
        who: whose doing it is; what an agent or a handler does bears its machine's name, where there are several.
        colour: on a terminal.
        gloss: what such a line means, said when it is first seen; "" where the line says it itself.
    """

    symbol: str
    who: str
    colour: str
    gloss: str = ""


LOOKS: dict[NoticeKind | None, Look] = {
    NoticeKind.IDENTIFIED: Look("○", "agent", "white", "the cloud's metadata says which machine this is"),
    NoticeKind.ANNOUNCED: Look("▲", CLOUD, "yellow", "the notice, read in the cloud's own protocol"),
    NoticeKind.REVISED: Look("▲", CLOUD, "yellow"),
    NoticeKind.RUN_BEGUN: Look("▶", "agent", "white", "it calls your handler, and has written down that it does"),
    None: Look("│", "handler", "bright_blue", "your code: the same for every cloud"),
    NoticeKind.RUN_ENDED: Look("✓", "agent", "green"),
    NoticeKind.RUN_CUT_OFF: Look("✓", "agent", "green", "a stage that was told to end, and did"),
    NoticeKind.APPROVED: Look("✓", "agent", "green", "all is ready, so the cloud need not wait any longer"),
    NoticeKind.STARTED: Look("▼", CLOUD, "magenta", "the machine goes down; on a real one, so would the agent"),
    NoticeKind.ENDED: Look(
        "■", CLOUD, "cyan", "it is over; where the cloud does not say how it ended, that is inferred"
    ),
    NoticeKind.DECIDED: Look("•", "agent", "white"),
}
"""Every kind that the demo expects; any other is `TROUBLE`."""

TROUBLE = Look("✗", "agent", "red")

_WHO_WIDTH = max(len(look.who) for look in LOOKS.values())


class Teller:
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
        who = beat.machine if beat.machine and look.who != CLOUD else look.who
        mark = click.style(f"{look.symbol} {who:<{_WHO_WIDTH}}", fg=look.colour, bold=True)
        line = f"{minutes:>4}:{seconds:02}  {mark}  {printable(beat.text)}"
        if look.gloss and look not in self._explained:
            self._explained.add(look)
            line += "\n" + click.style(f"{'':9}{'':{_WHO_WIDTH + 2}}  ({look.gloss})", dim=True)
        with suppress(BrokenPipeError):  # the main thread finds out for itself that nobody listens, and ends the demo
            say(line)  # in one piece, as the agent and its handler speak from threads of their own


def heading(text: str) -> None:
    """Say what comes next."""
    say("")
    say(click.style(f"━━ {text}", bold=True) if is_terminal() else f"== {text}")
