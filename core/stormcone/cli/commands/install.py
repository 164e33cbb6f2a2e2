"""`stormcone install`: the agent as a service."""

import os
import pwd
import sys
from pathlib import Path

import click

from stormcone.cli.console import say, warn
from stormcone.errors import SettingsError, StormconeError
from stormcone.service.unit import DROP_IN, HEADER, NAME, drop_in_text, hidden, unit_text

_USUAL_FILE = "/etc/stormcone/stormcone.toml"


@click.command("install", context_settings={"ignore_unknown_options": False})
@click.argument("arguments", nargs=-1, metavar="[-- ARGUMENTS OF run]")
@click.option("--systemd", is_flag=True, required=True, help="Write a unit for systemd.")
@click.option("--print", "only_print", is_flag=True, help="Print the unit, and write nothing.")
@click.option(
    "--user",
    metavar="NAME",
    help="The user that the agent and handlers run as, such as root; default: one made by systemd, without rights.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/etc/systemd/system"),
    show_default=True,
    help="The folder for units.",
)
def command(arguments: tuple[str, ...], systemd: bool, only_print: bool, user: str | None, directory: Path) -> None:  # noqa: ARG001 - there is one kind
    """Write the agent's unit for systemd, with a drop-in for what the handlers need.

    The unit runs `stormcone run` with the arguments after `--`; without any it reads /etc/stormcone/stormcone.toml. A
    drop-in that is there is left as it is.

    \b
    stormcone install --systemd --print
    stormcone install --systemd --user root -- /etc/stormcone/handlers.py --provider azure
    """
    _check(user)
    program = _program()
    text = unit_text([*program, "run", *arguments], user)
    for path in dict.fromkeys((Path(program[0]), Path(sys.executable).resolve())):
        if why := hidden(path):
            where = "install stormcone, and its Python, in /opt/stormcone, for example"
            warn(f"the service cannot see {path}: {why}; {where}")
    if only_print:
        click.echo(text, nl=False)
        return
    unit, drop_in = directory / NAME, directory / f"{NAME}.d" / DROP_IN
    if unit.exists() and not unit.read_text(encoding="utf-8", errors="replace").startswith(HEADER):
        raise StormconeError(f"{unit} was not written by stormcone; move it away, or name another --directory")
    _write(unit, text)
    if not drop_in.exists():
        _write(drop_in, drop_in_text())
    say(f"{unit}: written")
    say(f"{drop_in}: what your handlers need")
    if not arguments and not Path(_USUAL_FILE).exists():
        say(f"{_USUAL_FILE} is not there yet: what is to be run belongs into it")
    say("To start it now and at every boot: systemctl daemon-reload && systemctl enable --now stormcone")


def _check(user: str | None) -> None:
    if user is None:
        return
    try:
        pwd.getpwnam(user)
    except KeyError:
        raise SettingsError(f"there is no user {user!r} on this machine; make one, or leave --user out") from None


def _program() -> list[str]:
    """What runs stormcone, by its whole path: the program, or this Python where there is none beside it."""
    given = Path(sys.argv[0])
    beside = Path(sys.executable).absolute().with_name("stormcone")
    if given.name == "stormcone" and given.is_file():
        return [str(given.absolute())]
    return [str(beside)] if beside.is_file() else [str(Path(sys.executable).absolute()), "-m", "stormcone"]


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(text, encoding="utf-8")
        new.chmod(0o644)
        os.replace(new, path)  # noqa: PTH105 - the same, and says that it replaces
    except OSError as error:
        raise StormconeError(f"{path} cannot be written: {error.strerror}; run it as root, or use --print") from error
