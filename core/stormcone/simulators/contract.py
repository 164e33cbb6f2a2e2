"""What a simulator is: a server that speaks one cloud's protocol, with a clock of its own.

A simulator is a class, found by its entry point in the group `stormcone.simulators`. The core knows only this
face of it; the servers themselves are in the package `stormcone_simulators`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, runtime_checkable

from stormcone.clock import ManualClock, SystemClock
from stormcone.clouds.contract import ProviderOptions
from stormcone.model import Cause, Impact, Outcome

if TYPE_CHECKING:
    from stormcone.recording.trace_file import Trace


class Faults(Protocol):
    """What a simulator does to its answers; the rules are the control API's, see `GET /_simulator/faults`."""

    def add(self, **rule: Any) -> str:
        """Add a rule by its names and values, such as `status=503, times=3`; answers its id.

        Raises:
            SimulationError: the rule says nothing to do, or a value cannot be used.
        """

    def clear(self) -> None:
        """Drop all rules."""

    def list(self) -> list[dict[str, Any]]:
        """The rules in force, as the control API lists them."""


DEFAULT_PORT = 18169
"""Where `stormcone simulator` listens, and where `stormcone simulate` looks, unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One option of a simulator's own, as data: the command line makes a `--name` of it.

    Attributes:
        name: in lower case with hyphens.
        help: one sentence.
        default: its value where it is not given, as text; None for a switch, which is "true" when given.
    """

    name: str
    help: str
    default: str | None


@dataclass(frozen=True, kw_only=True)
class Tls:
    """HTTPS in place of HTTP.

    Attributes:
        certificate: the PEM file of the server's certificate; None: one is made, with an authority of its own that
            lives as long as the simulator.
        key: the PEM file of its key; None: it is in the certificate's file.
        names: more host names and addresses that a certificate is made for.
        ca_file: where the certificate of the authority that is made goes; None: a temporary file.
    """

    certificate: Path | None = None
    key: Path | None = None
    names: Sequence[str] = ()
    ca_file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class SimulatorOptions:
    """What the command line and the pytest plug-in tell a simulator.

    Attributes:
        machines: `NAME[@GROUP][=ADDRESS]`; at least one where the simulator needs one.
        port: 0 takes a free one.
        bind: the address to listen on.
        clock: manual, or the system's at any speed.
        settings: the simulator's own options (`Simulator.settings`) by name.
        tls: how it speaks HTTPS; None: it speaks HTTP.
    """

    machines: Sequence[str] = ()
    port: int = 0
    bind: str = "127.0.0.1"
    clock: ManualClock | SystemClock = field(default_factory=SystemClock)
    settings: Mapping[str, str] = field(default_factory=dict)
    tls: Tls | None = None


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One scenario, as a simulator sees it.

    Attributes:
        name: what `Simulator.play` takes.
        title: what happens, in one line.
        text: its file.
        refusal: why this cloud cannot play it, in one sentence; None: it can.
    """

    name: str
    title: str
    text: str
    refusal: str | None


@runtime_checkable
class Simulator(Protocol):
    """The Python face of every simulator; also the type of the pytest fixtures.

    `start_server` and `close` (or a `with` block) bound its life. All methods may be called from any thread.
    """

    name: ClassVar[str]
    settings: ClassVar[tuple[Setting, ...]]
    ca_variables: ClassVar[tuple[str, ...]]
    """Variables of the environment by which this cloud's own clients are told of an authority."""
    clock: ManualClock | SystemClock

    @property
    def faults(self) -> Faults:
        """What it does to its answers."""

    @classmethod
    def from_options(cls, options: SimulatorOptions) -> Self:
        """A simulator as the options say, not yet listening.

        Raises:
            SettingsError: an option cannot be used.
        """

    @property
    def url(self) -> str:
        """Where it listens, such as `http://127.0.0.1:18169`; for a provider's `endpoint`."""

    @property
    def ca_file(self) -> Path | None:
        """The file of the authority that its clients are to trust, while it listens; None where it made none."""

    def urls(self) -> Mapping[str, str]:
        """The address of each machine, by name: for a provider that runs on that machine."""

    def provider_options(self, machine: str | None = None) -> ProviderOptions:
        """How a provider of this cloud reaches it, as `machine` or the first one, on the simulator's clock."""

    def facts(self) -> Mapping[str, str]:
        """What a person needs in order to use it (keys, regions), for the ready line and `--json`."""

    def start_server(self) -> None:
        """Listen; returns when requests are answered.

        Raises:
            SimulationError: the port is in use or may not be bound.
            SettingsError: the certificate cannot be used.
            PartMissing: what makes certificates is not installed; the text names the `pip install`.
        """

    def close(self) -> None:
        """Stop listening. Safe to call twice."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc_info: object) -> None: ...

    def schedule(
        self,
        impact: Impact,
        *,
        resources: Collection[str],
        notice: timedelta | None = None,
        not_before: datetime | None = None,
        duration: timedelta | None = None,
        started_for: timedelta | None = None,
        cause: Cause | None = None,
        native_type: str | None = None,
        description: str | None = None,
    ) -> str:
        """Announce an event; answers its id. What is None is as usual on this cloud.

        Args:
            impact: what it does to the machines.
            resources: the machines that it names, in this order.
            notice: how long until it starts by itself.
            not_before: when it starts by itself, aware; instead of `notice`.
            duration: how long the impact lasts; negative: not known.
            started_for: how long it is listed as started before it ends by itself.
            cause: why.
            native_type: the cloud's own word for the event.
            description: text for people.

        Raises:
            SimulationError: this cloud has no such event, or does not know a machine.
        """

    def change(
        self,
        event_id: str,
        *,
        resources: Collection[str] | None = None,
        notice: timedelta | None = None,
        not_before: datetime | None = None,
        duration: timedelta | None = None,
        description: str | None = None,
    ) -> None:
        """Move the event or change what it says; `notice` counts from now, what is None stays.

        Raises:
            SimulationError: there is no such event, it is over, or it has begun and cannot be moved any more.
        """

    def cancel(self, event_id: str) -> None:
        """Call the event off.

        Raises:
            SimulationError: there is no such event, or it is too late for that on this cloud.
        """

    def start(self, event_id: str) -> None:
        """Begin it now.

        Raises:
            SimulationError: there is no such event, or it has begun already.
        """

    def complete(self, event_id: str, outcome: Outcome = Outcome.COMPLETED) -> None:
        """End it now.

        Raises:
            SimulationError: there is no such event, or it has ended already.
        """

    def play(self, scenario: Any) -> None:
        """Begin a scenario: by its name, by the path of its file, or as a `Scenario`.

        Its steps happen as the clock reaches them.

        Raises:
            SimulationError: there is no such scenario, or this cloud cannot play it.
        """

    def scenarios(self) -> tuple[str, ...]:
        """The names that `play` takes."""

    def events(self) -> list[dict[str, Any]]:
        """All events so far, as the control API lists them."""

    def requests(self) -> list[dict[str, Any]]:
        """What clients asked, approvals included, oldest first, as the control API lists it."""


@runtime_checkable
class PlaysScenarios(Protocol):
    """A simulator's class that knows which scenarios it can play, and can make some up."""

    @classmethod
    def repertoire(cls) -> Sequence[Piece]:
        """Every scenario that there is, with the reason where this cloud cannot play it."""

    @classmethod
    def random_scenario(cls, seed: int, steps: int) -> str:
        """A scenario of this cloud by chance, as the text of a file: the same one for the same seed.

        Raises:
            SimulationError: that many steps cannot be.
        """


@runtime_checkable
class Replay(Simulator, Protocol):
    """A simulator that shows what was recorded; making and moving events raises `SimulationError`."""

    @property
    def length(self) -> timedelta:
        """How long the replay is, from the first request of a client on."""

    def differences(self) -> list[dict[str, Any]]:
        """How clients differ so far from what was recorded; empty: not at all."""


@runtime_checkable
class Replays(Protocol):
    """A simulator, or its class, that can replay traces."""

    @classmethod
    def replay(cls, traces: Sequence["Trace"], options: SimulatorOptions) -> Replay:
        """A simulator that answers what was recorded, not yet listening.

        Raises:
            TraceError: a trace cannot be replayed here.
        """
