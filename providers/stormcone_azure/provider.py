"""The Azure provider: asks the metadata service what is scheduled, approves, and learns which machine this is.

Nothing here needs a credential. The service is at a link-local address, wants the header `Metadata: true` on every
request so that none arrives there by accident, and is switched on for a machine by the first request, which may take
two minutes; so the first poll waits that long and every later one does not.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, NamedTuple, Self
from urllib.parse import urlsplit

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential

from stormcone.clock import Clock, SystemClock
from stormcone.clouds.contract import ProviderOptions
from stormcone.clouds.exchange import Tap
from stormcone.clouds.http.client import STATUSES, HttpStatusMeaning, MetadataClient, Timeouts, retry_after
from stormcone.clouds.http.trust import authorities
from stormcone.clouds.settings import Given
from stormcone.clouds.signs import DMI, Sign
from stormcone.clouds.trace import CloudTrace
from stormcone.errors import ProviderError, ProviderUnavailable, RequestRefused, SettingsError, Unreachable
from stormcone.model import Capabilities, Machine, MaintenanceEvent, Observation, Origin, Outcome, Scope
from stormcone_azure.dhcp import host_address
from stormcone_azure.trace import COMPUTE_PATH, ENDPOINT, EVENTS_PATH, AzureTrace
from stormcone_azure.wire import (
    API_VERSIONS,
    CURRENT_VERSION,
    PROVIDER,
    Compute,
    approval,
    read_compute,
    read_document,
)

SETTINGS: Mapping[str, str] = MappingProxyType(
    {"api-version": f"version of Scheduled Events, {CURRENT_VERSION} if unset"}
)
"""The provider's own settings, each with one line of help."""

FIRST_POLL = Timeouts(read=130.0)
"""Until one document has arrived: switching the service on takes up to 2 minutes."""

LATER_CALLS = Timeouts(read=10.0)
"""Everything else: stalls of 3 to 6 s were seen in the field, and the vendor's figure is 10 s."""

AZURE_STATUSES: Mapping[int, HttpStatusMeaning] = MappingProxyType(
    {
        **STATUSES,
        400: HttpStatusMeaning("Azure finds the Metadata header, the api-version or the body malformed", passing=False),
        410: HttpStatusMeaning("the service is being updated, which takes up to 70 s", passing=True, lasts=70.0),
    }
)
"""What the service's statuses mean. Source: Azure's documentation; 410 was seen in the field."""

_NOT_FOUND = 404
_NOT_MODIFIED = 304
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}")
_ETAG = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, kw_only=True)
class IdentityRetries:
    """How `identify` tries again.

    Attributes:
        attempts: at least, and as many more as it takes to wait for what the service asks for.
        first_wait: seconds after the first attempt; every later wait is twice the one before.
        longest_wait: seconds that no wait exceeds, but for what the service asks for.
        longest_asked: seconds in all that the service is given where it asks for more time.
    """

    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 8.0
    longest_asked: float = 70.0

    def wait(self, state: RetryCallState) -> float:
        """Seconds until the next attempt: what the service asks for, bounded as the pause between polls is."""
        usual = wait_exponential(multiplier=self.first_wait, max=self.longest_wait)(state)
        return max(usual, min(_asked(state), AzureProvider.capabilities.shortest_notice / 2))

    def enough(self, state: RetryCallState) -> bool:
        """Whether to give up."""
        return state.attempt_number >= self.attempts and state.idle_for >= min(_asked(state), self.longest_asked)


class _Seen(NamedTuple):
    """The last good answer: what is the same to the letter is not read again, a megabyte each second.

    Attributes:
        body: as it came.
        etag: what `If-None-Match` may ask about it; "" where it cannot be asked about.
        observation: what it says.
    """

    body: bytes
    etag: str
    observation: Observation


class _Partial(ProviderError):
    """The instance endpoint does not say all yet, as at early boot."""

    def __init__(self, compute: Compute) -> None:
        super().__init__(
            f"Azure does not say which machine this is: its answer lacks the name or the vmId ({COMPUTE_PATH}); "
            "try again once the machine is up, or name it with --machine"
        )
        self.compute = compute


class AzureProvider:
    """Scheduled Events of the machine that this runs on.

    Args:
        endpoint: where the metadata service is, an http or https URL; may have a path, which goes before the service's.
        machine: the machine's name in events; None asks the service.
        region: the machine's region; None asks the service.
        api_version: of Scheduled Events; see `API_VERSIONS`. Later ones are tried as they are.
        clock: for the pauses between attempts and for dates in `Retry-After`.
        retries: how `identify` tries again.
        tap: told of every exchange; None tells nobody.
        ca_file: the authorities that an https endpoint's certificate is verified by; None for the usual ones.

    Attributes:
        events_url: where it polls and approves.

    Raises:
        SettingsError: the endpoint or the version cannot be used.
    """

    name: ClassVar[str] = PROVIDER
    signs: ClassVar[tuple[Sign, ...]] = (
        # The tag that Azure gives to all of its machines. Source: cloud-init's detection; unverified on a live machine.
        Sign(f"{DMI}/chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77"),
    )
    capabilities: Capabilities = Capabilities(scope=Scope.MACHINE, poll_interval=1.0, can_approve=True)
    trace: ClassVar[CloudTrace] = AzureTrace()

    def __init__(
        self,
        *,
        endpoint: str = ENDPOINT,
        machine: str | None = None,
        region: str | None = None,
        api_version: str = CURRENT_VERSION,
        clock: Clock | None = None,
        retries: IdentityRetries | None = None,
        tap: Tap | None = None,
        ca_file: Path | None = None,
    ) -> None:
        if not _VERSION.fullmatch(api_version):
            known = ", ".join(API_VERSIONS)
            raise SettingsError(
                f"api-version {api_version!r} is not one of Azure's; take one of {known}, or a later one"
            )
        self._endpoint = _checked(endpoint)
        self.events_url = f"{self._endpoint}{EVENTS_PATH}?api-version={api_version}"
        self._machine = machine
        self._region = region
        self._api_version = api_version
        self._clock = clock or SystemClock()
        self._retries = retries or IdentityRetries()
        headers = {"Metadata": "true"}
        verify = authorities(self._endpoint, ca_file)
        self._client = MetadataClient(
            statuses=AZURE_STATUSES, headers=headers, clock=self._clock, tap=tap, verify=verify
        )
        self._switched_on = False
        self._seen: _Seen | None = None

    @classmethod
    def from_options(cls, options: ProviderOptions) -> Self:
        """A provider as the options say; without an endpoint, DHCP's leases tell whether it is the usual one.

        Raises:
            SettingsError: an option cannot be used.
        """
        given = Given(PROVIDER, options.settings, SETTINGS)
        host = None if options.endpoint else host_address()
        return cls(
            endpoint=options.endpoint or (f"http://{host}" if host else ENDPOINT),
            machine=options.machine,
            region=options.region,
            api_version=given.text("api-version", CURRENT_VERSION),
            clock=options.clock,
            tap=options.tap,
            ca_file=options.ca_file,
        )

    def named(self) -> Machine | None:
        """The machine as it was named; None where the service must be asked."""
        return (
            Machine(provider=self.name, id="", name=self._machine, region=self._region or "") if self._machine else None
        )

    def identify(self) -> Machine:
        """Which machine this is. Its only name is the VM's, as in `Resources`; never the host name.

        A machine whose name was given needs no instance endpoint (classic VMs have none), but then its events must
        be there.

        Raises:
            ProviderUnavailable: this is not Azure.
            ProviderError: it could not be asked, or does not know yet; the text says what to do.
        """
        retries = self._retries
        ask = Retrying(
            sleep=self._clock.sleep,
            stop=retries.enough,
            wait=retries.wait,
            retry=retry_if_exception(_worth_another_attempt),
            reraise=True,
        )
        try:
            compute = ask(self._compute)
        except _Partial as error:
            if not self._machine:
                raise
            compute = error.compute
        except ProviderUnavailable:
            if not self._machine:
                raise
            self.poll()
            compute = Compute()
        except Unreachable as error:
            raise Unreachable(
                f"{error}; run this on an Azure VM, or say where the metadata service is with --endpoint"
            ) from error
        return Machine(
            provider=self.name,
            id=compute.vm_id,
            name=self._machine or compute.name,
            region=self._region or compute.location,
            zone=compute.zone,
            account=compute.subscription_id,
            reported_name=compute.name if self._machine else "",
        )

    def poll(self) -> Observation:
        """What is announced now.

        Raises:
            RequestRefused: Azure does not take such a request.
            ProviderError: what is announced is unknown.
        """
        seen = self._seen
        answer = self._client.request(
            "GET",
            self.events_url,
            headers={"If-None-Match": seen.etag} if seen and seen.etag else None,
            timeouts=LATER_CALLS if self._switched_on else FIRST_POLL,
            accept=frozenset({_NOT_MODIFIED}),
        )
        if answer.status == _NOT_MODIFIED:
            if seen is None or not seen.etag:
                raise ProviderError("Azure says that nothing has changed since an answer that it never gave")
            return seen.observation
        if seen and answer.body == seen.body:
            observation = seen.observation
        else:
            observation = read_document(answer.body, self._api_version)
        etag = answer.headers.get("ETag", "").strip()
        self._seen = _Seen(answer.body, etag if _ETAG.fullmatch(etag) else "", observation)
        self._switched_on = True
        return observation

    def outcomes(self, ids: Collection[str]) -> Mapping[str, Outcome]:  # noqa: ARG002
        """Nothing: an event that is over is no longer listed, without a word on how it ended."""
        return {}

    def approve(self, event: MaintenanceEvent) -> None:
        """Let the event begin before its time, for every machine that it names. Repeating it does no harm.

        Raises:
            RequestRefused: Azure refuses, or the event has no id of Azure's.
            ProviderError: whether the approval arrived is not known.
        """
        if event.id_origin is Origin.INFERRED:
            raise RequestRefused(f"event {event.id} cannot be approved: Azure gave it no EventId")
        self._client.request(
            "POST",
            self.events_url,
            headers={"Content-Type": "application/json"},
            body=approval([event.id]),
            timeouts=LATER_CALLS,
        )

    def close(self) -> None:
        """Let go of connections; a poll that hangs ends. Safe to call twice."""
        self._client.close()

    def _compute(self) -> Compute:
        url = f"{self._endpoint}{COMPUTE_PATH}"
        try:
            answer = self._client.request("GET", url, timeouts=LATER_CALLS, accept=frozenset({_NOT_FOUND}))
        except RequestRefused as error:
            raise _not_azure(str(error), passing=False) from error
        if answer.status == _NOT_FOUND:
            asked = retry_after(answer.headers.get("Retry-After"), self._clock.now())
            raise _not_azure("its metadata service has no instance/compute", passing=True, retry_after=asked)
        if not answer.body.strip():
            raise _Partial(Compute())
        try:
            compute = read_compute(answer.body)
        except ValueError as error:
            raise _not_azure(f"the answer of its metadata service {error}", passing=False) from None
        if not compute.vm_id or not (compute.name or self._machine):
            raise _Partial(compute)
        return compute


def _worth_another_attempt(error: BaseException) -> bool:
    # Where nothing answers there is most likely no Azure, and whoever looks for the right cloud is waiting.
    return isinstance(error, ProviderError) and error.passing and not isinstance(error, Unreachable)


def _asked(state: RetryCallState) -> float:
    """Seconds that the service asks for after the last attempt."""
    error = state.outcome.exception() if state.outcome else None
    return (error.retry_after or 0.0) if isinstance(error, ProviderError) else 0.0


def _not_azure(why: str, *, passing: bool, retry_after: float | None = None) -> ProviderUnavailable:
    return ProviderUnavailable(
        f"this is not Azure ({why}); choose another provider, or say where Azure's metadata service is with --endpoint",
        passing=passing,
        retry_after=retry_after,
    )


def _checked(endpoint: str) -> str:
    try:
        parts = urlsplit(endpoint)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        shown = endpoint.rpartition("@")[2]
        raise SettingsError(f"endpoint {shown!r} is not a server's address; give one such as {ENDPOINT}")
    return endpoint.rstrip("/")
