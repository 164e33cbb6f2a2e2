"""The AWS simulator: the model and the wire put together, and its options."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Self

from stormcone.clock import Clock, ManualClock, SystemClock
from stormcone.errors import SettingsError, SimulationError
from stormcone.simulators.contract import Setting, SimulatorOptions, Tls
from stormcone_simulators.aws.imds.service import MOST_HOPS, ImdsMode, MetadataEndpoint
from stormcone_simulators.aws.model import AwsModel, AwsRules
from stormcone_simulators.aws.site import DEFAULT_REGION, Ec2Site
from stormcone_simulators.aws.types import POSSIBLE_EVENTS
from stormcone_simulators.aws.wire import AwsWire
from stormcone_simulators.base import BaseSimulator
from stormcone_simulators.machines import Machines
from stormcone_simulators.scenarios.play import PossibleEvent
from stormcone_simulators.settings import count, names

DEFAULT_MACHINE = "i-0123456789abcdef0"

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}")


class AwsSimulator(BaseSimulator):
    """AWS's EC2: the metadata service of its instances.

    Args:
        machines: ids of instances, `ID[@GROUP][=ADDRESS]`.
        clock: manual, or the system's at any speed.
        port: 0 takes a free one.
        bind: the address to listen on.
        tls: how to speak HTTPS; None for HTTP.
        region: the region that the instances are in.
        on_demand: the instances that are no spot instances; the others are.
        imds: whether the metadata service wants a token, or answers nobody.
        hops: how many hops lie between clients and their instance.
        hop_limit: how many hops the answer with a token may go, 1 to 64.
        signing_clock: the clients' time, which credentials have to outlast; None: the real time.

    Raises:
        SettingsError: a machine, the region or the hop limit cannot be used.
    """

    name: ClassVar[str] = "aws"
    one_each: ClassVar[bool] = True
    ca_variables: ClassVar[tuple[str, ...]] = ("AWS_CA_BUNDLE",)
    possible_events: ClassVar[Sequence[PossibleEvent]] = POSSIBLE_EVENTS
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(name="region", help="The region that the instances are in.", default=DEFAULT_REGION),
        Setting(name="on-demand", help="Instances, with commas between, that are no spot instances.", default=""),
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
        signing_clock: Clock | None = None,
    ) -> None:
        if not _REGION.fullmatch(region):
            raise SettingsError(f"the region {region!r} is not of the form of one, such as {DEFAULT_REGION}")
        if not 1 <= hop_limit <= MOST_HOPS:
            raise SettingsError(f"the hop limit is from 1 to {MOST_HOPS}, not {hop_limit}")
        known = Machines(machines)
        try:
            self._aws = AwsModel(known, AwsRules(site=Ec2Site(region=region), on_demand=on_demand))
        except SimulationError as error:
            raise SettingsError(f"the setting on-demand cannot be used: {error}") from error
        metadata = MetadataEndpoint(self._aws, signing_clock or SystemClock(), imds, hops=hops, hop_limit=hop_limit)
        super().__init__(
            known, self._aws, AwsWire(metadata), clock=clock or SystemClock(), port=port, bind=bind, tls=tls
        )

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
        )

    def facts(self) -> Mapping[str, str]:
        """What a person needs in order to use it."""
        return {"region": self._aws.rules.site.region, "metadata": f"{self.url}/latest/meta-data/"}

    def host_names(self) -> Sequence[str]:
        """The metadata service's addresses, for where they lead here."""
        return ("169.254.169.254", "fd00:ec2::254")

    def rehearsal(self, machines: Machines) -> AwsModel:
        """A model of its own for those instances, by the same rules; those that are on-demand are among them."""
        return AwsModel(machines, self._aws.rules)
