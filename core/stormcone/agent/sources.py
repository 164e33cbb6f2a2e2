"""The providers of one agent: what they are together. The first one says which machine this is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from stormcone.agent.identification import assumed
from stormcone.agent.watch import AgentStatus, Watch
from stormcone.agent.workers import Executor
from stormcone.clock import Clock
from stormcone.clouds.contract import Extends, Provider, named
from stormcone.journal import JournalStore
from stormcone.model import Capabilities, EventKey, Machine, MaintenanceEvent, Scope
from stormcone.rules.sharding import WHOLE, Part


class Sources:
    """A watch for each provider.

    Args:
        provider: the first.
        also: the others.
        clock: for the intervals.
        interval: seconds between polls; None takes each provider's own.
        machine: which machine this is; None asks the first provider.
        journal: where a machine of this boot is remembered.
        boot_id: the machine's.
        wake: called when there is something to take in.
        part: which events are taken.

    Attributes:
        first: the first provider's watch.
        extending: whether one of them tells its cloud that work goes on.

    Raises:
        ValueError: two of the providers have one name.
    """

    def __init__(
        self,
        provider: Provider,
        also: Sequence[Provider],
        clock: Clock,
        interval: float | None,
        *,
        machine: Machine | None,
        journal: JournalStore,
        boot_id: str,
        wake: Callable[[], None],
        part: Part = WHOLE,
    ) -> None:
        known = None if machine else assumed(provider, journal, boot_id)
        self.first = Watch(provider, clock, interval, machine, known, wake, alone=not also, part=part)
        self._others = [
            Watch(other, clock, interval, None, named(other), wake, alone=False, part=part) for other in also
        ]
        self._watches = {watch.name: watch for watch in (self.first, *self._others)}
        self.extending = any(isinstance(watch.provider, Extends) for watch in self)
        if len(self._watches) != 1 + len(self._others):
            raise ValueError("two providers of one agent have the same name")

    def __iter__(self) -> Iterator[Watch]:
        return iter(self._watches.values())

    # what each of them does, here for all

    def begin(self) -> None:
        """Poll each in a thread of its own from now on, until `stop`."""
        for watch in self:
            watch.begin()

    def stop(self) -> None:
        """Let the polling end; requests that are under way are not waited for."""
        for watch in self:
            watch.stop()

    def soon(self) -> None:
        """Poll all without waiting for the interval."""
        for watch in self:
            watch.soon()

    def ask(self) -> None:
        """Poll all once, now, and ask which machine this is where that is due."""
        for watch in self:
            watch.ask()

    def ask_who(self, executor: Executor) -> None:
        """Have the clouds asked, beside the caller, which machine this is, where that is not known and due."""
        for watch in self:
            watch.ask_who(executor)

    # what they are together

    @property
    def statuses(self) -> Mapping[str, AgentStatus]:
        """How the agent stands with each, by the provider's name."""
        return {watch.name: watch.status for watch in self}

    def of(self, event: MaintenanceEvent) -> Watch | None:
        """Who tells of an event; None where that one is no longer a provider of this agent."""
        return self._watches.get(event.source) if event.source else self.first

    def by_all_names(self, machine: Machine) -> Machine:
        """The machine with the names that the other providers have for it."""
        others = (watch.who.machine for watch in self._others)
        alike = [other for other in others if other is not None and other.scope is machine.scope is Scope.MACHINE]
        names = [name for other in alike for name in (other.name, other.id, *other.aliases) if name]
        return replace(machine, aliases=tuple(dict.fromkeys((*machine.aliases, *names))))

    def asked(self) -> set[str]:
        """The sources, as events have them, that have been asked with success in this life."""
        return self._as_events_have_it({watch.name for watch in self if watch.confirmed})

    def able(self, can: Callable[[Capabilities], bool]) -> set[str]:
        """The sources of which the cloud can do that, and has told both its events and which machine this is."""
        known = self.first.who.confirmed
        return self._as_events_have_it(
            {
                watch.name
                for watch in self
                if known and watch.confirmed and watch.who.confirmed and can(watch.provider.capabilities)
            }
        )

    def go_on(self, events: Callable[[], Mapping[EventKey, MaintenanceEvent]]) -> None:
        """Tell each provider which of its events go on, where it can say how they have ended."""
        asking = [watch for watch in self if watch.provider.capabilities.reports_outcome]
        if asking:
            going_on = events()
            for watch in asking:
                watch.going_on = {key: event for key, event in going_on.items() if self.of(event) is watch}

    def _as_events_have_it(self, names: set[str]) -> set[str]:
        """With "" for the first provider: events of a journal from before there were several have no source."""
        return names | ({""} if self.first.name in names else set())
