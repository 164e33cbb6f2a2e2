"""`stormcone simulator`: a cloud's own protocol, served for tests. One subcommand for each simulator plug-in."""

import json
import threading
from datetime import datetime
from pathlib import Path
from shlex import quote
from typing import Any

import click

from stormcone.cli.console import say, warn
from stormcone.cli.options import Date, gathered, scenario_option
from stormcone.cli.signals import until_stopped
from stormcone.clock import SystemClock
from stormcone.errors import SettingsError, SimulationError
from stormcone.plugins import SIMULATORS, load_plugins, simulator_class
from stormcone.recording import read_trace
from stormcone.simulators.contract import DEFAULT_PORT, Replay, Replays, Setting, Simulator, SimulatorOptions, Tls
from stormcone.text import printable

_TRUST = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
"""The variables by which clients are told of an authority. Sources: documentation of requests, of OpenSSL (which Go
follows) and of Node."""

_WITH_TRACES = frozenset(
    {"port", "bind", "traces", "speed", "start", "as_json", "https", "https_names", "ca_file", "certificate", "key"}
)
LOOPBACK = ("127.", "localhost", "::1")


class _Simulators(click.Group):
    """A group whose subcommands are the plug-ins."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's face
        return sorted(load_plugins(SIMULATORS).found)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's face
        return _command(simulator_class(cmd_name))


@click.command("simulator", cls=_Simulators)
def command() -> None:
    """Serve a cloud's own protocol, for tests, until Ctrl-C.

    \b
    stormcone simulator CLOUD --machine web-0 --machine web-1
    stormcone run handlers.py --provider CLOUD --endpoint http://127.0.0.1:18169
    stormcone simulate reboot --machine web-0 --in 15m
    """


def _tls(
    https: bool, https_names: tuple[str, ...], ca_file: Path | None, certificate: Path | None, key: Path | None
) -> Tls | None:
    if not (https or https_names or ca_file or certificate or key):
        return None
    return Tls(certificate=certificate, key=key, names=https_names, ca_file=ca_file)


_file = click.Path(path_type=Path, dir_okay=False)
_tls_options = gathered(
    "tls",
    _tls,
    click.option("--https", is_flag=True, help="Speak HTTPS, with a certificate made at the start."),
    click.option(
        "--https-name",
        "https_names",
        multiple=True,
        metavar="NAME",
        help="Another host name or address for its certificate; repeat it for several.",
    ),
    click.option("--ca-file", type=_file, metavar="FILE", help="Write to this file whom clients must trust."),
    click.option("--cert", "certificate", type=_file, metavar="FILE", help="A certificate of your own, in PEM."),
    click.option("--key", type=_file, metavar="FILE", help="The key of --cert, if it is not in the same file."),
)
"""The options of HTTPS, each of which switches it on."""


def _option(setting: Setting) -> click.Option:
    if setting.default is None:
        return click.Option([f"--{setting.name}"], is_flag=True, help=setting.help)
    return click.Option([f"--{setting.name}"], default=setting.default, show_default=True, help=setting.help)


def _command(kind: type[Simulator]) -> click.Command:
    @click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=DEFAULT_PORT,
        show_default=True,
        help="0 takes a free one.",
    )
    @click.option("--bind", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="The address to listen on.")
    @click.option("--machine", "machines", multiple=True, metavar="NAME", help="A machine; repeat it for several.")
    @click.option(
        "--scenario",
        multiple=True,
        metavar="NAME|FILE",
        help="Play this at the start: one of `stormcone scenarios`, or a file; repeat it for several.",
    )
    @click.option(
        "--replay",
        "traces",
        multiple=True,
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Replay this file of `stormcone record`; repeat it for several machines.",
    )
    @click.option(
        "--speed",
        type=float,
        default=1.0,
        show_default=True,
        help="How fast its clock runs; 1 is real time.",
    )
    @click.option("--start", type=Date(), metavar="TIME", help="The time at which its clock begins; default: now.")
    @_tls_options
    @click.option("--json", "as_json", is_flag=True, help="Print the ready line as JSON, on one line.")
    def serve(
        port: int,
        bind: str,
        tls: Tls | None,
        machines: tuple[str, ...],
        scenario: tuple[str, ...],
        traces: tuple[Path, ...],
        speed: float,
        start: datetime | None,
        as_json: bool,
        **own: str | bool,
    ) -> None:
        try:
            clock = SystemClock(speed=speed, start=start)
        except ValueError as error:
            raise SettingsError(f"--speed {speed:g} cannot be used: {error}") from error
        settings = {name.replace("_", "-"): _text(value) for name, value in own.items() if value is not False}
        options = SimulatorOptions(machines=machines, port=port, bind=bind, clock=clock, settings=settings, tls=tls)
        if traces:
            _refuse_what_traces_say()
        with _replay(kind, traces, options) if traces else kind.from_options(options) as simulator:
            with until_stopped():
                for name in scenario:
                    simulator.play(scenario_option(name))
                _say_ready(simulator, bind, as_json=as_json)
                threading.Event().wait()
            if isinstance(simulator, Replay):
                _say_differences(simulator, as_json=as_json)

    serve.__doc__ = f"Serve the protocol of {kind.name} until Ctrl-C. A machine may be NAME[@GROUP][=ADDRESS]."
    served = click.command(kind.name)(serve)
    served.params.extend(_option(setting) for setting in kind.settings)
    return served


def _replay(kind: type[Simulator], traces: tuple[Path, ...], options: SimulatorOptions) -> Replay:
    if not issubclass(kind, Replays):
        raise SimulationError(f"the simulator of {kind.name} cannot replay traces")
    return kind.replay([read_trace(path) for path in traces], options)


def _refuse_what_traces_say() -> None:
    """A trace brings its machines and events, and its cloud behaves as it did."""
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        usual = context.get_parameter_source(name) is click.core.ParameterSource.DEFAULT
        if not usual and name not in _WITH_TRACES:
            raise click.UsageError(f"{parameter.opts[0]} makes no sense with --replay: the trace says it")


def _say_differences(replay: Replay, *, as_json: bool) -> None:
    differences = replay.differences()
    if as_json:
        say(json.dumps({"differences": differences}))
        return
    if not differences:
        say("What was asked does not differ from what was recorded.")
    for difference in differences:
        again = f" ({difference['count']} times)" if difference["count"] > 1 else ""
        say(printable(f"{difference['at']} {difference['machine']}: {difference['text']}{again}"))


def _text(value: str | bool) -> str:
    return "true" if value is True else str(value)


def _say_ready(simulator: Simulator, bind: str, *, as_json: bool) -> None:
    if not bind.startswith(LOOPBACK):
        warn(f"it listens on {bind}: whoever reaches that address can read and change its events")
    ca_file = simulator.ca_file
    trust = dict.fromkeys((*_TRUST, *simulator.ca_variables), str(ca_file))
    document: dict[str, Any] = {
        "ready": True,
        "simulator": simulator.name,
        "url": simulator.url,
        "machines": dict(simulator.urls()),
        **({"ca_file": str(ca_file), "trust": trust} if ca_file else {}),
        **simulator.facts(),
    }
    if as_json:
        say(json.dumps(document))
        return
    facts = "".join(f"; {name.replace('_', ' ')} {value}" for name, value in simulator.facts().items())
    if ca_file:
        told = " ".join(f"{name}={quote(value)}" for name, value in trust.items())
        say(f"Whoever is to trust its certificate is told by: export {told}")
    say(
        f"The {simulator.name} simulator is ready at {simulator.url} "
        f"(machines: {', '.join(simulator.urls())}{facts}). Ctrl-C ends it."
    )
