"""What all simulators share, so that a cloud adds only its rules (`Model`) and its protocol (`Wire`).

State moves lazily: every request and every read first lets all that is due by the simulator's clock happen, in the
order of its time. So nothing runs in the background, and a test that advances a manual clock sees each step.
"""

import socket
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from stormcone.clock import ManualClock, SystemClock
from stormcone.clouds.contract import ProviderOptions
from stormcone.errors import SettingsError, SimulationError
from stormcone.model import Cause, Impact, Outcome
from stormcone.simulators.contract import Piece, Setting, SimulatorOptions, Tls
from stormcone_simulators.control import CONTROL_PREFIX, ControlApi, Route
from stormcone_simulators.events import EventBook, EventPlan, Revision, SimulatedEvent
from stormcone_simulators.http.certificates import ServerTls, server_tls
from stormcone_simulators.http.faults import FaultPlan
from stormcone_simulators.http.messages import Later, Request, Response, problem
from stormcone_simulators.http.server import Reply, Server, plain
from stormcone_simulators.http.waiting import LoopClock
from stormcone_simulators.machines import Machines, SimulatedMachine, machine_path
from stormcone_simulators.request_log import LoggedRequest, RequestLog
from stormcone_simulators.scenarios.format import (
    Scenario,
    Script,
    scenario_file,
    scenario_names,
    scenario_text,
    script_of,
)
from stormcone_simulators.scenarios.play import Agenda, PossibleEvent, Scene, perform, rehearse, settle
from stormcone_simulators.scenarios.random import CAST, random_scenario

_HERE = ("localhost", "127.0.0.1", "::1")
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what to call, not what to listen on


class Model(Protocol):
    """A cloud's rules. Time is a parameter; the simulator's lock is held around every call."""

    book: EventBook[Any]

    def draft(self, plan: EventPlan, now: datetime) -> SimulatedEvent:
        """The event that the plan would make, not yet announced.

        Raises:
            SimulationError: this cloud has no such event, or does not know a machine.
        """

    def revise(self, event: SimulatedEvent, revision: Revision, now: datetime) -> None:
        """Change an announced event.

        Raises:
            SimulationError: this cloud cannot do that to it.
        """

    def cancel(self, event: SimulatedEvent, now: datetime) -> None:
        """Call an event off.

        Raises:
            TooLate: it is past the point where this cloud does that.
        """


class Wire(Protocol):
    """A cloud's protocol; the simulator's lock is held around every call."""

    def answer(self, request: Request, path: str, machine: SimulatedMachine, now: datetime) -> Response | Later:
        """What the cloud answers to `machine`; `path` is the request's without the machine's prefix."""

    def failure(self, status: int, request: Request, path: str) -> Response:
        """What the cloud says where it fails on this request with that status."""


class BaseSimulator:
    """The Python face that every simulator shares; see `stormcone.simulators.contract.Simulator` for its methods.

    Args:
        machines: what it knows.
        model: the cloud's rules.
        wire: the cloud's protocol.
        clock: manual, or the system's at any speed.
        port: 0 takes a free one.
        bind: the address to listen on.
        tls: how to speak HTTPS; None for HTTP.

    Attributes:
        tls: as given; it counts from the next `start_server` on.
    """

    name: ClassVar[str]
    settings: ClassVar[tuple[Setting, ...]] = ()
    ca_variables: ClassVar[tuple[str, ...]] = ()
    """Variables by which this cloud's own clients are told of an authority."""
    one_each: ClassVar[bool] = False
    """Whether an event is about one machine, so that a scenario's step about several makes one for each."""
    possible_events: ClassVar[Sequence[PossibleEvent]] = ()
    """What events the cloud has, for scenarios by chance."""

    def __init__(
        self,
        machines: Machines,
        model: Model,
        wire: Wire,
        *,
        clock: ManualClock | SystemClock,
        port: int,
        bind: str,
        tls: Tls | None = None,
    ) -> None:
        self.clock = clock
        self.faults = FaultPlan()
        self._machines = machines
        self._model = model
        self._wire = wire
        self._port = port
        self._bind = bind
        self._lock = threading.RLock()
        self._agenda = Agenda()
        self._log = RequestLog()
        self._control = ControlApi(self, self.faults, self.control_routes())
        self._server: Server | None = None
        self.tls = tls
        self._shown: ServerTls | None = None

    @classmethod
    def from_options(cls, options: SimulatorOptions) -> Self:
        """A simulator as the options say, not yet listening.

        Raises:
            SettingsError: an option cannot be used.
        """
        usual = {setting.name: "false" if setting.default is None else setting.default for setting in cls.settings}
        for name in options.settings:
            if name not in usual:
                raise SettingsError(
                    f"the {cls.name} simulator has no setting {name!r}; there are: {', '.join(sorted(usual))}"
                )
        made = cls.from_settings(replace(options, settings={**usual, **options.settings}))
        made.tls = options.tls
        return made

    @classmethod
    def from_settings(cls, options: SimulatorOptions) -> Self:
        """As `from_options`, with every setting of the cloud, by default or as given.

        Raises:
            SettingsError: an option cannot be used.
        """
        raise NotImplementedError

    @property
    def url(self) -> str:
        """Where it listens, such as `http://127.0.0.1:18169`, or `https://...` with `tls`.

        Raises:
            SimulationError: it does not listen.
        """
        if self._server is None:
            raise SimulationError("the simulator does not listen yet; use it in a with block, or call start_server()")
        host = _ANYWHERE.get(self._bind, self._bind)
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self._server.port}"

    @property
    def ca_file(self) -> Path | None:
        """The file of the authority that its clients are to trust, while it listens; None where it made none."""
        return None if self._shown is None else self._shown.ca_file

    def host_names(self) -> Sequence[str]:
        """Host names and addresses of the real service, for a certificate to be good for where they lead here."""
        return ()

    def urls(self) -> Mapping[str, str]:
        """The address of each machine, by name."""
        return {machine.name: self.url + machine_path(machine.name) for machine in self._machines}

    def provider_options(self, machine: str | None = None) -> ProviderOptions:
        """How a provider of this cloud reaches it, as `machine` or the first one, on the simulator's clock.

        Raises:
            SimulationError: there is no such machine.
        """
        name = machine or self._machines.first.name
        urls = self.urls()
        if name not in urls:
            raise SimulationError(f"there is no machine {name!r}; there are: {', '.join(urls)}")
        return ProviderOptions(provider=self.name, endpoint=urls[name], clock=self.clock, ca_file=self.ca_file)

    def parameters(self, request: Request, path: str) -> Mapping[str, str]:  # noqa: ARG002 - a cloud's may need it
        """What a request says that a fault can be for; `path` is the request's without the machine's prefix."""
        return request.query

    def facts(self) -> Mapping[str, str]:
        """What a person needs in order to use it."""
        return {}

    def control_routes(self) -> Sequence[Route]:
        """The cloud's own calls of the control API."""
        return ()

    def rehearsal(self, machines: Machines) -> Model:
        """A model of its own for those machines, by the same rules, on which scenarios are tried before they begin."""
        raise NotImplementedError

    def start_server(self) -> None:
        """Listen; returns when requests are answered.

        Raises:
            SimulationError: the port is in use or may not be bound.
            SettingsError: the certificate cannot be used.
            PartMissing: what makes certificates is not installed.
        """
        if self._server is not None:
            return
        shown = None if self.tls is None else server_tls(self.tls, (*_HERE, *self._reached_by(), *self.host_names()))
        context = None if shown is None else shown.context
        try:
            self._server = Server(self._reply, bind=self._bind, port=self._port, clock=self.clock, tls=context)
        except SimulationError:
            if shown is not None:
                shown.close()
            raise
        self._shown = shown

    def close(self) -> None:
        """Stop listening. Safe to call twice."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._shown is not None:
            self._shown.close()
            self._shown = None

    def _reached_by(self) -> Sequence[str]:
        """The name or address that it is reached by beside those of this machine's loopback."""
        return (socket.gethostname(),) if self._bind in _ANYWHERE else (self._bind,)

    def __enter__(self) -> Self:
        self.start_server()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def schedule(
        self,
        impact: Impact,
        *,
        resources: Collection[str],
        notice: timedelta | None = None,
        not_before: datetime | None = None,
        duration: timedelta | None = None,
        started_for: timedelta | None = None,
        cause: Cause | None = None,
        native_type: str | None = None,
        description: str | None = None,
    ) -> str:
        """Announce an event; answers its id. What is None is as usual on this cloud.

        Raises:
            SimulationError: this cloud has no such event, or does not know a machine.
        """
        plan = EventPlan(
            impact=Impact(impact),
            resources=_names(resources),
            notice=notice,
            not_before=not_before,
            duration=duration,
            started_for=started_for,
            cause=None if cause is None else Cause(cause),
            native_type=native_type,
            description=description,
        )
        with self._settled() as now:
            event = self._model.draft(plan, now)
            self._model.book.add(event)
            return event.id

    def change(
        self,
        event_id: str,
        *,
        resources: Collection[str] | None = None,
        notice: timedelta | None = None,
        not_before: datetime | None = None,
        duration: timedelta | None = None,
        description: str | None = None,
    ) -> None:
        """Move the event or change what it says; what is None stays.

        Raises:
            SimulationError: there is no such event, it is over, or it has begun and cannot be moved any more.
        """
        revision = Revision(
            resources=None if resources is None else _names(resources),
            notice=notice,
            not_before=not_before,
            duration=duration,
            description=description,
        )
        with self._settled() as now:
            self._model.revise(self._model.book.get(event_id), revision, now)

    def cancel(self, event_id: str) -> None:
        """Call the event off.

        Raises:
            SimulationError: there is no such event, or it is too late for that on this cloud.
        """
        with self._settled() as now:
            self._model.cancel(self._model.book.get(event_id), now)

    def start(self, event_id: str) -> None:
        """Begin it now.

        Raises:
            SimulationError: there is no such event, or it has begun already.
        """
        with self._settled() as now:
            self._model.book.start(self._model.book.get(event_id), now)

    def complete(self, event_id: str, outcome: Outcome = Outcome.COMPLETED) -> None:
        """End it now.

        Raises:
            SimulationError: there is no such event, or it has ended already.
        """
        with self._settled() as now:
            self._model.book.end(self._model.book.get(event_id), now, outcome)

    def play(self, scenario: str | Path | Scenario | Script) -> None:
        """Begin a scenario, by name, from a file or as it is; its steps happen as the clock reaches them.

        Raises:
            SimulationError: there is no such scenario, or this cloud or these machines cannot play it.
        """
        script = script_of(scenario)
        with self._settled() as now:
            rehearse(script, self.rehearsal_scene(now), now)
            scene = Scene(self._model, self._machines, self.one_each, self.faults, self.clock)
            perform(script, scene, self._agenda, now)
            self._settle()

    def rehearsal_scene(self, now: datetime) -> Scene:
        """Where a scenario is tried before it begins: the cloud's rules with no events and nobody who looks."""
        return Scene(self.rehearsal(self._machines), self._machines, self.one_each, FaultPlan(), ManualClock(now))

    @classmethod
    def repertoire(cls) -> tuple[Piece, ...]:
        """Every scenario that there is, with the reason why this cloud cannot play it where it cannot."""
        clock = ManualClock()
        simulator = cls.from_options(SimulatorOptions(machines=CAST, clock=clock))
        try:
            return tuple(_piece(name, simulator.rehearsal_scene(clock.now()), clock.now()) for name in scenario_names())
        finally:
            simulator.close()

    @classmethod
    def random_scenario(cls, seed: int, steps: int) -> str:
        """A scenario by chance, as the text of a file: the same one for the same seed.

        Raises:
            SimulationError: that many steps cannot be.
        """
        return scenario_text(random_scenario(cls, seed, steps))

    def scenarios(self) -> tuple[str, ...]:
        """The names that `play` takes."""
        return scenario_names()

    def events(self) -> list[dict[str, Any]]:
        """All events so far, oldest first, as the control API lists them."""
        with self._settled():
            return [event.as_json() for event in self._model.book]

    def requests(self) -> list[dict[str, Any]]:
        """What clients asked, oldest first, as the control API lists it: the last 10,000 requests, or 16 MiB."""
        with self._lock:
            return [logged.as_json() for logged in self._log]

    @contextmanager
    def _settled(self) -> Iterator[datetime]:
        """The lock, and the time, with all that was due by then done. Who waits for news is told of what changes."""
        with self._lock:
            before = self._model.book.changes
            try:
                yield self._settle()
            finally:
                if self._server is not None and self._model.book.changes != before:
                    self._server.wake()

    def _settle(self) -> datetime:
        now = self.clock.now()
        settle(self._agenda, self._model.book, now)
        return now

    async def _reply(self, request: Request, clock: LoopClock) -> Reply:
        # A scenario's faults and pace are due before the request is looked at.
        with self._settled() as at:
            since = clock.monotonic()
        if f"{request.path}/".startswith(CONTROL_PREFIX):
            return Reply(self._control.answer(request))
        machine, path = self._machines.route(request.path, request.peer)
        rule = self.faults.take(request, path, machine.name, self.parameters(request, path)) if machine else None
        if rule is not None:
            await clock.until(since + rule.delay_seconds)
        replaced = rule.replacement(self._wire.failure(rule.status or 200, request, path)) if rule else None
        response = replaced or await self._ask(request, path, machine, clock)
        with self._lock:
            self._log.add(LoggedRequest(at, machine.name if machine else None, request, path, response.status, rule))
        return Reply(response, rule.delivery if rule else plain)

    async def _ask(self, request: Request, path: str, machine: SimulatedMachine | None, clock: LoopClock) -> Response:
        if machine is None:
            return problem(404, f"the simulator has no machine of the path {request.path}")
        ask: Callable[[datetime], Response | Later] = partial(self._wire.answer, request, path, machine)
        while True:
            since = clock.monotonic()
            with self._settled() as now:
                answer = ask(now)
                due = self._due()
            if isinstance(answer, Response):
                return answer
            if answer.again is None:
                await clock.until(since + answer.seconds)
            else:
                ask = answer.again
                left = answer.seconds if due is None else min(answer.seconds, (due - now).total_seconds())
                await clock.news(since + left)

    def _due(self) -> datetime | None:
        """When something happens by itself next; None: nothing does."""
        return min(filter(None, (self._agenda.next_step, self._model.book.next_move)), default=None)


def _piece(name: str, scene: Scene, now: datetime) -> Piece:
    script, refusal = script_of(name), None
    try:
        rehearse(script, scene, now)
    except SimulationError as error:
        refusal = str(error.__cause__ or error)
    return Piece(name=name, title=script.scenario.title, text=scenario_file(name), refusal=refusal)


def _names(resources: Collection[str]) -> tuple[str, ...]:
    if isinstance(resources, str):
        raise SimulationError(f"resources is a list of machines, not one name; write [{resources!r}]")
    return tuple(resources)
