"""The Google Cloud provider: asks the VM's metadata server what is announced, and the Compute API to begin it.

A poll is three small requests that are answered at once; `Listener` waits for changes beside it. Asking is what grants
a VM the 60 seconds before a live migration: one whose `maintenance-event` nobody has read since the last maintenance
is migrated at once. So the agent polls from its start on.
"""

import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from stormcone.clock import Clock, SystemClock
from stormcone.clouds.contract import ProviderOptions, Right
from stormcone.clouds.exchange import Tap
from stormcone.clouds.http.api import shown_proxy
from stormcone.clouds.http.trust import authorities
from stormcone.clouds.lists import Lists, PolledList
from stormcone.clouds.signs import DMI, Sign
from stormcone.clouds.trace import CloudTrace
from stormcone.errors import PartMissing, ProviderError, RequestRefused, SimulationError
from stormcone.model import Approval, Capabilities, Impact, Machine, MaintenanceEvent, Observation, Outcome, Scope
from stormcone_google.keys import MAINTENANCE, PREEMPTED, PROVIDER, UPCOMING, HostPolicy, KeyContext, Vm, event_id
from stormcone_google.listener import Listener
from stormcone_google.metadata import KeyReader
from stormcone_google.settings import PERMISSIONS, GoogleSettings, read_settings
from stormcone_google.simulation import checked_order, refuse_other
from stormcone_google.trace import GoogleTrace
from stormcone_google.wire import ACCEPTED, KEYS, read_key, read_scheduling

_WHOLE = {"recursive": "true", "alt": "json"}

if TYPE_CHECKING:
    from stormcone_google.compute import ComputeApi, VmPath

PARAMETERS: Mapping[str, Mapping[str, str]] = {UPCOMING: _WHOLE}
"""What a key is asked with; the others hold one word, which comes as it is."""

CREDENTIALS_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
"""The variable that names a file of credentials. Source: Google's documentation of default credentials."""

SCOPES = frozenset(f"https://www.googleapis.com/auth/{name}" for name in ("cloud-platform", "compute"))
"""What a VM's service account must be allowed for the API to take its tokens: one of these."""

_SCHEDULING = "instance/scheduling/"
_OK = 200


class GoogleProvider:
    """The maintenance of the VM that this runs on.

    Args:
        settings: how to work.
        clock: for dates in `Retry-After`.
        tap: told of every exchange but those that wait for a change; None tells nobody.
    """

    name: ClassVar[str] = PROVIDER
    signs: ClassVar[tuple[Sign, ...]] = (
        # Source: Google's documentation of detecting Compute Engine; unverified on a live machine.
        Sign(f"{DMI}/product_name", "Google Compute Engine"),
    )
    capabilities: Capabilities = Capabilities(
        scope=Scope.MACHINE,
        # A change is told by the listener at once; this is what a notice loses where it hears nothing, of 30 s.
        poll_interval=5.0,
        # From `preempted` to the end a VM has up to 30 s, and no clouds' notice here is shorter that has one at all.
        shortest_notice=30.0,
        can_approve=True,
        can_simulate=True,
        permissions=tuple(PERMISSIONS.values()),
    )

    trace: ClassVar[CloudTrace] = GoogleTrace()

    def __init__(self, settings: GoogleSettings, *, clock: Clock | None = None, tap: Tap | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._verify = authorities(settings.metadata_endpoint, settings.ca_file)
        self._metadata = self._reader(tap)
        self._tap = tap
        self._why_not = ""
        self._lock = threading.Lock()
        self._closed = False
        self._lists = Lists(
            *(PolledList(key, partial(self._read, key)) for key in KEYS),
            clock=self._clock,
            longest_pause=self.capabilities.shortest_notice / 2,
        )
        self._has: set[str] = set()  # the keys that this VM has, as last asked
        self._problems: list[str] = []  # of this poll, beside those of the keys
        self._vm = Vm(name=settings.machine or "")
        self._scheduling = HostPolicy()
        self._changed: Callable[[], None] | None = None
        self._listener: Listener | None = None
        self._compute: ComputeApi | None = None
        self._tokens = self._reader(None)
        if not has_library():
            self._watch_only("google-cloud-compute is not installed")

    @classmethod
    def from_options(cls, options: ProviderOptions) -> Self:
        """A provider as the options say; no network.

        Raises:
            SettingsError: an option cannot be used.
        """
        return cls(read_settings(options), clock=options.clock, tap=options.tap)

    def named(self) -> Machine | None:
        """The VM as it was named; None where the metadata server must be asked."""
        name = self._settings.machine
        return Machine(provider=PROVIDER, id="", name=name, region=self._settings.region or "") if name else None

    def identify(self) -> Machine:
        """Which VM this is.

        Raises:
            ProviderUnavailable: this is not Google Cloud.
            ProviderError: it could not be asked.
        """
        vm = self._look()
        self._find_credentials()
        zone = self._metadata.zone()
        reported = self._metadata.name()
        host = self._metadata.hostname()
        return Machine(
            provider=PROVIDER,
            id=vm.id,
            name=vm.name,
            aliases=(host,) if host else (),
            region=self._settings.region or zone.rpartition("-")[0],
            zone=zone,
            account=self._metadata.project(),
            reported_name=reported if self._settings.machine else "",
        )

    def poll(self) -> Observation:
        """What is announced now: what could be read, where only some keys could.

        Raises:
            ProviderError: none of them could be read.
        """
        self._problems.clear()
        self._look_if_possible()
        observation = self._lists.poll()
        if not self._has:
            raise ProviderError(
                "; ".join(observation.problems)
                or "the metadata server has none of the keys that announce maintenance, so what is announced is unknown"
            )
        if self._problems:
            observation = replace(observation, problems=(*self._problems, *observation.problems))
        return observation

    def outcomes(self, ids: Collection[str]) -> Mapping[str, Outcome]:  # noqa: ARG002
        """Nothing: what is over is no longer announced, without a word on how it ended."""
        return {}

    def approve(self, event: MaintenanceEvent) -> None:
        """Begin upcoming maintenance now, however far ahead its time is.

        Raises:
            RequestRefused: it is no maintenance of this VM that can be begun, or the API refuses.
            ProviderUnavailable: the API's library is not installed.
            ProviderError: whether it has begun is not known.
        """
        if event.approval is not Approval.TRIGGERS:
            raise RequestRefused(f"event {event.id} cannot be begun early: Compute Engine does not let the customer")
        if event.id != event_id(UPCOMING, self._look()):
            raise RequestRefused(f"event {event.id} is no upcoming maintenance of this VM, so it is not begun")
        self._api().perform_maintenance(self._path(self._metadata.name()))

    def simulate(
        self,
        impact: Impact,
        *,
        resources: Collection[str],
        not_before: datetime,
        duration: timedelta | None = None,
        native_type: str | None = None,
    ) -> tuple[str, ...]:
        """Have VMs of this project and zone go through maintenance: this is really done to them.

        Raises:
            SimulationError: the service cannot simulate that, or refuses.
            ProviderError: whether it has begun is not known.
        """
        names = checked_order(
            resources=resources,
            not_before=not_before,
            duration=duration,
            native_type=native_type,
            now=self._clock.now(),
        )
        try:
            paths = [self._path(name) for name in names]
            facts = [self._api().facts(path) for path in paths]
            for name, each in zip(names, facts, strict=True):
                refuse_other(name, impact, each.taken_away or each.policy.maintained)
            for path in paths:
                self._api().simulate_maintenance(path)
        except RequestRefused as error:
            raise SimulationError(str(error)) from error
        return tuple(event_id(PREEMPTED if each.taken_away else MAINTENANCE, Vm(id=each.id)) for each in facts)

    def cancel_simulated(self, ids: Collection[str]) -> None:
        """Refuse: what has begun goes on to its end.

        Raises:
            SimulationError: always.
        """
        raise SimulationError(f"Compute Engine cannot call off {', '.join(ids)}: simulated maintenance goes to its end")

    def facts(self) -> Mapping[str, str]:
        """The API's address, the proxy to it, and whose credentials it is asked with, or why it is not asked."""
        api = self._settings.api_endpoint
        known = {"api": api, "proxy": shown_proxy(api, self._settings.proxy)}
        return {**known, "credentials": self._why_not or self._source()}

    def rights(self) -> Sequence[Right]:
        """What the caller may do to this VM, by `testIamPermissions`, which needs no permission itself."""
        names = tuple(PERMISSIONS.values())
        if self._why_not:
            return [Right(permission=name, why=self._why_not) for name in names]
        try:
            granted = self._api().granted(self._path(self._metadata.name()), names)
        except ProviderError as error:
            return [Right(permission=name, why=str(error)) for name in names]
        return [
            Right(permission=name, granted=name in granted, why="" if name in granted else f"grant the caller {name}")
            for name in names
        ]

    def on_hint(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, from a thread of the listener's, whenever a key may have changed."""
        with self._lock:
            self._changed = callback
            if self._listener is None and not self._closed:
                keys = [(key, PARAMETERS.get(key, {})) for key in KEYS]
                self._listener = Listener(self._reader(None), keys, self._hint)
                self._listener.start()

    def close(self) -> None:
        """Let go of connections; what waits for a change ends. Safe to call twice."""
        with self._lock:
            self._closed = True
            listener, self._listener = self._listener, None
            compute, self._compute = self._compute, None
        self._metadata.close()
        self._tokens.close()
        if compute is not None:
            compute.close()
        if listener is not None:
            listener.close()

    def _hint(self) -> None:
        changed = self._changed
        if changed is not None:
            changed()

    def _reader(self, tap: Tap | None) -> KeyReader:
        return KeyReader(self._settings.metadata_endpoint, self._clock, tap, self._verify)

    def _read(self, key: str) -> Observation:
        """What a key announces."""
        self._has.discard(key)
        answer = self._metadata.ask(f"instance/{key}", accept=ACCEPTED[key], query=PARAMETERS.get(key, {}))
        if answer.status == _OK:
            self._has.add(key)
        context = KeyContext(
            vm=self._vm,
            scheduling=self._settings_of_vm,
            preemption=self._settings.preemption,
            preemption_notice=self._settings.preemption_notice,
        )
        return read_key(key, answer, context).observation(key)

    def _look(self) -> Vm:
        """The VM, by the metadata server; kept, since neither id nor name changes while it runs."""
        if not (self._vm.id and self._vm.name):
            self._vm = Vm(id=self._metadata.instance_id(), name=self._settings.machine or self._metadata.name())
        return self._vm

    def _look_if_possible(self) -> None:
        """Look which VM this is where that is not known; without its id its events have ids by its name."""
        try:
            self._look()
        except ProviderError as error:
            self._problems.append(str(error))

    def _watch_only(self, why: str) -> None:
        """Say that nothing but watching can be done, and why."""
        self._why_not = why
        self.capabilities = replace(self.capabilities, can_approve=False, can_simulate=False)

    def _credentials_file(self) -> Path | None:
        named = self._settings.credentials_file or os.environ.get(CREDENTIALS_VARIABLE)
        return Path(named) if named else None

    def _source(self) -> str:
        return str(self._credentials_file() or "the VM's service account")

    def _find_credentials(self) -> None:
        """Find out whether the API can be asked; where that cannot be told, it is left to whoever asks it."""
        if self._why_not or self._credentials_file() is not None:
            return
        try:
            scopes = self._metadata.scopes()
        except ProviderError:
            return
        if scopes is None:
            self._watch_only("the VM has no service account")
        elif not set(scopes) & SCOPES:
            self._watch_only("the VM's service account lacks the scope compute or cloud-platform")

    def _path(self, name: str) -> "VmPath":
        from stormcone_google.compute import VmPath

        return VmPath(self._metadata.project(), self._metadata.zone(), name)

    def _api(self) -> "ComputeApi":
        if not has_library():
            raise PartMissing(
                "Google Cloud's library is not installed, without which maintenance cannot be begun; "
                "run pip install stormcone[google]"
            )
        from stormcone_google.compute import ComputeApi, VmCredentials, credentials_of

        file = self._credentials_file()
        endpoint = self._settings.api_endpoint
        with self._lock:
            if self._closed:
                raise ProviderError("Compute Engine was not asked: the provider was closed")
            if self._compute is None:
                self._compute = ComputeApi(
                    endpoint=endpoint,
                    credentials=credentials_of(file) if file else VmCredentials(self._tokens.token),
                    clock=self._clock,
                    proxy=self._settings.proxy,
                    tap=self._tap,
                    verify=authorities(endpoint, self._settings.ca_file),
                )
            return self._compute

    def _settings_of_vm(self) -> HostPolicy:
        """What becomes of the VM; where it cannot be asked, as it was when it last could."""
        try:
            found = read_scheduling(self._metadata.ask(_SCHEDULING, query=_WHOLE).body)
        except ProviderError as error:
            self._problems.append(f"the VM's maintenance policy could not be read, so the last one counts: {error}")
        else:
            self._scheduling = HostPolicy(
                *(old if new is None else new for old, new in zip(self._scheduling, found, strict=True))
            )
        return self._scheduling


def has_library() -> bool:
    """Whether google-cloud-compute is installed; it is not imported."""
    try:
        return find_spec("google.cloud.compute_v1") is not None
    except ModuleNotFoundError:
        return False
