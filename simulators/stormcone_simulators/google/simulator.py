"""The Google Cloud simulator: the model and the wire put together, and its options."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Self, TypeVar

from stormcone.clock import Clock, ManualClock, SystemClock
from stormcone.errors import SettingsError
from stormcone.recording import Trace
from stormcone.simulators.contract import Setting, SimulatorOptions, Tls
from stormcone_simulators.base import BaseSimulator
from stormcone_simulators.google.compute import PERMISSIONS, ComputeService
from stormcone_simulators.google.documents import Nothing, Spelling
from stormcone_simulators.google.metadata import ROOT, MetadataServer
from stormcone_simulators.google.model import GoogleModel
from stormcone_simulators.google.replay import GoogleReplay
from stormcone_simulators.google.tokens import Tokens
from stormcone_simulators.google.types import POSSIBLE_EVENTS
from stormcone_simulators.google.vms import Vms
from stormcone_simulators.google.wire import GoogleWire
from stormcone_simulators.machines import Machines
from stormcone_simulators.scenarios.play import PossibleEvent
from stormcone_simulators.settings import names, seconds

DEFAULT_MACHINE = "web-0"
DEFAULT_PROJECT = "stormcone-project"
DEFAULT_ZONE = "us-central1-a"

_PLACE = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")

Choice = TypeVar("Choice", Spelling, Nothing)


class GoogleSimulator(BaseSimulator):
    """Google Cloud's metadata server, and the part of the Compute API that is about maintenance.

    Both are also under `/machines/NAME`, where the metadata server knows which VM asks.

    Args:
        machines: names of VMs, `NAME[@GROUP][=ADDRESS]`.
        clock: manual, or the system's at any speed.
        port: 0 takes a free one.
        bind: the address to listen on.
        tls: how to speak HTTPS; None for HTTP.
        project: the project's id.
        zone: the zone of all VMs.
        terminated: VMs that are terminated for maintenance and started again, and never take other settings.
        spot: VMs that are Spot VMs, and never take other settings.
        preemption_notice: how long before its shutdown a VM that is preempted is told.
        spelling: how the fields of upcoming maintenance are spelt.
        nothing: how the metadata server says that none is scheduled.
        clients_clock: the clients' time, by which tokens last; None: the real time.
        denied: permissions that the VMs' service accounts lack.

    Raises:
        SettingsError: a machine, the project, the zone or a permission cannot be used.
    """

    name: ClassVar[str] = "google"
    one_each: ClassVar[bool] = True
    possible_events: ClassVar[Sequence[PossibleEvent]] = POSSIBLE_EVENTS
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(name="project", help="The project's id.", default=DEFAULT_PROJECT),
        Setting(name="zone", help="The zone of all VMs.", default=DEFAULT_ZONE),
        Setting(
            name="terminated",
            help="VMs, with commas between, that are terminated for maintenance and started again.",
            default="",
        ),
        Setting(name="spot", help="VMs, with commas between, that are Spot VMs.", default=""),
        Setting(
            name="preemption-notice",
            help="Seconds between the notice of a Spot VM and its shutdown: 0, or 120 where it was made so.",
            default="0",
        ),
        Setting(
            name="spelling",
            help="How the fields of upcoming maintenance are spelt: snake, camel or kebab.",
            default=Spelling.SNAKE.value,
        ),
        Setting(
            name="nothing",
            help="How it is said that none is scheduled: unavailable (503), none, empty, null or unsupported (404).",
            default=Nothing.UNAVAILABLE.value,
        ),
        Setting(
            name="denied",
            help="Permissions that the VMs' service accounts lack, with commas between, such as "
            "compute.instances.performMaintenance.",
            default="",
        ),
    )

    def __init__(
        self,
        machines: Sequence[str] = (DEFAULT_MACHINE,),
        *,
        clock: ManualClock | SystemClock | None = None,
        port: int = 0,
        bind: str = "127.0.0.1",
        tls: Tls | None = None,
        project: str = DEFAULT_PROJECT,
        zone: str = DEFAULT_ZONE,
        terminated: Collection[str] = (),
        spot: Collection[str] = (),
        preemption_notice: timedelta = timedelta(0),
        spelling: Spelling = Spelling.SNAKE,
        nothing: Nothing = Nothing.UNAVAILABLE,
        clients_clock: Clock | None = None,
        denied: Collection[str] = (),
    ) -> None:
        known = Machines(machines)
        for what, value in (("project", project), ("zone", zone)):
            if not _PLACE.fullmatch(value):
                raise SettingsError(f"the {what} {value!r} is not of the form of one, such as {DEFAULT_ZONE}")
        for permission in denied:
            if permission not in PERMISSIONS:
                raise SettingsError(f"there is no permission {permission!r} here; there are {', '.join(PERMISSIONS)}")
        vms = Vms(known, project=project, zone=zone, terminated=terminated, spot=spot)
        self._google = GoogleModel(vms, preemption_notice)
        tokens = Tokens(clients_clock or SystemClock())
        metadata = MetadataServer(self._google, tokens, spelling=Spelling(spelling), nothing=Nothing(nothing))
        self._setup: Mapping[str, Any] = {"project": project, "zone": zone, "terminated": terminated, "spot": spot}
        wire = GoogleWire(metadata, ComputeService(self._google, tokens, denied))
        super().__init__(known, self._google, wire, clock=clock or SystemClock(), port=port, bind=bind, tls=tls)

    @classmethod
    def from_settings(cls, options: SimulatorOptions) -> Self:
        """As `from_options`, with every setting, by default or as given.

        Raises:
            SettingsError: an option cannot be used.
        """
        settings = options.settings
        return cls(
            options.machines or (DEFAULT_MACHINE,),
            clock=options.clock,
            port=options.port,
            bind=options.bind,
            project=settings["project"],
            zone=settings["zone"],
            terminated=names(settings, "terminated"),
            spot=names(settings, "spot"),
            preemption_notice=seconds(settings, "preemption-notice"),
            spelling=_choice(settings, "spelling", Spelling),
            nothing=_choice(settings, "nothing", Nothing),
            denied=names(settings, "denied"),
        )

    @classmethod
    def replay(cls, traces: Sequence[Trace], options: SimulatorOptions) -> GoogleReplay:
        """A simulator that answers what was recorded; of the options only clock, port, address and tls count.

        Raises:
            TraceError: a trace cannot be replayed here.
        """
        return GoogleReplay(*traces, clock=options.clock, port=options.port, bind=options.bind, tls=options.tls)

    def facts(self) -> Mapping[str, str]:
        """What a person needs in order to use it."""
        return {
            "metadata": f"{self.url}{ROOT}/",
            "header": "Metadata-Flavor: Google",
            "project": self._google.vms.project,
            "zone": self._google.vms.zone,
        }

    def host_names(self) -> Sequence[str]:
        """The metadata server's names and the API's, for where they lead here."""
        return ("metadata.google.internal", "metadata", "169.254.169.254", "compute.googleapis.com")

    def rehearsal(self, machines: Machines) -> GoogleModel:
        """A model of its own for those VMs, by the same rules."""
        return GoogleModel(Vms(machines, **self._setup), self._google.preemption_notice)


def _choice(settings: Mapping[str, str], name: str, kind: type[Choice]) -> Choice:
    try:
        return kind(settings[name])
    except ValueError:
        raise SettingsError(
            f"the setting {name} is {', '.join(kind)}, not {settings[name]!r}; choose one of them"
        ) from None
