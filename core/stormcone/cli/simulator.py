"""`stormcone simulator`: a cloud's own protocol, served for tests. One subcommand for each simulator plug-in."""

import json
import threading
from typing import Any

import click

from stormcone.cli.console import say, warn
from stormcone.cli.signals import until_stopped
from stormcone.clock import SystemClock
from stormcone.errors import SettingsError
from stormcone.plugins import SIMULATORS, load_plugins, simulator_class
from stormcone.simulator import DEFAULT_PORT, Setting, Simulator, SimulatorOptions

LOOPBACK = ("127.", "localhost", "::1")


class _Simulators(click.Group):
    """A group whose subcommands are the plug-ins."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's face
        return sorted(load_plugins(SIMULATORS).found)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        return _command(simulator_class(cmd_name))


@click.command("simulator", cls=_Simulators)
def command() -> None:
    """Serve a cloud's own protocol, for tests, until Ctrl-C.

    \b
    stormcone simulator CLOUD --machine web-0 --machine web-1
    stormcone run handlers.py --provider CLOUD --endpoint http://127.0.0.1:18169
    stormcone simulate reboot --machine web-0 --in 15m
    """


def _option(setting: Setting) -> click.Option:
    if setting.default is None:
        return click.Option([f"--{setting.name}"], is_flag=True, help=setting.help)
    return click.Option([f"--{setting.name}"], default=setting.default, show_default=True, help=setting.help)


def _command(kind: type[Simulator]) -> click.Command:
    @click.option(
        "--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0: a free one."
    )
    @click.option("--bind", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Listen there.")
    @click.option("--machine", "machines", multiple=True, metavar="NAME", help="A machine; may be given several times.")
    @click.option("--scenario", multiple=True, metavar="NAME", help="Play it at once; may be given several times.")
    @click.option("--speed", type=float, default=1.0, show_default=True, help="Seconds of its clock to a real one.")
    @click.option("--json", "as_json", is_flag=True, help="Print the ready line as JSON, on one line.")
    def serve(
        port: int,
        bind: str,
        machines: tuple[str, ...],
        scenario: tuple[str, ...],
        speed: float,
        as_json: bool,
        **own: str | bool,
    ) -> None:
        try:
            clock = SystemClock(speed=speed)
        except ValueError as error:
            raise SettingsError(f"--speed {speed:g} cannot be used: {error}") from error
        settings = {name.replace("_", "-"): _text(value) for name, value in own.items() if value is not False}
        options = SimulatorOptions(machines=machines, port=port, bind=bind, clock=clock, settings=settings)
        with until_stopped(), kind.from_options(options) as simulator:
            for name in scenario:
                simulator.play(name)
            _say_ready(simulator, bind, as_json=as_json)
            threading.Event().wait()

    serve.__doc__ = f"Serve the protocol of {kind.name} until Ctrl-C. A machine may be NAME[@GROUP][=ADDRESS]."
    served = click.command(kind.name)(serve)
    served.params.extend(_option(setting) for setting in kind.settings)
    return served


def _text(value: str | bool) -> str:
    return "true" if value is True else str(value)


def _say_ready(simulator: Simulator, bind: str, *, as_json: bool) -> None:
    document: dict[str, Any] = {
        "ready": True,
        "simulator": simulator.name,
        "url": simulator.url,
        "machines": dict(simulator.urls()),
        **simulator.facts(),
    }
    if as_json:
        say(json.dumps(document))
        return
    facts = "".join(f"; {name.replace('_', ' ')} {value}" for name, value in simulator.facts().items())
    say(
        f"The {simulator.name} simulator is ready at {simulator.url} "
        f"(machines: {', '.join(simulator.urls())}{facts}). Ctrl-C ends it."
    )
    if not bind.startswith(LOOPBACK):
        warn(f"it listens on {bind}: whoever reaches that address can read and change its events")
