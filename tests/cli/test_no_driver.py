"""PostgreSQL's driver is not installed: every command that needs it says so in one way, and with one exit status."""

import re
import sys
from collections.abc import Iterator
from typing import Any

import click
import pytest

from stormcone.cli import cli
from stormcone.errors import PluginError

URL = "postgresql://me:hidden@127.0.0.1:9/x"
AZURE = ("--provider", "azure", "--endpoint", "{endpoint}")

NEEDS_IT = {
    "run": ("run", "h.py", "--journal", URL, *AZURE),
    "worker": ("worker", "h.py", "--journal", URL),
    "run in a fleet": ("run", "--config", "fleet.toml", *AZURE),
    "watch": ("watch", "h.py", "--config", "shards.toml", "--journal", URL),
    "status": ("status", "--journal", URL),
    "history": ("history", "--journal", URL),
    "explain": ("explain", "h.py", "--journal", URL, "--event", "E-1", *AZURE),
    "explain in a fleet": ("explain", "--config", "fleet.toml", *AZURE),
    "sink list": ("sink", "list", "--journal", URL),
    "shards": ("shards", "--journal", URL),
    "shards forget": ("shards", "--journal", URL, "forget", "r"),
    "check": ("check", "--config", "fleet.toml"),
    "sink test": ("sink", "test", "all", "--config", "fleet.toml"),
    "fleet": ("fleet", "--config", "fleet.toml"),
    "fleet forget": ("fleet", "forget", "web-0", "--config", "fleet.toml"),
    "fleet history": ("fleet", "history", "--config", "fleet.toml"),
    "demo fleet": ("demo", "fleet"),
}

ELSE = {"config", "doctor", "reload"}
"""These take a journal and open none of a database: they show it, report on it, or ask its agent on this machine."""

FLEET = f'handlers = "h.py"\n[fleet]\nurl = "{URL}"\n[sinks.all]\ntype = "fleet"\n'
SHARDS = f'journal = "{URL}"\n[shards.cn-hangzhou]\nprovider = "alibaba"\n'


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """All commands that do something by themselves, with their names."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))


@pytest.fixture(autouse=True)
def _no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the driver can be imported, nor has been what is made of it."""
    ours = re.compile(r"stormcone\.(journal\.postgresql\.\w+|fleet\.postgresql|postgresql\.(database|errors|versions))")
    for name in [name for name in sys.modules if ours.fullmatch(name)]:
        monkeypatch.delitem(sys.modules, name)
    for name in list(sys.modules):
        if name.partition(".")[0] in {"psycopg", "psycopg_pool"}:
            monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setitem(sys.modules, "psycopg_pool", None)


@pytest.mark.parametrize("name", NEEDS_IT)
def test_it_is_one_sentence_with_one_status(stormcone: Any, simulator: Any, tmp_path: Any, name: str) -> None:
    (tmp_path / "h.py").write_text("from stormcone import App\napp = App()\n@app.prepare\ndef p(event, context): ...\n")
    for file, text in (("fleet.toml", FLEET), ("shards.toml", SHARDS)):
        (tmp_path / file).write_text(text)
        (tmp_path / file).chmod(0o600)
    said = stormcone(*(word.format(endpoint=simulator.url) for word in NEEDS_IT[name]))
    assert said.status == PluginError.exit_code, said
    assert said.err.endswith("pip install 'stormcone[fleet]'\n")
    assert (said.err.count("\n"), "hidden" in said.err) == (1, False)


def test_no_command_that_takes_a_journal_is_left_out() -> None:
    takes = {name for name, command in leaves(cli) if any(each.name == "journal" for each in command.params)}
    assert takes - NEEDS_IT.keys() == ELSE
