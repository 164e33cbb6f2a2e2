"""`stormcone demo`: the whole story, told as it happens."""

import tempfile
from pathlib import Path

import click

from stormcone.cli.console import is_terminal, notice_line
from stormcone.cli.history import story_tree
from stormcone.demo import SPEED, clouds, stage
from stormcone.journal import Journal
from stormcone.notices import Notice
from stormcone.timeline import timeline

NEXT = """
Next, with a simulator of your own, each line in a terminal of its own:

  stormcone simulator azure --machine web-0 --machine web-1
  stormcone run examples/load_balancer.py --provider azure --endpoint http://127.0.0.1:18169
  stormcone simulate reboot --machine web-0 --in 15m
  stormcone history

Write your own handler: docs/getting-started.md. On a real machine: stormcone doctor.
"""


@click.command("demo")
@click.option("--cloud", "only", metavar="NAME", help="Show this cloud alone.")
def command(only: str | None) -> None:
    """See the whole story in a minute: no account, no server.

    A simulator announces two reboots over real HTTP; one takes place, one is called off. An agent prepares, approves,
    and recovers. The clock runs a hundred times as fast.
    """
    shown = clouds()
    if only is not None and only not in shown:
        raise click.UsageError(f"there is no simulated cloud {only!r}; there are: {', '.join(shown)}")
    with (
        tempfile.TemporaryDirectory(prefix="stormcone-demo-") as folder,
        Journal.open(Path(folder, "journal.db")) as book,
    ):
        for cloud in [only] if only else shown:
            _play(cloud, book)
        _tell_history(book)
    click.echo(NEXT, nl=False)


def _play(cloud: str, book: Journal) -> None:
    def show(notice: Notice) -> None:
        click.echo("  " + notice_line(notice))

    def tell(text: str) -> None:
        click.echo("                              " + click.style(f"handler: {text}", fg="bright_blue"))

    _heading(f"{cloud}: a simulator and an agent, over HTTP, at {SPEED:g} times the speed")
    with stage(cloud, book, show, tell) as scene:
        _heading(f"a reboot of {scene.machine}, with 15 minutes' notice")
        scene.reboot()
        _heading("another reboot, which the cloud calls off while we prepare for it")
        scene.called_off()


def _tell_history(book: Journal) -> None:
    from rich.console import Console

    _heading("what the journal keeps (stormcone history)")
    console = Console(soft_wrap=True)
    for episode in book.episodes():
        console.print(story_tree(episode, timeline(book, episode)))


def _heading(text: str) -> None:
    click.echo()
    click.echo(click.style(f"━━ {text}", bold=True) if is_terminal() else f"== {text}")
