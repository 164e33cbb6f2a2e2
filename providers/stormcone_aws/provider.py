"""The AWS provider of one machine: asks the instance's metadata service what is announced, and which instance this is.

Nothing here needs a credential, an extra or a permission. The service has a list for each kind of notice; each is read
on its own, so that one that fails costs none of the others.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

from stormcone.clock import Clock, SystemClock
from stormcone.clouds.contract import ProviderOptions
from stormcone.clouds.exchange import Tap
from stormcone.clouds.http.trust import authorities
from stormcone.clouds.lists import Lists, PolledList
from stormcone.clouds.settings import Given, address
from stormcone.clouds.signs import DMI, Sign
from stormcone.clouds.trace import CloudTrace
from stormcone.errors import ProviderError, ProviderUnavailable, RequestRefused, Unreachable
from stormcone.model import Capabilities, Ending, Machine, MaintenanceEvent, Observation, Scope
from stormcone.text import folded, printable
from stormcone_aws.imds import ENDPOINT, PATIENT, QUICK, Imds
from stormcone_aws.kinds import PROVIDER
from stormcone_aws.trace import AwsTrace
from stormcone_aws.wire import (
    ImdsIdentity,
    read_history,
    read_identity,
    read_lifecycle,
    read_rebalance,
    read_scheduled,
    read_spot,
    read_termination_time,
)

if TYPE_CHECKING:
    from stormcone_aws.region import AwsRegionProvider

SETTINGS: Mapping[str, str] = MappingProxyType(
    {"scope": "machine, by its own metadata, or region, by the API; machine if unset"}
)
"""The provider's own settings, each with one line of help; those of a region are in `stormcone_aws.region`."""

IDENTITY_PATH = "dynamic/instance-identity/document"
INSTANCE_PATH = "meta-data/instance-id"
HOSTNAME_PATH = "meta-data/local-hostname"
HISTORY_PATH = "meta-data/events/maintenance/history"

_LONGEST_NAME = 253


class ImdsList(NamedTuple):
    """One list of the metadata service.

    Attributes:
        places: the paths at which it may be, each with what reads it; the first one that is there counts.
        absent_is_none: whether 404 at all of them says that there is nothing; otherwise it says nothing at all.
    """

    places: Mapping[str, Callable[[bytes, str], Observation]]
    absent_is_none: bool = True


LISTS: Mapping[str, ImdsList] = MappingProxyType(
    {
        # The second place is that of services which know of no action but the end.
        "spot": ImdsList(
            {"meta-data/spot/instance-action": read_spot, "meta-data/spot/termination-time": read_termination_time}
        ),
        "rebalance": ImdsList({"meta-data/events/recommendations/rebalance": read_rebalance}),
        "lifecycle": ImdsList({"meta-data/autoscaling/target-lifecycle-state": read_lifecycle}),
        # An empty list is expected where nothing is scheduled; 404 has been seen from simulators alone.
        "scheduled": ImdsList({"meta-data/events/maintenance/scheduled": read_scheduled}, absent_is_none=False),
    }
)
"""The lists, by the names of their listings, in the order in which they are asked.

All of them are asked at every poll: together they are a few small requests to the host, and what is over is seen at
once. That `scheduled` never answers 404 in the real service is unverified.
"""


class AwsProvider:
    """What AWS announces to the instance that this runs on.

    Args:
        endpoint: where the metadata service is, an http or https URL; may have a path, which goes before the service's.
        machine: a name of the machine; None asks the service.
        region: the machine's region; None asks the service.
        clock: for the age of tokens and the intervals.
        tap: told of every exchange; None tells nobody.
        ca_file: the authorities that an https endpoint's certificate is verified by; None for the usual ones.

    Raises:
        SettingsError: the endpoint cannot be used.
    """

    name: ClassVar[str] = PROVIDER
    signs: ClassVar[tuple[Sign, ...]] = (
        # Nitro, and Xen before it. Source: what tools print of such machines; unverified on a live machine.
        Sign(f"{DMI}/sys_vendor", "Amazon EC2"),
        Sign(f"{DMI}/product_version", r".*\.amazon"),
    )
    capabilities: Capabilities = Capabilities(
        scope=Scope.MACHINE,
        poll_interval=5.0,  # source: EC2's documentation of spot interruptions
        reports_outcome=True,
        shortest_notice=120.0,  # of a spot interruption
    )
    trace: ClassVar[CloudTrace] = AwsTrace()

    def __init__(
        self,
        *,
        endpoint: str = ENDPOINT,
        machine: str | None = None,
        region: str | None = None,
        clock: Clock | None = None,
        tap: Tap | None = None,
        ca_file: Path | None = None,
    ) -> None:
        self._endpoint = address("endpoint", endpoint)
        self._machine = machine
        self._region = region
        clock = clock or SystemClock()
        verify = authorities(self._endpoint, ca_file)
        timeouts = QUICK if self._endpoint == ENDPOINT else PATIENT
        self._imds = Imds(self._endpoint, clock, tap=tap, verify=verify, timeouts=timeouts)
        self._instance = ""
        lists = (PolledList(name, self._reader(name, each)) for name, each in LISTS.items())
        self._lists = Lists(*lists, clock=clock, longest_pause=self.capabilities.shortest_notice / 2)

    @classmethod
    def from_options(cls, options: ProviderOptions) -> "Self | AwsRegionProvider":
        """A provider as the options say, for a region where the setting `scope` says so; no network.

        Raises:
            SettingsError: an option cannot be used.
            ProviderUnavailable: it is for a region, and the SDK is not installed.
        """
        if options.settings.get("scope", "").casefold() == Scope.REGION:
            from stormcone_aws.region import AwsRegionProvider

            return AwsRegionProvider.from_options(options)
        Given(PROVIDER, options.settings, SETTINGS).one_of("scope", {each.value: each for each in Scope}, Scope.MACHINE)
        return cls(
            endpoint=options.endpoint or ENDPOINT,
            machine=options.machine,
            region=options.region,
            clock=options.clock,
            tap=options.tap,
            ca_file=options.ca_file,
        )

    def named(self) -> Machine | None:
        """The machine as it was named; None where the service must be asked."""
        name = self._machine
        return Machine(provider=self.name, id="", name=name, region=self._region or "") if name else None

    def identify(self) -> Machine:
        """Which machine this is, by its identity document: other clouds answer at the same address, and have none.

        Events name it by its id; its private DNS name is an alias, since Kubernetes names nodes by it.

        Raises:
            ProviderUnavailable: this is not AWS.
            ProviderError: it could not be asked.
        """
        try:
            found = self._identity()
        except Unreachable as error:
            raise ProviderUnavailable(
                f"this is not an AWS instance: {error}; run this on one, or say where the metadata service is with "
                "--endpoint"
            ) from error
        self._instance = found.instance
        return Machine(
            provider=self.name,
            id=found.instance,
            name=self._machine or found.instance,
            aliases=self._aliases(),
            region=self._region or found.region,
            zone=found.zone,
            account=found.account,
            reported_name=found.instance if self._machine else "",
        )

    def facts(self) -> Mapping[str, str]:
        """Which version of the metadata service answers, and where it is.

        Of a token that is lost on its way, why.
        """
        known = {"metadata": self._endpoint}
        try:
            self._imds.get(INSTANCE_PATH)
            return {**known, "metadata-version": f"IMDSv{self._imds.version()}"}
        except ProviderError as error:
            return {**known, "metadata-version": str(error)}

    def poll(self) -> Observation:
        """What is announced now; a list that could not be asked is not whole, and its events stay as they are known.

        Raises:
            RequestRefused: metadata is switched off.
            ProviderError: what is announced is unknown.
        """
        self._imds.version()  # one token for all lists, or one error where none can be had
        self._instance = self._instance or self._known_as()
        return self._lists.poll()

    def outcomes(self, ids: Collection[str]) -> Mapping[str, Ending | None]:
        """How scheduled events ended that are no longer listed as such. Of the others AWS says nothing.

        Raises:
            ProviderError: it could not be asked.
        """
        wanted = {folded(identifier): identifier for identifier in ids if "/" not in identifier}  # those are ours
        body = self._imds.get(HISTORY_PATH) if wanted else None
        ended = {} if body is None else read_history(body)
        return {wanted[identifier]: ending for identifier, ending in ended.items() if identifier in wanted}

    def approve(self, event: MaintenanceEvent) -> None:
        """Nothing of AWS's can be approved from within an instance.

        Raises:
            RequestRefused: always.
        """
        raise RequestRefused(f"event {event.id} cannot be approved: AWS asks for no approval of it")

    def close(self) -> None:
        """Let go of connections; a poll that hangs ends. Safe to call twice."""
        self._imds.close()

    def _identity(self) -> ImdsIdentity:
        """The identity document.

        Raises:
            ProviderUnavailable: there is none, or what is there is none of AWS's.
            ProviderError: it could not be asked.
        """
        body = self._imds.get(IDENTITY_PATH)
        if body is None:
            raise ProviderUnavailable(
                f"this is not an AWS instance: {self._endpoint} answers, and has no identity document ({IDENTITY_PATH})"
            )
        try:
            found = read_identity(body)
        except ValueError as error:
            raise ProviderUnavailable(
                f"this is not an AWS instance: what {self._endpoint} has at {IDENTITY_PATH} {error}"
            ) from None
        if not (found.instance and found.account and found.region):
            raise ProviderUnavailable(
                f"this is not an AWS instance: what {self._endpoint} has at {IDENTITY_PATH} names no instance, "
                "account or region"
            )
        return found

    def _aliases(self) -> tuple[str, ...]:
        try:
            body = self._imds.get(HOSTNAME_PATH)
        except ProviderError:
            return ()  # an alias is a help, and no reason not to say which machine this is
        name = _name(body)
        return (name,) if name else ()

    def _known_as(self) -> str:
        """What the notices name this machine by: its id, wherever that is told, or else the name that it was given.

        Raises:
            ProviderError: nobody says it.
        """
        trouble: ProviderError | None = None
        for told in (self._instance_id, lambda: self._identity().instance):
            try:
                if name := told():
                    return name
            except ProviderError as error:
                trouble = trouble or error
        if self._machine:
            return self._machine
        if trouble is not None and not trouble.passing:
            raise trouble
        why = f": {trouble}" if trouble else ""
        raise ProviderError(
            f"AWS's metadata service at {self._endpoint} does not say which instance this is{why}; "
            "name it with --machine",
            retry_after=trouble.retry_after if trouble else None,
        )

    def _instance_id(self) -> str:
        return _name(self._imds.get(INSTANCE_PATH))

    def _reader(self, name: str, each: ImdsList) -> Callable[[], Observation]:
        def read() -> Observation:
            for path, read_body in each.places.items():
                body = self._imds.get(path)
                if body is not None:
                    return read_body(body, self._instance)
            if each.absent_is_none:
                return Observation()
            places = " and ".join(each.places)
            problem = f"{name}: there is nothing at {places}, so whether anything is announced there is not known"
            return Observation(whole=frozenset(), problems=(problem,))

        return read


def _name(body: bytes | None) -> str:
    """A name in an answer of one line, or "" where it holds none."""
    text = (body or b"").decode("utf-8", "replace").strip()
    usable = text and len(text) <= _LONGEST_NAME and printable(text) == text and not set(text) & set(" <>\"'{}")
    return text if usable else ""
