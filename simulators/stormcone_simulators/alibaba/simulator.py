"""The Alibaba Cloud simulator: the model and the wire put together, and its options."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from stormcone.clock import Clock, ManualClock, SystemClock
from stormcone.clouds.contract import ProviderOptions
from stormcone.errors import SettingsError, SimulationError
from stormcone.recording import Trace
from stormcone.simulators.contract import Setting, SimulatorOptions, Tls
from stormcone_simulators.alibaba.documents import Document
from stormcone_simulators.alibaba.gate import Gate
from stormcone_simulators.alibaba.metadata import ROLE_KEY, MetadataService
from stormcone_simulators.alibaba.model import AlibabaModel, AlibabaRules
from stormcone_simulators.alibaba.notifications import Notifications, Webhook, checked_webhook
from stormcone_simulators.alibaba.replay import AlibabaReplay
from stormcone_simulators.alibaba.rpc import Api
from stormcone_simulators.alibaba.site import Site
from stormcone_simulators.alibaba.types import POSSIBLE_EVENTS
from stormcone_simulators.alibaba.wire import AlibabaWire
from stormcone_simulators.base import BaseSimulator
from stormcone_simulators.control import Body, Route, read
from stormcone_simulators.http.messages import Request, Response, json_response
from stormcone_simulators.machines import Machines
from stormcone_simulators.scenarios.play import PossibleEvent
from stormcone_simulators.settings import AccessKey, count, seconds, switch

DEFAULT_MACHINE = "i-stormcone0"
DEFAULT_REGION = "cn-hangzhou"
DEFAULT_KEY = "testid:testsecret"
DEFAULT_QUOTA = 1000
"""How many simulated events may be active; invented, as the real number is not public."""

DEFAULT_EXECUTING = timedelta(seconds=60)
"""How long maintenance is Executing; invented, as the real duration is not documented ("soon")."""

CA_VARIABLES = ("ALIBABA_CLOUD_CA_BUNDLE",)
"""Source: the older SDK itself (core 2.16.1). The newer one heeds no variable; it takes `Config(ca=...)`."""

_REGION = re.compile(r"[a-z0-9-]{1,64}")


class _NewMachines(Body):
    """`POST /_simulator/machines`."""

    ids: tuple[Annotated[str, Field(min_length=1)], ...] | None = Field(None, min_length=1, description="Their ids.")
    count: int | None = Field(None, ge=1, le=100_000, description="How many, numbered from 0.")
    prefix: str = Field("i-", description="What the ids of numbered ones begin with.")
    tags: dict[str, str] = Field(default_factory=dict, description="The tags of each of them.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.ids is None) == (self.count is None):
            raise ValueError("give either ids or count")
        return self

    def names(self) -> tuple[str, ...]:
        """The ids that are asked for."""
        return self.ids or tuple(f"{self.prefix}{number}" for number in range(self.count or 0))


class AlibabaSimulator(BaseSimulator):
    """Alibaba Cloud's ECS: system events over its API, and the metadata service.

    The API is at `/`, the metadata service at `/latest`, both also under `/machines/ID`, where they know which
    instance asks.

    Args:
        machines: ids of instances, `ID[@GROUP][=ADDRESS]`.
        clock: manual, or the system's at any speed.
        port: 0 takes a free one.
        bind: the address to listen on.
        tls: how to speak HTTPS; None for HTTP.
        region: the region that is served.
        access_key: who may call, `ID:SECRET` or `ID:SECRET:TOKEN`; the instances' RAM role may as well.
        quota: how many simulated events may be active at once.
        throttle: how many calls of one operation a minute of the clock takes; None: any number.
        executing: how long maintenance is Executing.
        ignore_unknown: whether parameters that an operation does not have are ignored, and not refused.
        token_required: whether the metadata service answers nothing without a token.
        webhook: where each notification is posted to, or None.
        webhook_anywhere: whether that may be another machine.
        signing_clock: the clients' time, by which the age of signatures is measured; None: the real time.

    Raises:
        SettingsError: a machine, the region, the key or the webhook cannot be used.
    """

    name: ClassVar[str] = "alibaba"
    one_each: ClassVar[bool] = True
    ca_variables: ClassVar[tuple[str, ...]] = CA_VARIABLES
    possible_events: ClassVar[Sequence[PossibleEvent]] = POSSIBLE_EVENTS
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(name="region", help="The region that is served.", default=DEFAULT_REGION),
        Setting(name="access-key", help="Who may call: ID:SECRET or ID:SECRET:TOKEN.", default=DEFAULT_KEY),
        Setting(
            name="quota",
            help="How many simulated events may be active; the real number is not public.",
            default=str(DEFAULT_QUOTA),
        ),
        Setting(name="throttle", help="How many calls of one operation a minute takes; 0 for any number.", default="0"),
        Setting(
            name="executing",
            help="Seconds that maintenance is Executing; the real duration is not documented.",
            default=f"{DEFAULT_EXECUTING.total_seconds():g}",
        ),
        Setting(
            name="ignore-unknown",
            help="Ignore parameters that an operation does not have, as the service does, and do not refuse them.",
            default=None,
        ),
        Setting(name="token-required", help="The metadata service answers nothing without a token.", default=None),
        Setting(name="webhook", help="Post each CloudMonitor notification to this URL.", default=""),
        Setting(name="webhook-anywhere", help="The webhook may be on another machine.", default=None),
    )

    def __init__(
        self,
        machines: Sequence[str] = (DEFAULT_MACHINE,),
        *,
        clock: ManualClock | SystemClock | None = None,
        port: int = 0,
        bind: str = "127.0.0.1",
        tls: Tls | None = None,
        region: str = DEFAULT_REGION,
        access_key: str = DEFAULT_KEY,
        quota: int = DEFAULT_QUOTA,
        throttle: int | None = None,
        executing: timedelta = DEFAULT_EXECUTING,
        ignore_unknown: bool = False,
        token_required: bool = False,
        webhook: str | None = None,
        webhook_anywhere: bool = False,
        signing_clock: Clock | None = None,
    ) -> None:
        known = Machines(machines)
        if not _REGION.fullmatch(region):
            raise SettingsError(f"the region {region!r} is not of the form of one, such as {DEFAULT_REGION}")
        self._region = region
        self._key = AccessKey.parse(access_key)
        self._webhook = Webhook(checked_webhook(webhook, anywhere=webhook_anywhere)) if webhook else None
        self._notifications = Notifications(region, self._webhook)
        self._alibaba = AlibabaModel(known, AlibabaRules(quota=quota, executing=executing), self._notifications.changed)
        clients = signing_clock or SystemClock()
        gate = Gate((self._key, ROLE_KEY), clients, throttle)
        site = Site(region=region, token_required=token_required)
        self._protocol = AlibabaWire(
            Api(self._alibaba, gate, site, ignores_unknown=ignore_unknown),
            MetadataService(self._alibaba, site, clients),
        )
        super().__init__(
            known, self._alibaba, self._protocol, clock=clock or SystemClock(), port=port, bind=bind, tls=tls
        )

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
            region=settings["region"],
            access_key=settings["access-key"],
            quota=count(settings, "quota"),
            throttle=count(settings, "throttle") or None,
            executing=seconds(settings, "executing"),
            ignore_unknown=switch(settings, "ignore-unknown"),
            token_required=switch(settings, "token-required"),
            webhook=settings["webhook"] or None,
            webhook_anywhere=switch(settings, "webhook-anywhere"),
        )

    @classmethod
    def replay(cls, traces: Sequence[Trace], options: SimulatorOptions) -> AlibabaReplay:
        """A simulator that answers what was recorded; of the options only clock, port, address and tls count.

        Raises:
            TraceError: a trace cannot be replayed here.
        """
        return AlibabaReplay(*traces, clock=options.clock, port=options.port, bind=options.bind, tls=options.tls)

    def close(self) -> None:
        """Stop listening and pushing. Safe to call twice."""
        super().close()
        if self._webhook is not None:
            self._webhook.close()

    def parameters(self, request: Request, path: str) -> Mapping[str, str]:
        """What a request says, be it in the query, in a form or in headers."""
        return self._protocol.parameters(request, path)

    def facts(self) -> Mapping[str, str]:
        """What a person needs in order to use it; the keys are the simulator's own, and open nothing else."""
        key = self._key
        token = {"security_token": key.token} if key.token else {}
        return {"region": self._region, "access_key_id": key.id, "access_key_secret": key.secret, **token}

    def host_names(self) -> Sequence[str]:
        """The API's names in its region and the metadata service's address, for where they lead here."""
        names = (f"ecs{kind}.{self._region}.aliyuncs.com" for kind in ("", "-vpc"))
        return ("100.100.100.200", "ecs.aliyuncs.com", *names)

    def rehearsal(self, machines: Machines) -> AlibabaModel:
        """A model of its own for those instances, by the same rules, that notifies nobody."""
        return AlibabaModel(machines, self._alibaba.rules, lambda _event: None)

    def provider_options(self, machine: str | None = None) -> ProviderOptions:
        """How a provider reaches API and metadata, as `machine` or the first one, with the simulator's key and clock.

        Raises:
            SimulationError: there is no such machine.
        """
        options = super().provider_options(machine)
        settings = {"access-key-id": self._key.id, "access-key-secret": self._key.secret}
        if self._key.token:
            settings["security-token"] = self._key.token
        return replace(options, region=self._region, settings=settings)

    def control_routes(self) -> Sequence[Route]:
        """`GET` and `POST /_simulator/machines`, `GET /_simulator/notifications`."""
        return (
            Route("GET", "machines", self._list_machines),
            Route("POST", "machines", self._add_machines),
            Route("GET", "notifications", self._list_notifications),
        )

    def add_machines(self, ids: Sequence[str], tags: Mapping[str, str] | None = None) -> None:
        """Add instances, all or none of them.

        Raises:
            SimulationError: an id cannot be used, or is there already.
        """
        with self._settled():
            try:
                self._alibaba.instances.add(ids, tags or {})
            except SettingsError as error:
                raise SimulationError(str(error)) from error

    def machines(self) -> list[Document]:
        """The instances, as the control API lists them."""
        with self._settled() as now:
            instances = self._alibaba.instances
            return [
                {"id": name, "status": instances.status(name, now).value, "tags": dict(instances.of(name).tags)}
                for name in instances
            ]

    def notifications(self) -> list[Document]:
        """What CloudMonitor would have sent, oldest first: the last 10,000 notifications."""
        with self._settled():
            return self._notifications.list()

    def _list_machines(self, _request: Request) -> Response:
        return json_response(200, {"machines": self.machines()})

    def _add_machines(self, request: Request) -> Response:
        asked = read(_NewMachines, request)
        self.add_machines(asked.names(), asked.tags)
        return json_response(201, {"added": len(asked.names())})

    def _list_notifications(self, _request: Request) -> Response:
        return json_response(200, {"notifications": self.notifications()})
