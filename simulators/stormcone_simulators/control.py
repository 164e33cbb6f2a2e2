"""The control API: the same for every simulator, under `/_simulator/`, so that tests in any language can drive one.

Requests that a web page could have sent are refused: those with a foreign `Origin`, and those whose `Host` is a name
with a dot, which a hostile page could have made point here.
"""

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from stormcone.clock import ManualClock
from stormcone.errors import SimulationError
from stormcone.model import Cause, Impact, Outcome
from stormcone.simulators.contract import Simulator
from stormcone_simulators.events import TooLate, UnknownEvent, iso
from stormcone_simulators.http.faults import FaultPlan, FaultRule
from stormcone_simulators.http.messages import Request, Response, json_response, problem
from stormcone_simulators.reasons import reason
from stormcone_simulators.scenarios.format import UnknownScenario, read_script

CONTROL_PREFIX = "/_simulator/"

_TEN_YEARS = 10 * 366 * 86400
_Span = Annotated[float, Field(ge=0, le=_TEN_YEARS)]
_SpanOrUnknown = Annotated[float, Field(ge=-1, le=_TEN_YEARS)]

Content = TypeVar("Content", bound=BaseModel)


class Body(BaseModel):
    """Base of all bodies: an unknown field is an error, so that a misspelt one is not silently without effect."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _Timed(Body):
    notice_seconds: _Span | None = Field(None, description="How long until it starts by itself.")
    not_before: AwareDatetime | None = Field(None, description="When it starts by itself; instead of a notice.")
    duration_seconds: _SpanOrUnknown | None = Field(None, description="How long the impact lasts; -1: not known.")
    description: str | None = Field(None, description="Text for people.")

    @model_validator(mode="after")
    def _one_time(self) -> "_Timed":
        if self.notice_seconds is not None and self.not_before is not None:
            raise ValueError("notice_seconds and not_before exclude each other; leave one out")
        return self


class NewEvent(_Timed):
    """`POST /_simulator/events`; what is null is as usual on the cloud."""

    impact: Impact = Field(description="What it does to the machines.")
    resources: tuple[str, ...] = Field(min_length=1, description="The machines that it names, in this order.")
    started_for_seconds: _Span | None = Field(None, description="How long it stays started.")
    cause: Cause | None = Field(None, description="Why.")
    native_type: str | None = Field(None, description="The cloud's own word.")


class ChangedEvent(_Timed):
    """`PATCH /_simulator/events/ID`; what is null stays."""

    resources: tuple[str, ...] | None = Field(None, min_length=1, description="The machines that it names.")


class EndedEvent(Body):
    """`POST /_simulator/events/ID/complete`."""

    outcome: Outcome = Field(Outcome.COMPLETED, description="How it ended.")


class ClockStep(Body):
    """`POST /_simulator/clock`."""

    advance_seconds: _Span | None = Field(None, description="Step forward by so much.")
    speed: float | None = Field(None, gt=0, le=1e6, description="Seconds of the clock to one real second.")

    @model_validator(mode="after")
    def _one_thing(self) -> "ClockStep":
        if (self.advance_seconds is None) == (self.speed is None):
            raise ValueError("give either advance_seconds or speed")
        return self


def read(content: type[Content], request: Request) -> Content:
    """The request's body as `content`; an empty body is `{}`.

    Raises:
        SimulationError: it is not; the text names the field.
    """
    try:
        return content.model_validate_json(request.body or b"{}")
    except ValidationError as error:
        raise SimulationError(reason(error)) from error


@dataclass(frozen=True)
class Route:
    """One call: what it answers to, and what it does with the request and the pattern's groups."""

    method: str
    pattern: str
    call: Callable[..., Response]


_STATUSES: Sequence[tuple[type[SimulationError], int]] = (
    (UnknownEvent, 404),
    (UnknownScenario, 404),
    (TooLate, 409),
    (SimulationError, 400),
)

_DONE = Response(204)


class ControlApi:
    """Answers the control calls of one simulator.

    Args:
        simulator: what is controlled.
        faults: its rules of faults.
        extra: the cloud's own calls.
    """

    def __init__(self, simulator: Simulator, faults: FaultPlan, extra: Sequence[Route] = ()) -> None:
        self._simulator = simulator
        self._faults = faults
        routes = (
            Route("GET", "", self._calls),
            Route("GET", "health", self._health),
            Route("GET", "events", self._events),
            Route("POST", "events", self._schedule),
            Route("PATCH", "events/(?P<event>[^/]+)", self._change),
            Route("DELETE", "events/(?P<event>[^/]+)", self._cancel),
            Route("POST", "events/(?P<event>[^/]+)/start", self._start),
            Route("POST", "events/(?P<event>[^/]+)/complete", self._complete),
            Route("GET", "requests", self._requests),
            Route("GET", "clock", self._clock),
            Route("POST", "clock", self._move_clock),
            Route("GET", "faults", self._list_faults),
            Route("POST", "faults", self._add_fault),
            Route("PUT", "faults", self._set_fault),
            Route("DELETE", "faults", self._clear_faults),
            Route("GET", "scenarios", self._scenarios),
            Route("POST", "scenarios", self._play_file),
            Route("POST", "scenarios/(?P<scenario>[^/]+)", self._play),
            *extra,
        )
        self._routes = [(re.compile(route.pattern), route) for route in routes]

    def answer(self, request: Request) -> Response:
        """What a control call is answered."""
        if (refusal := _foreign(request)) is not None:
            return problem(403, refusal)
        path = request.path.removeprefix(CONTROL_PREFIX)
        fitting = {
            route.method: (route, match)
            for regex, route in self._routes
            if (match := regex.fullmatch(path)) is not None
        }
        if not fitting:
            return problem(404, f"the control API has no {request.path}; GET {CONTROL_PREFIX} lists its calls")
        method = "GET" if request.method == "HEAD" else request.method
        if method not in fitting:
            allowed = ", ".join(fitting)
            return problem(405, f"{request.path} takes {allowed}, not {request.method}", ("Allow", allowed))
        route, match = fitting[method]
        try:
            return route.call(request, **match.groupdict())
        except SimulationError as error:
            status = next(status for kind, status in _STATUSES if isinstance(error, kind))
            return problem(status, str(error))

    def _calls(self, _request: Request) -> Response:
        calls = [
            f"{route.method} {CONTROL_PREFIX}{_GROUP.sub(_placeholder, route.pattern)}" for _, route in self._routes
        ]
        return json_response(200, {"calls": calls})

    def _health(self, _request: Request) -> Response:
        simulator = self._simulator
        return json_response(
            200, {"status": "ok", "simulator": simulator.name, "machines": dict(simulator.urls()), **simulator.facts()}
        )

    def _events(self, _request: Request) -> Response:
        return json_response(200, {"events": self._simulator.events()})

    def _schedule(self, request: Request) -> Response:
        new = read(NewEvent, request)
        event_id = self._simulator.schedule(
            new.impact,
            resources=new.resources,
            notice=_span(new.notice_seconds),
            not_before=new.not_before,
            duration=_span(new.duration_seconds),
            started_for=_span(new.started_for_seconds),
            cause=new.cause,
            native_type=new.native_type,
            description=new.description,
        )
        return json_response(201, {"id": event_id})

    def _change(self, request: Request, event: str) -> Response:
        changed = read(ChangedEvent, request)
        self._simulator.change(
            event,
            resources=changed.resources,
            notice=_span(changed.notice_seconds),
            not_before=changed.not_before,
            duration=_span(changed.duration_seconds),
            description=changed.description,
        )
        return _DONE

    def _cancel(self, _request: Request, event: str) -> Response:
        self._simulator.cancel(event)
        return _DONE

    def _start(self, _request: Request, event: str) -> Response:
        self._simulator.start(event)
        return _DONE

    def _complete(self, request: Request, event: str) -> Response:
        self._simulator.complete(event, read(EndedEvent, request).outcome)
        return _DONE

    def _requests(self, _request: Request) -> Response:
        return json_response(200, {"requests": self._simulator.requests()})

    def _clock(self, _request: Request) -> Response:
        clock = self._simulator.clock
        speed = None if isinstance(clock, ManualClock) else clock.speed
        return json_response(200, {"now": iso(clock.now()), "speed": speed})

    def _move_clock(self, request: Request) -> Response:
        step, clock = read(ClockStep, request), self._simulator.clock
        if step.advance_seconds is not None:
            clock.advance(step.advance_seconds)
        elif isinstance(clock, ManualClock):
            raise SimulationError(
                "speed: this simulator's clock stands still until it is advanced; use advance_seconds"
            )
        elif step.speed is not None:
            clock.speed = step.speed
        return self._clock(request)

    def _list_faults(self, _request: Request) -> Response:
        return json_response(200, {"faults": self._faults.list()})

    def _add_fault(self, request: Request) -> Response:
        return json_response(201, {"id": self._faults.add(read(FaultRule, request))})

    def _set_fault(self, request: Request) -> Response:
        rule = read(FaultRule, request)
        self._faults.clear()
        return json_response(200, {"id": self._faults.add(rule)})

    def _clear_faults(self, _request: Request) -> Response:
        self._faults.clear()
        return _DONE

    def _scenarios(self, _request: Request) -> Response:
        return json_response(200, {"scenarios": self._simulator.scenarios()})

    def _play_file(self, request: Request) -> Response:
        try:
            text = request.body.decode()
        except UnicodeDecodeError as error:
            raise SimulationError("the body is not UTF-8; send a scenario's TOML or JSON") from error
        script = read_script(text, request.query.get("name", "the scenario"))
        self._simulator.play(script)
        return json_response(200, {"scenario": script.scenario.title})

    def _play(self, _request: Request, scenario: str) -> Response:
        self._simulator.play(scenario)
        return json_response(200, {"scenario": scenario})


_GROUP = re.compile(r"\(\?P<(\w+)>[^)]*\)")


def _placeholder(group: re.Match[str]) -> str:
    return group[1].upper()


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _foreign(request: Request) -> str | None:
    host = request.header("host")
    if host is not None and not _is_ours(host):
        return f"the control API does not answer to the host {host!r}; call it by its IP address or as localhost"
    origin = request.header("origin")
    if origin is not None and origin != f"http://{host}":
        return f"the control API does not answer to pages of {origin!r}"
    return None


def _is_ours(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if "." not in name and ":" not in name:
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
