"""The AWS simulator: the model and the wire put together, and its options."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import ClassVar, Self

from stormcone.clock import Clock, ManualClock, SystemClock
from stormcone.errors import SettingsError, SimulationError
from stormcone.recording import Trace
from stormcone.simulators.contract import Setting, SimulatorOptions, Tls
from stormcone_simulators.aws.api.gate import AwsGate
from stormcone_simulators.aws.api.service import AwsApis
from stormcone_simulators.aws.imds.role import ROLE_KEY
from stormcone_simulators.aws.imds.service import MOST_HOPS, ImdsMode, MetadataEndpoint
from stormcone_simulators.aws.model import AwsModel, AwsRules
from stormcone_simulators.aws.replay import AwsReplay
from stormcone_simulators.aws.site import DEFAULT_REGION, Ec2Site
from stormcone_simulators.aws.sqs.events import EventBridge
from stormcone_simulators.aws.sqs.operations import SqsService
from stormcone_simulators.aws.sqs.queues import SimulatedQueue
from stormcone_simulators.aws.types import POSSIBLE_EVENTS
from stormcone_simulators.aws.wire import AwsWire
from stormcone_simulators.base import BaseSimulator
from stormcone_simulators.control import Route
from stormcone_simulators.http.messages import Request, Response, json_response
from stormcone_simulators.machines import Machines
from stormcone_simulators.scenarios.play import PossibleEvent
from stormcone_simulators.settings import AccessKey, count, names, seconds

DEFAULT_MACHINE = "i-0123456789abcdef0"
DEFAULT_KEY = "testid:testsecret"
DEFAULT_QUEUE = "stormcone"
DEFAULT_HEARTBEAT = timedelta(hours=1)
DEAD = "-dead"
"""How the name of the queue ends to which messages go that were given too often."""

_QUEUE = re.compile(r"[A-Za-z0-9_-]{1,75}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}")


class AwsSimulator(BaseSimulator):
    """AWS's EC2: the metadata service of its instances, and the APIs that know of their maintenance.

    The metadata service is at `/latest`, the APIs of EC2, SQS and EC2 Auto Scaling are at `/`; all of that also under
    `/machines/ID`, where they know which instance asks.

    Args:
        machines: ids of instances, `ID[@GROUP][=ADDRESS]`.
        clock: manual, or the system's at any speed.
        port: 0 takes a free one.
        bind: the address to listen on.
        tls: how to speak HTTPS; None for HTTP.
        region: the region that the instances are in.
        on_demand: the instances that are not spot instances; the others are.
        imds: whether the metadata service wants a token, or answers nobody.
        hops: how many hops lie between clients and their instance.
        hop_limit: how many hops the answer with a token may go, 1 to 64.
        access_key: who may call the APIs, `ID:SECRET` or `ID:SECRET:TOKEN`; the instances' role may as well.
        queue: the name of the queue to which EventBridge sends what happens to the instances.
        max_receives: how often a message of it is given, before it goes to the queue whose name ends with `-dead`.
        heartbeat: how long a lifecycle hook waits until it hears again.
        signing_clock: the clients' time, by which the age of signatures is measured, and which credentials have to
            outlast; None: the real time.

    Raises:
        SettingsError: a machine, the region, the hop limit, the key or the queue's name cannot be used.
    """

    name: ClassVar[str] = "aws"
    one_each: ClassVar[bool] = True
    ca_variables: ClassVar[tuple[str, ...]] = ("AWS_CA_BUNDLE",)
    possible_events: ClassVar[Sequence[PossibleEvent]] = POSSIBLE_EVENTS
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(name="region", help="The region that the instances are in.", default=DEFAULT_REGION),
        Setting(name="on-demand", help="Instances, with commas between, that are not spot instances.", default=""),
        Setting(
            name="imds",
            help="What the metadata service answers: both (with a token or without), v2 (with one only), or off.",
            default=ImdsMode.BOTH.value,
        ),
        Setting(
            name="hops",
            help="How many hops lie between clients and their instance, as from within a container.",
            default="0",
        ),
        Setting(name="hop-limit", help="How many hops the answer with a token may go, 1 to 64.", default="1"),
        Setting(name="access-key", help="Who may call the APIs: ID:SECRET or ID:SECRET:TOKEN.", default=DEFAULT_KEY),
        Setting(name="queue", help="The queue of what EventBridge tells.", default=DEFAULT_QUEUE),
        Setting(
            name="max-receives",
            help="How often a message is given, before it goes to the queue of dead ones.",
            default="5",
        ),
        Setting(
            name="heartbeat",
            help="How long a lifecycle hook waits until it hears again.",
            default=f"{DEFAULT_HEARTBEAT.total_seconds():g}",
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
        region: str = DEFAULT_REGION,
        on_demand: Collection[str] = (),
        imds: ImdsMode = ImdsMode.BOTH,
        hops: int = 0,
        hop_limit: int = 1,
        access_key: str = DEFAULT_KEY,
        queue: str = DEFAULT_QUEUE,
        max_receives: int = 5,
        heartbeat: timedelta = DEFAULT_HEARTBEAT,
        signing_clock: Clock | None = None,
    ) -> None:
        if not _REGION.fullmatch(region):
            raise SettingsError(f"the region {region!r} is not of the form of one, such as {DEFAULT_REGION}")
        if not 1 <= hop_limit <= MOST_HOPS:
            raise SettingsError(f"the hop limit is from 1 to {MOST_HOPS}, not {hop_limit}")
        if not _QUEUE.fullmatch(queue):
            raise SettingsError(f"the queue {queue!r} is not of the form of a queue's name, such as {DEFAULT_QUEUE}")
        known = Machines(machines)
        try:
            rules = AwsRules(site=Ec2Site(region=region), on_demand=on_demand, heartbeat=heartbeat)
            self._aws = AwsModel(known, rules)
        except SimulationError as error:
            raise SettingsError(f"the setting on-demand cannot be used: {error}") from error
        clients = signing_clock or SystemClock()
        metadata = MetadataEndpoint(self._aws, clients, imds, hops=hops, hop_limit=hop_limit)
        self._key = AccessKey.parse(access_key)
        self._queue = queue
        role = AccessKey(id=ROLE_KEY.id, secret=ROLE_KEY.secret, token=ROLE_KEY.token)
        dead = SimulatedQueue(queue + DEAD)
        queues = (SimulatedQueue(queue, dead=dead, most_receives=max_receives), dead)
        self._queues = SqsService(queues, EventBridge(self._aws), region, lambda: self.tls is not None)
        apis = AwsApis(self._aws, AwsGate((self._key, role), region, clients), self._queues)
        self._protocol = AwsWire(metadata, apis)
        super().__init__(known, self._aws, self._protocol, clock=clock or SystemClock(), port=port, bind=bind, tls=tls)

    @classmethod
    def from_settings(cls, options: SimulatorOptions) -> Self:
        """As `from_options`, with every setting, by default or as given.

        Raises:
            SettingsError: an option cannot be used.
        """
        settings = options.settings
        if settings["imds"] not in set(ImdsMode):
            raise SettingsError(f"the setting imds is {', '.join(ImdsMode)}, not {settings['imds']!r}")
        return cls(
            options.machines or (DEFAULT_MACHINE,),
            clock=options.clock,
            port=options.port,
            bind=options.bind,
            region=settings["region"],
            on_demand=names(settings, "on-demand"),
            imds=ImdsMode(settings["imds"]),
            hops=count(settings, "hops"),
            hop_limit=count(settings, "hop-limit"),
            access_key=settings["access-key"],
            queue=settings["queue"],
            max_receives=count(settings, "max-receives") or 1,
            heartbeat=seconds(settings, "heartbeat"),
        )

    @classmethod
    def replay(cls, traces: Sequence[Trace], options: SimulatorOptions) -> AwsReplay:
        """A simulator that answers what was recorded; of the options only clock, port, address and tls count.

        Raises:
            TraceError: a trace cannot be replayed here.
        """
        return AwsReplay(*traces, clock=options.clock, port=options.port, bind=options.bind, tls=options.tls)

    def facts(self) -> Mapping[str, str]:
        """What a person needs in order to use it."""
        key = self._key
        token = {"aws_session_token": key.token} if key.token else {}
        return {
            "region": self._aws.rules.site.region,
            "metadata": f"{self.url}/latest/meta-data/",
            "queue": self._queue,
            "aws_access_key_id": key.id,
            "aws_secret_access_key": key.secret,
            **token,
        }

    def host_names(self) -> Sequence[str]:
        """The addresses of the metadata service and of the APIs, for where they lead here."""
        region = self._aws.rules.site.region
        apis = (f"{service}.{region}.amazonaws.com" for service in ("ec2", "sqs", "autoscaling"))
        return ("169.254.169.254", "fd00:ec2::254", *apis)

    def parameters(self, request: Request, path: str) -> Mapping[str, str]:
        """What a request says, be it in the query, in a form or in headers."""
        return self._protocol.parameters(request, path)

    def control_routes(self) -> Sequence[Route]:
        """`GET /_simulator/queues`."""
        return (Route("GET", "queues", self._list_queues),)

    def queues(self) -> Mapping[str, list[str]]:
        """What the messages of each queue say, oldest first."""
        with self._settled() as now:
            return self._queues.bodies(now)

    def _list_queues(self, _request: Request) -> Response:
        return json_response(200, {"queues": self.queues()})

    def rehearsal(self, machines: Machines) -> AwsModel:
        """A model of its own for those instances, by the same rules; those that are on-demand are among them."""
        return AwsModel(machines, self._aws.rules)
