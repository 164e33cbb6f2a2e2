"""The Google Cloud provider: asks the VM's metadata server what is announced, and the Compute API to begin it.

A poll is three small requests that are answered at once; `Listener` waits for changes beside it. Asking is what grants
a VM the 60 seconds before a live migration: one whose `maintenance-event` nobody has read since the last maintenance
is migrated at once. So the agent polls from its start on.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from typing import ClassVar, Self

from stormcone.clock import Clock, SystemClock
from stormcone.clouds.contract import ProviderOptions
from stormcone.clouds.exchange import Tap
from stormcone.clouds.http.trust import authorities
from stormcone.errors import ProviderError, RequestRefused
from stormcone.model import Capabilities, Machine, MaintenanceEvent, Observation, Outcome, Scope
from stormcone_google.listener import Listener
from stormcone_google.metadata import KeyAnswer, KeyReader
from stormcone_google.settings import GoogleSettings, read_settings
from stormcone_google.wire import (
    ACCEPTED,
    KEYS,
    PROVIDER,
    UPCOMING,
    HostPolicy,
    KeyContext,
    KeyReading,
    Vm,
    read_key,
    read_scheduling,
)

_WHOLE = {"recursive": "true", "alt": "json"}

PARAMETERS: Mapping[str, Mapping[str, str]] = {UPCOMING: _WHOLE}
"""What a key is asked with; the others hold one word, which comes as it is."""

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
    capabilities: Capabilities = Capabilities(
        scope=Scope.MACHINE,
        # A change is told by the listener at once; this is what a notice loses where it hears nothing, of 30 s.
        poll_interval=5.0,
        # From `preempted` to the end a VM has up to 30 s, and no clouds' notice here is shorter that has one at all.
        shortest_notice=30.0,
    )

    def __init__(self, settings: GoogleSettings, *, clock: Clock | None = None, tap: Tap | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._verify = authorities(settings.metadata_endpoint, settings.ca_file)
        self._metadata = self._reader(tap)
        self._lock = threading.Lock()
        self._closed = False
        self._vm = Vm(name=settings.machine or "")
        self._scheduling = HostPolicy()
        self._changed: Callable[[], None] | None = None
        self._listener: Listener | None = None

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
        problems: list[str] = []
        context = KeyContext(
            vm=self._whose(problems),
            scheduling=lambda: self._settings_of_vm(problems),
            preemption=self._settings.preemption,
            preemption_notice=self._settings.preemption_notice,
        )
        readings: dict[str, KeyReading] = {}
        faults: list[ProviderError] = []
        answered = False
        for key in KEYS:
            try:
                answer = self._ask(key)
            except ProviderError as error:
                faults.append(error)
                problems.append(str(error))
                continue
            answered = answered or answer.status == _OK
            readings[key] = read_key(key, answer, context)
        if not answered:
            raise _worst(faults)
        return Observation(
            events=tuple(each.event for each in readings.values() if each.event is not None),
            whole=frozenset(key for key, each in readings.items() if each.whole),
            problems=(*problems, *(problem for each in readings.values() for problem in each.problems)),
        )

    def outcomes(self, ids: Collection[str]) -> Mapping[str, Outcome]:  # noqa: ARG002
        """Nothing: what is over is no longer announced, without a word on how it ended."""
        return {}

    def approve(self, event: MaintenanceEvent) -> None:
        """Refuse.

        Raises:
            RequestRefused: always.
        """
        raise RequestRefused(f"event {event.id} cannot be approved")

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
        self._metadata.close()
        if listener is not None:
            listener.close()

    def _hint(self) -> None:
        changed = self._changed
        if changed is not None:
            changed()

    def _reader(self, tap: Tap | None) -> KeyReader:
        return KeyReader(self._settings.metadata_endpoint, self._clock, tap, self._verify)

    def _ask(self, key: str) -> KeyAnswer:
        return self._metadata.ask(f"instance/{key}", accept=ACCEPTED[key], query=PARAMETERS.get(key, {}))

    def _look(self) -> Vm:
        """The VM, by the metadata server; kept, since neither id nor name changes while it runs."""
        if not (self._vm.id and self._vm.name):
            self._vm = Vm(id=self._metadata.instance_id(), name=self._settings.machine or self._metadata.name())
        return self._vm

    def _whose(self, problems: list[str]) -> Vm:
        """The VM as far as it can be told; without its id its events have ids by its name."""
        try:
            return self._look()
        except ProviderError as error:
            problems.append(str(error))
            return self._vm

    def _settings_of_vm(self, problems: list[str]) -> HostPolicy:
        """What becomes of the VM; where it cannot be asked, as it was when it last could."""
        try:
            found = read_scheduling(self._metadata.ask(_SCHEDULING, query=_WHOLE).body)
        except ProviderError as error:
            problems.append(f"what becomes of this VM could not be asked, so it is as it was: {error}")
        else:
            self._scheduling = HostPolicy(
                *(old if new is None else new for old, new in zip(self._scheduling, found, strict=True))
            )
        return self._scheduling


def _worst(faults: Collection[ProviderError]) -> ProviderError:
    """The error of a poll in which no key could be read: the first that may pass, or the first."""
    if not faults:
        return ProviderError(
            "the metadata server has none of the keys that announce maintenance, so what is announced is unknown"
        )
    return next((error for error in faults if error.passing), next(iter(faults)))
