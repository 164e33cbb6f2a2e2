"""The Azure simulator: the model and the wire put together, and its options."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import ClassVar, Self

from pydantic import Field

from stormcone.clock import ManualClock, SystemClock
from stormcone.errors import SettingsError
from stormcone.recording import Trace
from stormcone.simulators.contract import Setting, SimulatorOptions, Tls
from stormcone_simulators.azure.endpoints import EVENTS_PATH
from stormcone_simulators.azure.event_versions import CURRENT_VERSION
from stormcone_simulators.azure.model import POSSIBLE_EVENTS, AzureModel, AzureRules
from stormcone_simulators.azure.replay import AzureReplay
from stormcone_simulators.azure.wire import AzureWire
from stormcone_simulators.base import BaseSimulator
from stormcone_simulators.control import Body, Route, read
from stormcone_simulators.http.messages import Request, Response
from stormcone_simulators.machines import Machines
from stormcone_simulators.scenarios.play import PossibleEvent
from stormcone_simulators.settings import names, seconds, switch

DEFAULT_MACHINE = "web-0"


class _Incarnations(Body):
    skip: int = Field(0, ge=0, le=1_000_000, description="Count on by so many.")
    restart: bool = Field(False, description="Start at 1 again, before anything is skipped.")


class AzureSimulator(BaseSimulator):
    """Azure's metadata service: Scheduled Events and instance metadata.

    Args:
        machines: `NAME[@GROUP][=ADDRESS]`; the machines of one group see one another's events.
        clock: manual, or the system's at any speed.
        port: 0 takes a free one.
        bind: the address to listen on.
        tls: how to speak HTTPS; None for HTTP.
        shared_hardware: whether an approval is only noted, as other tenants have not approved yet.
        first_call_delay: how long the first answer to a machine takes, at most 2 minutes on the real service.
        events_delay: how long after its first request events reach a machine, at most 5 minutes on the real service.
        throttle: whether a machine that asks more often than the service allows is answered 429.
        etag: whether answers carry an `ETag`.
        isolated_groups: groups whose machines see only their own events.
        scale_sets: groups that are scale sets; the others are availability sets.
        new_ids: whether an event is shown under a new id once it has started; its own id stays the control API's.

    Raises:
        SettingsError: a machine cannot be read, or there is no group of a name that is given.
    """

    name: ClassVar[str] = "azure"
    possible_events: ClassVar[Sequence[PossibleEvent]] = POSSIBLE_EVENTS
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(name="shared-hardware", help="An approval is only noted; the event starts at its time.", default=None),
        Setting(name="first-call-delay", help="Seconds that the first answer to a machine takes.", default="0"),
        Setting(
            name="events-delay",
            help="Seconds from a machine's first request until events reach it.",
            default="0",
        ),
        Setting(
            name="throttle",
            help="Answer 429 to more than 5 requests a second of one machine (20 to managed identity).",
            default=None,
        ),
        Setting(name="etag", help="Answers carry an ETag, and If-None-Match is honoured.", default=None),
        Setting(
            name="isolated-group",
            help="Groups, with commas between, whose machines see only their own events.",
            default="",
        ),
        Setting(name="scale-set", help="Groups, with commas between, that are scale sets.", default=""),
        Setting(
            name="new-ids",
            help="An event has a new id once it has started, as in the vendor's mock server.",
            default=None,
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
        shared_hardware: bool = False,
        first_call_delay: timedelta = timedelta(0),
        events_delay: timedelta = timedelta(0),
        throttle: bool = False,
        etag: bool = False,
        isolated_groups: Collection[str] = (),
        scale_sets: Collection[str] = (),
        new_ids: bool = False,
    ) -> None:
        known = Machines(machines)
        groups = {machine.group for machine in known}
        for group in (*isolated_groups, *scale_sets):
            if group not in groups:
                raise SettingsError(f"no machine is in the group {group!r}; there are: {', '.join(sorted(groups))}")
        rules = AzureRules(
            shared_hardware=shared_hardware,
            first_call_delay=first_call_delay,
            events_delay=events_delay,
            isolated_groups=frozenset(isolated_groups),
            scale_sets=frozenset(scale_sets),
            new_ids=new_ids,
        )
        self._azure = AzureModel(known, rules)
        wire = AzureWire(self._azure, etag=etag, throttle=throttle)
        super().__init__(known, self._azure, wire, clock=clock or SystemClock(), port=port, bind=bind, tls=tls)

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
            shared_hardware=switch(settings, "shared-hardware"),
            first_call_delay=seconds(settings, "first-call-delay"),
            events_delay=seconds(settings, "events-delay"),
            throttle=switch(settings, "throttle"),
            etag=switch(settings, "etag"),
            isolated_groups=names(settings, "isolated-group"),
            scale_sets=names(settings, "scale-set"),
            new_ids=switch(settings, "new-ids"),
        )

    @classmethod
    def replay(cls, traces: Sequence[Trace], options: SimulatorOptions) -> AzureReplay:
        """A simulator that answers what was recorded; of the options only clock, port, address and tls count.

        Raises:
            TraceError: a trace cannot be replayed here.
        """
        return AzureReplay(*traces, clock=options.clock, port=options.port, bind=options.bind, tls=options.tls)

    def facts(self) -> Mapping[str, str]:
        """What a person needs in order to use it."""
        return {
            "scheduled_events": f"{self.url}{EVENTS_PATH}?api-version={CURRENT_VERSION}",
            "header": "Metadata: true",
        }

    def host_names(self) -> Sequence[str]:
        """The address of the metadata service, for where it leads here."""
        return ("169.254.169.254",)

    def rehearsal(self, machines: Machines) -> AzureModel:
        """A model of its own for those machines, by the same rules."""
        return AzureModel(machines, self._azure.rules)

    def control_routes(self) -> Sequence[Route]:
        """`POST /_simulator/incarnations`: `{"skip": 2}` or `{"restart": true}`."""
        return (Route("POST", "incarnations", self._move_incarnations),)

    def skip_incarnations(self, count: int = 1) -> None:
        """Count every machine's incarnation on without a change, as where a document was never seen."""
        with self._settled():
            self._azure.skip_incarnations(count)

    def restart_incarnations(self) -> None:
        """Start every machine's incarnation at 1 again, as after a day without requests."""
        with self._settled():
            self._azure.restart_incarnations()

    def _move_incarnations(self, request: Request) -> Response:
        asked = read(_Incarnations, request)
        if asked.restart:
            self.restart_incarnations()
        self.skip_incarnations(asked.skip)
        return Response(204)
