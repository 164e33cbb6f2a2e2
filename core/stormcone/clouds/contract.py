"""What a provider is: the code that talks to one cloud.

A provider is a class, found by its entry point in the group `stormcone.providers`, with the class attributes
`name` and `capabilities`, the class method `from_options`, and the methods of `Provider`. What it can do beyond that it
says by having the methods of the protocols below it; by which files of its own a machine of the cloud is known, by a
class attribute `signs` (`stormcone.clouds.signs`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Protocol, Self, runtime_checkable

from stormcone.clock import Clock, SystemClock
from stormcone.clouds.exchange import Tap
from stormcone.model import Capabilities, Ending, Impact, Machine, MaintenanceEvent, Observation, Outcome

AUTO = "auto"
"""In a provider's place: the one whose cloud says that this is its machine."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where events come from: which cloud, and how it is reached.

    Attributes:
        provider: the cloud's name; `AUTO` asks which cloud this is.
        endpoint: where every call goes, metadata and API alike; None for the cloud's own addresses.
        machine: overrides the machine's name; None asks the cloud.
        region: overrides the region; None asks the cloud.
        settings: the provider's own options, by name (`--set NAME=VALUE`).
        own: what belongs to single providers, by name, where `AUTO` finds one of them.
    """

    provider: str = AUTO
    endpoint: str | None = None
    machine: str | None = None
    region: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, "Source"] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ProviderOptions(Source):
    """A source, with what a provider works with.

    Attributes:
        clock: for pauses between attempts.
        tap: told of every exchange with the cloud, to record it; None tells nobody.
        ca_file: the authorities that an https endpoint's certificate is verified by; None for the environment's
            (`REQUESTS_CA_BUNDLE`, `SSL_CERT_FILE`), or the usual ones.
    """

    clock: Clock = field(default_factory=SystemClock)
    tap: Tap | None = None
    ca_file: Path | None = None

    @classmethod
    def of(cls, source: Source, clock: Clock) -> Self:
        """The options of a provider of that source, on that clock."""
        return cls(**{each.name: getattr(source, each.name) for each in fields(Source)}, clock=clock)

    def of_provider(self, name: str) -> Self:
        """Those of the provider of that name: its own, where there are such."""
        own = self.own.get(name)
        given = {each.name: getattr(own, each.name) for each in fields(Source)} if own else {}
        return replace(self, **{**given, "provider": name, "own": {}})


@runtime_checkable
class Provider(Protocol):
    """The code that talks to one cloud. One thread polls while others may approve, identify and acknowledge.

    Attributes:
        name: how it is chosen, and what its listings are known by. One cloud may have several providers; the events of
            all of these have the cloud's name as their `provider`.
        capabilities: what it can do. The class says what that is at most; an instance that knows better, since it has
            no credentials, say, has its own.
    """

    name: ClassVar[str]
    capabilities: Capabilities

    @classmethod
    def from_options(cls, options: ProviderOptions) -> Self:
        """A provider as the options say; no network.

        Raises:
            SettingsError: an option cannot be used.
            ProviderUnavailable: a part that it needs is not installed; the text names the `pip install`.
        """

    def identify(self) -> Machine:
        """Which machine this is.

        Raises:
            ProviderUnavailable: this is not that cloud.
            ProviderError: it could not be asked.
        """

    def poll(self) -> Observation:
        """What is announced now. It waits for no `identify`: a notice may be shorter than what ails that one.

        Raises:
            ProviderError: it could not be asked: "unknown", never "nothing scheduled".
        """

    def outcomes(self, ids: Collection[str]) -> Mapping[str, Outcome | Ending | None]:
        """How events that are no longer listed ended, without the ids that it does not know.

        An `Ending` says it with the cloud's own word. None says that the event has not ended after all: it stays as it
        is known.

        Called only where `reports_outcome`.

        Raises:
            ProviderError: it could not be asked.
        """

    def approve(self, event: MaintenanceEvent) -> None:
        """Tell the cloud that the event may begin: for every machine that it names.

        Raises:
            RequestRefused: the cloud refuses.
            ProviderError: whether the approval arrived is not known; it may be repeated.
        """

    def close(self) -> None:
        """Let go of connections. Safe to call twice."""


class NamedMachine(Protocol):
    """A provider that can be told which machine this is, so that its events can be handled before the cloud says so."""

    def named(self) -> Machine | None:
        """The machine as it was named, without asking anybody; None where it was not."""


def named(provider: Provider) -> Machine | None:
    """The machine as it was named to the provider, if it was and the provider can be told."""
    tell: Callable[[], Machine | None] | None = getattr(provider, "named", None)
    return tell() if tell is not None else None


@runtime_checkable
class Acknowledges(Protocol):
    """A provider that is sent messages, each of which it is given once: what a queue holds until it is deleted."""

    def acknowledge(self, receipt: Collection[str]) -> None:
        """What the observation with that `receipt` says is in the journal: it need not be sent again.

        Called in a thread of its own, after the commit. Where it fails, or the process ends before it, the messages
        come again, and mean the same.

        Raises:
            ProviderError: it could not be told.
        """


@runtime_checkable
class Hints(Protocol):
    """A provider that hears of news before a poll is due: by a notification, or a request that waits for a change."""

    def on_hint(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, from any thread, whenever there may be news: then the agent polls at once."""


@runtime_checkable
class Postpones(Protocol):
    """A provider whose cloud lets an event's start be put off, up to its `movable_until`."""

    def postpone(self, event: MaintenanceEvent, until: datetime) -> None:
        """Ask the cloud to begin the event at that time, aware UTC, and not before.

        Raises:
            RequestRefused: the cloud refuses.
            ProviderError: whether the request arrived is not known; it may be repeated.
        """


@runtime_checkable
class Extends(Protocol):
    """A provider whose cloud waits for work to be done only while it hears that it goes on; see `heartbeat`."""

    def extend(self, event: MaintenanceEvent) -> None:
        """Tell the cloud that the event's machines are not ready yet.

        Raises:
            RequestRefused: the cloud waits no longer; it is not told again.
            ProviderError: it could not be told.
        """


@runtime_checkable
class Explains(Protocol):
    """A provider that has more to tell a person who looks for a fault."""

    def facts(self) -> Mapping[str, str]:
        """What it uses, by name: where its credentials come from, say. Never a secret."""


@dataclass(frozen=True, kw_only=True)
class Right:
    """Whether the caller of a cloud's API may do something.

    Attributes:
        permission: the cloud's own word for it, such as `ec2:DescribeInstances`.
        granted: None where that is not known.
        why: of one that is not granted, what to do; of one that is not known, why.
    """

    permission: str
    granted: bool | None = None
    why: str = "cannot be asked without doing it"


@runtime_checkable
class Permissions(Protocol):
    """A provider that can ask its cloud what it may do, without doing it."""

    def rights(self) -> Sequence[Right]:
        """One for each permission that it needs as it is set up. Only calls that change nothing are made.

        Never raises `ProviderError`: what could not be asked is a right that is not known.
        """


@runtime_checkable
class Simulates(Protocol):
    """Whatever can make simulated events: a cloud whose API has them, and every simulator's control API."""

    def simulate(
        self,
        impact: Impact,
        *,
        resources: Collection[str],
        not_before: datetime,
        duration: timedelta | None = None,
        native_type: str | None = None,
    ) -> tuple[str, ...]:
        """Announce a simulated event of the machines; answers the ids, one or more.

        Raises:
            SimulationError: this cloud cannot simulate that.
            ProviderError: it could not be asked.
        """

    def cancel_simulated(self, ids: Collection[str]) -> None:
        """Call simulated events off.

        Raises:
            SimulationError: one of them is not known, not simulated or over.
            ProviderError: it could not be asked.
        """
