"""How a cloud's exchanges are recorded: what of them is kept, and how they are told anew from what a journal knows.

That is data of the provider's, so that the recorder itself (`stormcone.recording`) knows no cloud.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol, runtime_checkable

from stormcone.clouds.exchange import Exchange
from stormcone.model import Machine, MaintenanceEvent


@dataclass(frozen=True, kw_only=True)
class TraceRules:
    """What of an exchange is kept, and what of it names nobody. All names are compared without regard to case.

    Attributes:
        headers: those that are kept beside `COMMON_HEADERS`; every other header is left out.
        plain_fields: fields and parameters whose values never name anybody; anonymising keeps them.
        text_fields: fields for people, of which anonymising replaces the identifiers and keeps the rest.
        plain_words: path segments, hosts and words in composite ids that name nobody, as patterns of `fnmatch`.
        forms: regular expressions of composite ids, found in texts for people as well: each group is replaced by a
            pseudonym of its own, and what stands around the groups is kept.

    A field in neither list is taken for an identifier.
    """

    headers: frozenset[str] = frozenset()
    plain_fields: frozenset[str] = frozenset()
    text_fields: frozenset[str] = frozenset()
    plain_words: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()


class CloudTrace(Protocol):
    """How one cloud's exchanges are recorded, and written anew from what a journal knows."""

    @property
    def rules(self) -> TraceRules:
        """What is kept and what names nobody."""

    def identity(self, machine: Machine, at: datetime) -> Iterable[Exchange]:
        """The exchanges by which a provider would have learnt that it is on `machine`."""

    def poll(
        self,
        machine: Machine,
        going_on: Sequence[MaintenanceEvent],
        ended: Sequence[MaintenanceEvent],
        number: int,
        at: datetime,
    ) -> Iterable[Exchange]:
        """The exchanges of a poll that would have shown this.

        Args:
            machine: which asks.
            going_on: the events that have not ended.
            ended: those that have ended since the poll before.
            number: counts the polls that showed something new, from 1.
            at: when.
        """

    def approval(self, machine: Machine, event: MaintenanceEvent, status: int, at: datetime) -> Iterable[Exchange]:
        """The exchange of an approval of the event that was answered with `status`; 0: the answer was lost."""


@runtime_checkable
class Traced(Protocol):
    """A provider, or its class, that brings rules of its own."""

    trace: ClassVar[CloudTrace]


@runtime_checkable
class TracedByRules(Protocol):
    """A provider, or its class, whose exchanges can be recorded and not told anew from a journal."""

    trace_rules: ClassVar[TraceRules]


def cloud_trace(provider: object) -> CloudTrace | None:
    """How a provider's or its class's exchanges are recorded and told anew, or None."""
    return provider.trace if isinstance(provider, Traced) else None


def trace_rules(provider: object) -> TraceRules:
    """What of the exchanges of a provider, or of its class, is kept; without rules nothing but what all clouds keep."""
    if isinstance(provider, TracedByRules):
        return provider.trace_rules
    trace = cloud_trace(provider)
    return trace.rules if trace else TraceRules()
