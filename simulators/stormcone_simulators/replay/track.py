"""What was recorded on one machine, ordered by question, so that it can be asked again at any time of the replay.

Time here is the time since the trace was begun. Between two recorded answers the earlier one holds, before the first
the first, after the last the last.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from stormcone.clouds.dates import read_time
from stormcone.clouds.exchange import Exchange
from stormcone.recording import Trace
from stormcone.recording.secrets import is_dropped
from stormcone.recording.times import is_time, shifted
from stormcone_simulators.events import SimulatedEvent
from stormcone_simulators.http.messages import Later, Request, Response, form_of

_NOT_MODIFIED = 304
_UNNAMED = "machine"
_PLACE = re.compile(r"\.\d+")


@dataclass(frozen=True)
class Listing:
    """What an answer says of events.

    Attributes:
        events: those that it lists. One without machines is of the machine that asks, and an id of the cloud's protocol
            that ends with a slash is completed with that machine's name.
        complete: whether all that goes on in this list is among them, so that those that are not have ended.
        of: which of the cloud's lists it is, where it has several.
    """

    events: Sequence[SimulatedEvent]
    complete: bool = True
    of: str = ""

    def on(self, machine: str) -> "Listing":
        """The listing as the machine of that name was given it."""
        return replace(self, events=[_on(event, machine) for event in self.events])


class CloudReplay(Protocol):
    """What a replay has to know of one cloud's protocol."""

    def operation(self, request: Request, path: str) -> str | None:
        """What the request asks for, whatever its parameters; None where this cloud has no such thing.

        Args:
            request: a client's, or a recorded one.
            path: the request's; it may begin with what belongs to the endpoint where it was recorded.
        """

    def refusal(self, request: Request, path: str) -> Response | None:
        """What the cloud says to a request that lacks what every request must have, or None."""

    def approves(self, request: Request, path: str) -> tuple[str, ...]:
        """The ids of the events that the request approves; empty where it approves none."""

    def approval(self, request: Request, path: str, unknown: str | None) -> Response:
        """What the cloud usually answers to an approval; `unknown` is an id in it that is not listed now, or None."""

    def composed(self, request: Request, path: str, answers: Sequence[Exchange]) -> Response | None:
        """An answer to a question that was recorded otherwise, put together from the operation's answers so far.

        None where the answer to the most similar question is to stand in, as where only a version differs.
        """

    def listed(self, request: Request, exchange: Exchange, operation: str) -> Listing | None:
        """The events that an answer lists, at the trace's times; None where it is not a list of events."""

    def machine(self, exchange: Exchange, operation: str) -> str | None:
        """The name of the machine, where the exchange tells it."""

    def failure(self, status: int, request: Request, path: str) -> Response:
        """What the cloud says where it fails on this request with that status; 404 to what was never asked."""


@dataclass(frozen=True)
class ReplayMoment:
    """When a client asks, and where that is in the trace.

    Attributes:
        now: the simulator's time.
        began: when the replay began, by the same time.
        shift: from the times in the trace to those of today, in whole seconds.
    """

    now: datetime
    began: datetime
    shift: timedelta

    @property
    def offset(self) -> timedelta:
        """The time since the replay began."""
        return self.now - self.began


class LivePart(Protocol):
    """A part of a cloud that changes as it is asked, such as a queue: what was recorded is fed to a model of it."""

    def answer(self, request: Request, path: str, moment: ReplayMoment) -> Response | Later | None:
        """What it says now; None where this is to be answered as it was recorded."""


class Question(NamedTuple):
    """A request as far as it matters for the answer; the values of a list stand together, in no order."""

    operation: str
    method: str
    parameters: frozenset[tuple[str, str]]

    def differences(self, recorded: "Question") -> list[str]:
        """What is asked otherwise than in the recorded question, one phrase for each parameter."""
        now, then = dict(self.parameters), dict(recorded.parameters)
        return [
            f"{name} is {_shown(now.get(name))} and was {_shown(then.get(name))}"
            for name in sorted({*now, *then})
            if now.get(name) != then.get(name)
        ]


@dataclass(frozen=True)
class Moment:
    """An answer, and since when it holds."""

    offset: timedelta
    exchange: Exchange


class Found(NamedTuple):
    """The answer to a question, and what was asked otherwise when it was recorded."""

    exchange: Exchange
    differences: list[str]


@dataclass(frozen=True)
class RecordedApproval:
    """An approval that was recorded."""

    offset: timedelta
    event_ids: tuple[str, ...]
    exchange: Exchange

    @property
    def accepted(self) -> bool:
        """Whether the cloud took it."""
        return 200 <= self.exchange.status < 300


class Track:
    """One machine's part of a replay.

    Args:
        trace: what was recorded.
        cloud: the cloud's protocol.
        begun: when the replay's first trace was begun; what counts is the time since then.

    Attributes:
        machine: its name.
        provider: whose trace it is.
        approvals: what was approved, in order.
        listings: the answers that list events, in order, with what they list.
        length: how long the trace is.
    """

    def __init__(self, trace: Trace, cloud: CloudReplay, begun: datetime) -> None:
        self.machine = trace.header.machine
        self.provider = trace.header.provider
        self.approvals: list[RecordedApproval] = []
        self.listings: list[tuple[timedelta, Listing]] = []
        self.length = max((entry.last_seen - begun for entry in trace.entries), default=timedelta(0))
        self._answers: dict[Question, list[Moment]] = {}
        for entry in trace.entries:
            exchange = entry.exchange
            request, path = recorded_request(exchange)
            operation = cloud.operation(request, path)
            offset = exchange.at - begun
            if operation is None or exchange.status == _NOT_MODIFIED:
                continue
            if approved := cloud.approves(request, path):
                self.approvals.append(RecordedApproval(offset, approved, exchange))
                continue
            self.machine = self.machine or cloud.machine(exchange, operation) or ""
            self._answers.setdefault(question(operation, request), []).append(Moment(offset, exchange))
            listing = cloud.listed(request, exchange, operation)
            if listing is not None:
                self.listings.append((offset, listing))
        self.machine = self.machine or _UNNAMED
        self.listings = [(offset, listing.on(self.machine)) for offset, listing in self.listings]

    def find(self, asked: Question, offset: timedelta) -> Found | None:
        """The answer that holds at that time: to the same question, or to the most similar one of its operation."""
        alike = [known for known in self._answers if (known.operation, known.method) == (asked.operation, asked.method)]
        if not alike:
            return None
        nearest = min(alike, key=lambda known: len(asked.parameters ^ known.parameters))
        moments = self._answers[nearest]
        place = bisect_right(moments, offset, key=lambda moment: moment.offset)
        return Found(moments[max(place - 1, 0)].exchange, asked.differences(nearest))

    def answers(self, operation: str, offset: timedelta) -> list[Exchange]:
        """All answers of an operation until then, in order."""
        moments = (moment for known, each in self._answers.items() if known.operation == operation for moment in each)
        return [moment.exchange for moment in _in_order(moments) if moment.offset <= offset]

    def asked(self, prefix: str) -> list[Exchange]:
        """All exchanges of the operations whose names begin so, in order."""
        known = (each for asked, each in self._answers.items() if asked.operation.startswith(prefix))
        return [moment.exchange for moment in _in_order(moment for each in known for moment in each)]


def _in_order(moments: Iterable[Moment]) -> list[Moment]:
    return sorted(moments, key=lambda one: one.offset)


def time_in(value: object, otherwise: datetime) -> datetime:
    """The time that a recorded document says, or another one where it says none."""
    try:
        return read_time(value)
    except ValueError:
        return otherwise


def _on(event: SimulatedEvent, machine: str) -> SimulatedEvent:
    identifier = event.id + machine if event.id.endswith("/") else event.id
    return replace(event, id=identifier, resources=event.resources or (machine,))


def question(operation: str, request: Request, shift: timedelta = timedelta(0)) -> Question:
    """What a request asks, without what signs it and what differs with every request; times moved back by `shift`."""
    parameters = {**request.query, **form_of(request)}
    kept: dict[str, list[str]] = {}
    for name, value in parameters.items():
        if not is_dropped(name):
            then = shifted(value, -shift) if shift and is_time(value) else value
            kept.setdefault(_PLACE.sub("", name), []).append(then)
    asked = frozenset((name, ", ".join(sorted(values))) for name, values in kept.items())
    return Question(operation, "GET" if request.method == "HEAD" else request.method, asked)


def recorded_request(exchange: Exchange) -> tuple[Request, str]:
    """The request of an exchange as a simulator sees requests, and its path."""
    split = urlsplit(exchange.url)
    headers: Mapping[str, str] = {name.lower(): value for name, value in exchange.request_headers.items()}
    target = f"{split.path or '/'}?{split.query}"
    request = Request(exchange.method, target, headers, exchange.request_body or b"")
    return request, request.path


def _shown(value: str | None) -> str:
    return "not given" if value is None else repr(value)
