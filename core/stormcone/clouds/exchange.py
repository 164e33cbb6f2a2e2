"""One question to a cloud and its answer, as providers tell of them to whoever listens.

What a cloud tells the recorder of its protocol is data, so that the recorder itself (`stormcone.recording`) knows no
cloud.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Protocol, runtime_checkable

from stormcone.model import Machine, MaintenanceEvent


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What was asked over HTTP and what came back, secrets and all.

    Attributes:
        at: when the answer came, or when it was given up, aware UTC.
        method: in upper case.
        url: whole.
        request_headers: by name.
        request_body: None where there was none.
        status: 0 where there was no answer.
        reason: the status in words, "" where it has none.
        headers: the answer's, by name.
        body: the answer's, decoded; empty where it was not read, as of an answer that refuses.
        fault: why there was no answer, in plain words; "" where there was one.
    """

    at: datetime
    method: str
    url: str
    request_headers: Mapping[str, str] = field(default_factory=dict)
    request_body: bytes | None = None
    status: int = 0
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    fault: str = ""


Tap = Callable[[Exchange], None]
"""Told of every exchange in the thread that made it; must not raise, and must not keep it waiting."""


@dataclass(frozen=True, kw_only=True)
class TraceRules:
    """What of an exchange is kept, and what of it names nobody. All names are compared without regard to case.

    Attributes:
        headers: those that are kept beside `COMMON_HEADERS`; every other header is left out.
        plain_fields: fields and parameters whose values never name anybody; anonymising keeps them.
        text_fields: fields for people, of which anonymising replaces the identifiers and keeps the rest.
        plain_words: path segments, hosts and words in composite ids that name nobody, as patterns of `fnmatch`.

    A field in neither list is taken for an identifier.
    """

    headers: frozenset[str] = frozenset()
    plain_fields: frozenset[str] = frozenset()
    text_fields: frozenset[str] = frozenset()
    plain_words: tuple[str, ...] = ()


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


def cloud_trace(provider: object) -> CloudTrace | None:
    """The rules that a provider or its class brings, or None."""
    return provider.trace if isinstance(provider, Traced) else None
