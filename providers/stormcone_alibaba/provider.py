"""The Alibaba Cloud provider: polls the history of system events, which is where ECS says what is scheduled.

The metadata service tells which machine this is and announces the release of a spot instance; the API tells all else.
A poll costs as many calls as there are pages of active events (100 to a page), however many instances there are.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar, Self

from stormcone.clock import Clock, SystemClock
from stormcone.clouds.contract import ProviderOptions, Right
from stormcone.clouds.exchange import Tap
from stormcone.clouds.http.api import shown_proxy
from stormcone.clouds.http.trust import authorities
from stormcone.clouds.sightings import Sightings
from stormcone.clouds.signs import DMI, Sign
from stormcone.clouds.trace import CloudTrace
from stormcone.errors import ProviderError, ProviderUnavailable, RequestRefused, SimulationError
from stormcone.model import (
    Approval,
    Capabilities,
    Ending,
    Impact,
    Machine,
    MaintenanceEvent,
    Observation,
    Outcome,
    Phase,
    Scope,
)
from stormcone_alibaba.credentials import ENVIRONMENT, URI, CredentialChain
from stormcone_alibaba.ecs import BATCH, EcsApi, HistoryQuery
from stormcone_alibaba.errors import DRY_RUN, PERMISSION, ApiFault, ApiRefused, not_allowed
from stormcone_alibaba.metadata import MetadataReader
from stormcone_alibaba.notifications import read_hint
from stormcone_alibaba.sdk import SdkEcs, require_sdk
from stormcone_alibaba.settings import Settings, read_settings
from stormcone_alibaba.simulation import order
from stormcone_alibaba.trace import AlibabaTrace
from stormcone_alibaba.transport import CA_VARIABLES, ApiSession
from stormcone_alibaba.wire import (
    ACTIVE,
    INFERRED_ID,
    PROVIDER,
    SPOT_LISTING,
    STATUSES,
    Page,
    Reading,
    found_instances,
    read_created,
    read_entry,
    read_page,
    spot_event,
)

OPERATIONS = (
    "DescribeInstanceHistoryEvents",
    "AcceptInquiredSystemEvent",
    "CreateSimulatedSystemEvents",
    "CancelSimulatedSystemEvents",
    "DescribeInstances",
)
"""The operations that are called: watching needs the first, approving the second, simulating the next two; the last one
finds out whether an instance that was named is there, where it is allowed."""

PAGES_LIMIT = 1000
"""Pages of one answer beyond which it is not believed that they end."""

_NOT_INQUIRING = "InvalidEventId.NoInquiringEventFound"


class AlibabaProvider:
    """The system events of the instance that this runs on, or of one that is named.

    `AlibabaRegionProvider` watches a region; `from_options` chooses between them by the setting `scope`.

    Args:
        settings: how to work.
        clock: for pauses, the age of tokens and credentials, and the minute that throttling lasts.
        api: the API; None for the SDK's, opened when it is first needed.
        tap: told of every exchange of the metadata service's and the SDK's; None tells nobody.

    Attributes:
        credentials: what signs requests; `credentials.get().source` names where they come from.
    """

    name: ClassVar[str] = PROVIDER
    signs: ClassVar[tuple[Sign, ...]] = (
        # Source: cloud-init's detection; unverified on a live machine.
        Sign(f"{DMI}/product_name", "Alibaba Cloud ECS"),
    )
    capabilities: Capabilities = Capabilities(
        scope=Scope.MACHINE,
        poll_interval=30.0,
        can_approve=True,
        can_simulate=True,
        can_cancel_simulated=True,
        reports_outcome=True,
        shortest_notice=300.0,  # of a spot instance's release
        secrets=(*(name for names in ENVIRONMENT for name in names if name), URI),
        permissions=tuple(PERMISSION.format(action=action) for action in OPERATIONS),
    )

    trace: ClassVar[CloudTrace] = AlibabaTrace()

    def __init__(
        self, settings: Settings, *, clock: Clock | None = None, api: EcsApi | None = None, tap: Tap | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._tap = tap
        verify = authorities(settings.metadata_endpoint, settings.ca_file)
        self._metadata = MetadataReader(settings.metadata_endpoint, self._clock, tap, verify)
        self._verify_api = authorities("https:", settings.ca_file, variables=CA_VARIABLES)
        self.credentials = CredentialChain(settings.credentials, self._metadata, self._clock, verify=self._verify_api)
        self._lock = threading.Lock()
        self._ecs = api
        self._closed = False
        self._place = settings.region or ""
        self._machine: Machine | None = None
        self._on_hint: Callable[[], None] | None = None

    @classmethod
    def from_options(cls, options: ProviderOptions) -> "AlibabaProvider":
        """A provider as the options say, for a region where the setting `scope` says so; no network.

        Raises:
            SettingsError: an option cannot be used.
            ProviderUnavailable: the SDK is not installed.
        """
        settings = read_settings(options)
        if settings.scope is Scope.REGION:
            return AlibabaRegionProvider.from_options(options)
        require_sdk()
        return cls(settings, clock=options.clock, tap=options.tap)

    def named(self) -> Machine | None:
        """The instance as it was named; None where the metadata service must be asked."""
        name = self._settings.machine
        return Machine(provider=PROVIDER, id=name, name=name, region=self._place) if name else None

    def identify(self) -> Machine:
        """Which machine this is, by the metadata service; where machine and region are named, the API is asked.

        Raises:
            ProviderUnavailable: this is not Alibaba Cloud, or there are no credentials where they are needed.
            ProviderError: it could not be asked.
        """
        machine = self._look()
        if self._settings.machine and self._settings.region:
            self._active(machine)  # nothing else here would notice that this is another cloud
        if self._settings.machine:
            self._require(machine)
        self._machine = machine
        return machine

    def facts(self) -> Mapping[str, str]:
        """The API's address, the proxy to it, and where the credentials come from, where there are any.

        Call it after `identify`, which knows the region.
        """
        api = self._settings.api_of(self._place)
        known = {"api": api, "proxy": shown_proxy(api, self._settings.proxy)}
        try:
            return {**known, "credentials": self.credentials.get().source}
        except ProviderError:
            return known  # a poll tells why there are none

    def rights(self) -> Sequence[Right]:
        """What the caller may do: of the operations that are called here, one can be asked for without doing it."""
        tried = PERMISSION.format(action="DescribeInstances")
        return [
            self._right(name) if name == tried else Right(permission=name) for name in self.capabilities.permissions
        ]

    def _right(self, permission: str) -> Right:
        try:
            self._api().try_describe_instances()
        except (ApiFault, ApiRefused) as error:
            if error.code == DRY_RUN:
                return Right(permission=permission, granted=True, why="")
            if not_allowed(error.code):
                return Right(permission=permission, granted=False, why=f"let a RAM policy allow {permission}")
            return Right(permission=permission, why=str(error))
        except ProviderError as error:
            return Right(permission=permission, why=str(error))
        return Right(permission=permission, why="what answers knows no dry run; check the endpoint")

    def poll(self) -> Observation:
        """The active events, and the release of a spot instance where one is announced.

        A notice of release is reported even where the API does not answer: it comes only minutes ahead.

        Raises:
            ProviderError: the API could not be asked.
        """
        machine = self._machine or self.named()
        if machine is None:
            machine = self._machine = self._look()
        spot = self._spot(machine)
        try:
            seen = self._active(machine)
        except ProviderError as error:
            if spot.event is None:
                raise
            seen = Observation(whole=frozenset(), problems=(str(error),))
        return Observation(
            events=seen.events + ((spot.event,) if spot.event else ()),
            whole=seen.whole | (frozenset() if spot.problems and spot.event is None else {SPOT_LISTING}),
            problems=seen.problems + spot.problems,
        )

    def outcomes(self, ids: Collection[str]) -> Mapping[str, Ending | None]:
        """How events ended; None for one that is going on still. Ids that the cloud does not know are left out.

        Source: ECS's documentation of DescribeInstanceHistoryEvents: what has ended stays listed for 30 days.

        Raises:
            ProviderError: the API could not be asked.
        """
        own = tuple(identifier for identifier in ids if not identifier.startswith(INFERRED_ID))
        return {
            event.id: None if event.outcome is None else Ending(event.outcome, event.native_status)
            for event in self._find(own)
        }

    def approve(self, event: MaintenanceEvent) -> None:
        """Give the owner's consent to an event that waits for it; it begins soon after.

        Raises:
            RequestRefused: the event does not wait for consent, or the service refuses.
            ProviderError: whether the consent arrived is not known; it may be repeated.
        """
        if event.approval is not Approval.CONSENT or not self._settings.accept_inquired:
            raise RequestRefused(
                f"event {event.id} is {event.native_status or 'not known'} and does not wait for consent, "
                "so there is nothing to approve"
            )
        try:
            self._api().accept(event.id)
        except ApiRefused as error:
            # An earlier consent may have arrived although its answer was lost; then it has begun.
            if error.code != _NOT_INQUIRING or not any(_has_begun(found) for found in self._find((event.id,))):
                raise

    def simulate(
        self,
        impact: Impact,
        *,
        resources: Collection[str],
        not_before: datetime,
        duration: timedelta | None = None,
        native_type: str | None = None,
    ) -> tuple[str, ...]:
        """Announce simulated events, one for each instance; see `stormcone_alibaba.simulation` for what there is.

        Nothing is done to an instance. Of the types named *Failure.* the events execute at once and `not_before` is
        when they end.

        Raises:
            SimulationError: the service cannot simulate that, or refuses.
            ProviderError: whether the events were made is not known.
        """
        asked = order(
            impact,
            resources=resources,
            not_before=not_before,
            duration=duration,
            native_type=native_type,
            now=self._clock.now(),
        )
        try:
            return read_created(self._api().create_simulated(*asked))
        except ApiRefused as error:
            raise SimulationError(str(error)) from error

    def cancel_simulated(self, ids: Collection[str]) -> None:
        """Call simulated events off.

        Raises:
            SimulationError: one of them is not known, real or over.
            ProviderError: whether they were called off is not known.
        """
        try:
            for batch in _batches(tuple(ids)):
                self._api().cancel_simulated(batch)
        except ApiRefused as error:
            raise SimulationError(str(error)) from error

    def on_hint(self, callback: Callable[[], None]) -> None:
        """Have `callback` called for every hint that `receive` takes, such as `Agent.poll_soon`."""
        self._on_hint = callback

    def receive(self, notification: bytes | str | Mapping[str, object]) -> bool:
        """Take a notification of CloudMonitor or EventBridge as a hint to poll now; nothing in it is believed.

        Answers whether it was one of ECS's events in this region. Never raises for what it says.
        """
        hint = read_hint(notification)
        if hint is None or (hint.region and self._place and hint.region != self._place):
            return False
        if self._on_hint is not None:
            self._on_hint()
        return True

    def close(self) -> None:
        """Let go of connections. Safe to call twice."""
        with self._lock:
            self._closed = True
            ecs = self._ecs
        if ecs is not None:
            ecs.close()
        self._metadata.close()

    # what a region does otherwise

    def _look(self) -> Machine:
        named = self._settings.machine
        if named:
            asked = not self._place  # then the metadata service is there, and knows on which instance we are
            machine = Machine(provider=PROVIDER, id=named, name=named, region=self._region())
            return replace(machine, reported_name=self._metadata.instance_id()) if asked else machine
        instance = self._metadata.instance_id()
        return Machine(
            provider=PROVIDER,
            id=instance,
            name=instance,
            region=self._region(),
            zone=self._metadata.zone_id(),
            account=self._metadata.account(),
        )

    def _require(self, machine: Machine) -> None:
        """Find out that an instance that was named is there, unless these credentials may not ask."""
        try:
            document = self._api().describe_instances((machine.id,))
        except ProviderError:
            return
        if not found_instances(document):
            raise ProviderUnavailable(
                f"there is no instance {machine.id} in {machine.region} for these credentials; "
                "check --machine and --region"
            )

    def _queries(self, machine: Machine) -> tuple[HistoryQuery, ...]:
        return (HistoryQuery(statuses=ACTIVE, resource_ids=(machine.id,)),)

    def _spot(self, machine: Machine) -> Reading:
        if self._settings.machine:
            return Reading(None, ())  # the metadata service speaks of the instance that this runs on
        try:
            text = self._metadata.termination_time()
        except ProviderError as error:
            return Reading(None, (str(error),))
        if text == "":
            return Reading(None, ("the spot termination time is empty",))
        return Reading(None, ()) if text is None else spot_event(text, machine.id)

    # what all share

    def _region(self) -> str:
        if not self._place:
            self._place = self._metadata.region_id()
        return self._place

    def _api(self) -> EcsApi:
        region = self._region()  # may ask the metadata service, so not under the lock, for which `close` waits
        with self._lock:
            if self._closed:
                raise ProviderError("Alibaba Cloud's API was not asked: the provider was closed")
            if self._ecs is None:
                self._ecs = SdkEcs(
                    region=region,
                    endpoint=self._settings.api_of(region),
                    credentials=self.credentials.get,
                    clock=self._clock,
                    proxy=self._settings.proxy,
                    session=ApiSession(self._clock, self._tap),
                    verify=self._verify_api,
                )
            return self._ecs

    def _active(self, machine: Machine) -> Observation:
        sightings = Sightings()
        for query in self._queries(machine):
            for page in self._pages(query):
                if page.doubt:
                    sightings.doubtful(page.doubt)
                for reading in map(read_entry, page.entries):
                    self._list(reading, sightings)
        return sightings.observation()

    def _list(self, reading: Reading, sightings: Sightings) -> None:
        event = reading.event
        for problem in reading.problems:
            (sightings.problem if event else sightings.unreadable)(problem)
        if event is not None:
            sightings.add(event if self._settings.accept_inquired else event.but(approval=Approval.NONE))

    def _find(self, ids: Sequence[str]) -> Iterator[MaintenanceEvent]:
        """The events with these ids, whatever has become of them."""
        for batch in _batches(ids):
            for page in self._pages(HistoryQuery(statuses=tuple(STATUSES), event_ids=batch)):
                for reading in map(read_entry, page.entries):
                    if reading.event is not None:
                        yield reading.event

    def _pages(self, query: HistoryQuery) -> Iterator[Page]:
        token = ""
        tokens: set[str] = set()
        while True:
            page = read_page(self._api().describe_history_events(query, token))
            yield page
            token = page.next_token
            if not token:
                return
            if token in tokens or len(tokens) >= PAGES_LIMIT:
                raise ProviderError("Alibaba Cloud's DescribeInstanceHistoryEvents failed: its pages do not end")
            tokens.add(token)


class AlibabaRegionProvider(AlibabaProvider):
    """The system events of a region's instances: all of them, those that are listed, or those with a tag."""

    capabilities: Capabilities = replace(AlibabaProvider.capabilities, scope=Scope.REGION)

    @classmethod
    def from_options(cls, options: ProviderOptions) -> Self:
        """A provider as the options say, for a region whatever `scope` says; no network.

        Raises:
            SettingsError: an option cannot be used.
            ProviderUnavailable: the SDK is not installed.
        """
        settings = read_settings(replace(options, settings={**options.settings, "scope": Scope.REGION}))
        require_sdk()
        return cls(settings, clock=options.clock, tap=options.tap)

    def named(self) -> Machine | None:
        """The region as it was named; None where the metadata service must be asked."""
        return self._look() if self._place else None

    def identify(self) -> Machine:
        """The region, as a machine that stands for all of its instances.

        Raises:
            ProviderUnavailable: no region is named and this is not Alibaba Cloud, or there are no credentials.
            ProviderError: it could not be asked.
        """
        machine = self._look()
        if self._settings.region:
            self._active(machine)
        self._machine = machine
        return machine

    def _look(self) -> Machine:
        name = f"region:{self._region()}"
        return Machine(provider=PROVIDER, id=name, name=name, region=self._region(), scope=Scope.REGION)

    def _queries(self, _machine: Machine) -> tuple[HistoryQuery, ...]:
        if self._settings.instances:
            batches = _batches(self._settings.instances)
            return tuple(HistoryQuery(statuses=ACTIVE, resource_ids=batch) for batch in batches)
        return (HistoryQuery(statuses=ACTIVE, tag=self._settings.tag),)

    def _spot(self, _machine: Machine) -> Reading:
        return Reading(None, ())


def _has_begun(event: MaintenanceEvent) -> bool:
    return event.phase is Phase.STARTED or event.outcome in {Outcome.COMPLETED, Outcome.FAILED}


def _batches(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(names), BATCH):
        yield tuple(names[start : start + BATCH])
