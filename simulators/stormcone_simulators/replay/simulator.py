"""A simulator whose events are those of a trace: it answers what was recorded, when it was recorded, on today's date.

The replay begins with the first request of a client, so that nothing is missed by one who starts late. From then on
it follows the simulator's clock, whatever clients do: an approval is answered as it was, and moves nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, NoReturn, Self

from stormcone.clock import ManualClock, SystemClock
from stormcone.clouds.exchange import Exchange
from stormcone.errors import SimulationError, TraceError
from stormcone.model import Phase
from stormcone.recording import Trace
from stormcone.recording.bodies import UNREADABLE
from stormcone.recording.times import shifted
from stormcone.recording.trace_file import NO_ANSWER
from stormcone.simulators.contract import SimulatorOptions, Tls
from stormcone.text import folded, span, stamp
from stormcone_simulators.base import BaseSimulator
from stormcone_simulators.control import Route
from stormcone_simulators.events import EventBook, EventPlan, Revision, SimulatedEvent
from stormcone_simulators.http.conditional import is_known
from stormcone_simulators.http.messages import JSON_TYPE, Later, Request, Response, json_response
from stormcone_simulators.machines import Machines, SimulatedMachine
from stormcone_simulators.replay.differences import Approvals, DifferenceKind, Differences, difference_json
from stormcone_simulators.replay.story import story
from stormcone_simulators.replay.track import CloudReplay, LivePart, ReplayMoment, Track, question

_NOT_MODIFIED = 304
_REFUSED = 400
_NOT_FOUND = 404
_HEADERS = ("etag", "metadata-flavor", "retry-after")
_NO_TRACE = "a replay needs a trace; name one"
_FIXED = "a replay shows what was recorded, so its events cannot be made or moved; use a simulator without a trace"


class _FixedBook(EventBook[SimulatedEvent]):
    """Holds nothing that could be moved."""

    def get(self, event_id: str) -> NoReturn:  # noqa: ARG002 - the book's face
        raise SimulationError(_FIXED)


class _Fixed:
    """The rules of a replay: nothing is made, changed or called off."""

    def __init__(self) -> None:
        self.book: EventBook[Any] = _FixedBook(lambda _event: None)

    def draft(self, plan: EventPlan, now: datetime) -> NoReturn:  # noqa: ARG002 - the model's face
        raise SimulationError(_FIXED)

    def revise(self, event: SimulatedEvent, revision: Revision, now: datetime) -> NoReturn:  # noqa: ARG002
        raise SimulationError(_FIXED)

    def cancel(self, event: SimulatedEvent, now: datetime) -> NoReturn:  # noqa: ARG002 - the model's face
        raise SimulationError(_FIXED)


class ReplaySimulator(BaseSimulator):
    """Plays traces, one for each machine; see `stormcone.simulators.contract.Simulator` for the methods that all have.

    Args:
        traces: of this cloud, each of another machine; they keep their distance in time.
        clock: manual, or the system's at any speed.
        port: 0 takes a free one.
        bind: the address to listen on.
        tls: how to speak HTTPS; None for HTTP.

    Raises:
        TraceError: there is no trace, or one is of another cloud, holds nothing, or shares its machine with another.
    """

    settings: ClassVar = ()
    also: ClassVar[tuple[str, ...]] = ()
    """Other providers of this cloud whose traces it replays."""

    def __init__(
        self,
        *traces: Trace,
        clock: ManualClock | SystemClock | None = None,
        port: int = 0,
        bind: str = "127.0.0.1",
        tls: Tls | None = None,
    ) -> None:
        if not traces:
            raise TraceError(_NO_TRACE)
        for trace in traces:
            if trace.header.provider not in {self.name, *self.also}:
                raise TraceError(
                    f"a trace of {trace.header.provider} cannot be replayed by the simulator of {self.name}; "
                    f"use that of {trace.header.provider}"
                )
            if not trace.entries:
                raise TraceError("the trace holds no exchange, so there is nothing to replay; record another")
        cloud = self.protocol(traces)
        self._begun = min(trace.header.begun for trace in traces)
        tracks = [Track(trace, cloud, self._begun) for trace in traces]
        names = [track.machine for track in tracks]
        if len({folded(name) for name in names}) < len(names):
            raise TraceError(f"two of the traces are of one machine ({', '.join(names)}); replay one of them")
        live = {track.machine: part for track in tracks if (part := self.live(track, self._begun)) is not None}
        self._replay = _Replay(tracks, cloud, self._begun, live)
        super().__init__(
            Machines(names), _Fixed(), self._replay, clock=clock or SystemClock(), port=port, bind=bind, tls=tls
        )

    @classmethod
    def from_settings(cls, options: SimulatorOptions) -> Self:  # noqa: ARG003 - the simulators' face
        """Not without a trace.

        Raises:
            TraceError: always.
        """
        raise TraceError(_NO_TRACE)

    def protocol(self, traces: Sequence[Trace]) -> CloudReplay:
        """The cloud's protocol, as these traces speak it; each cloud's own."""
        raise NotImplementedError

    def live(self, track: Track, begun: datetime) -> LivePart | None:  # noqa: ARG002 - a cloud's may need them
        """What of a track is not answered as it was recorded; `begun` is when the replay's first trace was begun."""
        return None

    @property
    def length(self) -> timedelta:
        """How long the replay is, from its first request to the last recorded answer."""
        return max(track.length for track in self._replay.tracks.values())

    def facts(self) -> Mapping[str, str]:
        """What a person needs in order to use it."""
        return {"recorded": stamp(self._begun), "length": span(self.length)}

    def control_routes(self) -> Sequence[Route]:
        """`GET /_simulator/differences`."""
        return (Route("GET", "differences", self._list_differences),)

    def scenarios(self) -> tuple[str, ...]:
        """None: what happens is in the trace."""
        return ()

    def play(self, scenario: Any) -> None:  # noqa: ARG002 - the simulators' face
        """Not on a replay.

        Raises:
            SimulationError: always.
        """
        raise SimulationError(_FIXED)

    def events(self) -> list[dict[str, Any]]:
        """All events that were listed by now, oldest first, as the control API lists them.

        How one ended that was listed as scheduled last is not in the trace: its outcome is unknown.
        """
        with self._settled() as now:
            return [event.as_json() for event in self._replay.story(now)]

    def differences(self) -> list[dict[str, Any]]:
        """How clients differ so far from what was recorded, as the control API lists it; empty: not at all.

        Each is `{"machine", "kind", "text", "at", "count"}`; see `DifferenceKind` for the kinds.
        """
        with self._settled() as now:
            return self._replay.all_differences(now)

    def _list_differences(self, _request: Request) -> Response:
        return json_response(200, {"differences": self.differences()})


class _Replay:
    """The wire of a replay."""

    def __init__(
        self, tracks: Sequence[Track], cloud: CloudReplay, begun: datetime, live: Mapping[str, LivePart]
    ) -> None:
        self.tracks = {track.machine: track for track in tracks}
        self._live = live
        self._cloud = cloud
        self._begun = begun
        self._anchor: datetime | None = None
        self._approvals = {name: Approvals(track.approvals) for name, track in self.tracks.items()}
        self._differences = Differences()

    def answer(self, request: Request, path: str, machine: SimulatedMachine, now: datetime) -> Response | Later:
        """What was answered then, or what a live part of the cloud says now."""
        if self._anchor is None:
            self._anchor = now
        live = self._live.get(machine.name)
        if live is not None:
            answered = live.answer(request, path, ReplayMoment(now, self._anchor, self._shift))
            if answered is not None:
                return answered
        operation = self._cloud.operation(request, path)
        if operation is None:
            self._differs(machine, DifferenceKind.NOT_RECORDED, f"{request.method} {path} was not recorded", now)
            return self._cloud.failure(_NOT_FOUND, request, path)
        refusal = self._cloud.refusal(request, path)
        if refusal is not None:
            return refusal
        if approved := self._cloud.approves(request, path):
            return self._approve(approved, request, path, machine, now)
        asked = question(operation, request, self._shift)
        found = self.tracks[machine.name].find(asked, self._offset(now))
        if found is None:
            self._differs(machine, DifferenceKind.NOT_RECORDED, f"{asked.method} {operation} was not recorded", now)
            return self._cloud.failure(_NOT_FOUND, request, path)
        if found.differences:
            text = f"{asked.method} {operation} is asked otherwise: {', '.join(found.differences)}"
            self._differs(machine, DifferenceKind.ASKED_OTHERWISE, text, now)
            answers = self.tracks[machine.name].answers(operation, self._offset(now))
            composed = self._cloud.composed(request, path, answers)
            if composed is not None:
                return replace(composed, body=self._today(composed.body))
        return self._recorded(found.exchange, request, path)

    def failure(self, status: int, request: Request, path: str) -> Response:
        """What the cloud says where it fails on this request with that status."""
        return self._cloud.failure(status, request, path)

    def story(self, now: datetime) -> list[SimulatedEvent]:
        """The events of all machines that were listed by now, and what became of them."""
        events: dict[str, SimulatedEvent] = {}
        for name, track in self.tracks.items():
            for event_id, event in story(track.listings, self._offset(now), self._begun + self._shift).items():
                kept = events.setdefault(event_id, event)
                if event_id in self._approvals[name].given:
                    kept.approved_by.append(name)
        return sorted(events.values(), key=lambda event: event.created_at)

    def all_differences(self, now: datetime) -> list[dict[str, Any]]:
        """Those that were met, and the approvals that are missing by now."""
        missing = [
            difference_json(
                name,
                DifferenceKind.APPROVAL_MISSING,
                f"{event_id} is not approved, and was recorded as approved by then",
                at=self._moment(when),
            )
            for name, approvals in self._approvals.items()
            for event_id, when in approvals.missing(self._offset(now))
        ]
        return [*self._differences.list(), *missing]

    def _offset(self, now: datetime) -> timedelta:
        return timedelta(0) if self._anchor is None else now - self._anchor

    def _moment(self, offset: timedelta) -> datetime:
        return (self._anchor or self._begun) + offset

    @property
    def _shift(self) -> timedelta:
        """From the trace's times to today's, in whole seconds, so that an unchanged document stays unchanged."""
        return timedelta(seconds=round((self._moment(timedelta(0)) - self._begun).total_seconds()))

    def _approve(
        self, event_ids: Sequence[str], request: Request, path: str, machine: SimulatedMachine, now: datetime
    ) -> Response:
        answers = []
        for event_id in event_ids:
            recorded, kind, text = self._approvals[machine.name].give(event_id, self._offset(now))
            if kind is not None:
                self._differs(machine, kind, text, now)
            if recorded is not None:
                answers.append(recorded.exchange)
        if answers:
            return self._recorded(answers[0], request, path)
        listed = self._listed(machine, now)
        unknown = next((event_id for event_id in event_ids if folded(event_id) not in listed), None)
        return self._cloud.approval(request, path, unknown)

    def _listed(self, machine: SimulatedMachine, now: datetime) -> set[str]:
        told = story(self.tracks[machine.name].listings, self._offset(now), self._begun)
        return {event_id for event_id, event in told.items() if event.phase is not Phase.ENDED}

    def _recorded(self, exchange: Exchange, request: Request, path: str) -> Response:
        if exchange.fault or exchange.body == UNREADABLE.encode():
            refused = exchange.status >= _REFUSED
            return self._cloud.failure(exchange.status if refused else NO_ANSWER, request, path)
        sent = {name.lower(): value for name, value in exchange.headers.items()}
        headers = tuple((name.title(), sent[name]) for name in _HEADERS if name in sent)
        if sent.get("etag") and is_known(request, sent["etag"]):
            return Response(_NOT_MODIFIED, headers=headers)
        return Response(exchange.status, self._today(exchange.body), sent.get("content-type", JSON_TYPE), headers)

    def _today(self, body: bytes) -> bytes:
        try:
            return shifted(body.decode(), self._shift).encode()
        except UnicodeDecodeError:
            return body

    def _differs(self, machine: SimulatedMachine, kind: DifferenceKind, text: str, now: datetime) -> None:
        self._differences.add(machine.name, kind, text, now)
