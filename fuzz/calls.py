"""Spoilt requests to the simulators: the clouds' own calls, approvals among them, and the control API's.

What must hold: a request is answered, with a status below 500 or an error of the cloud's own kind; what the control API
says is JSON; and afterwards the simulator still lists every event, so that its cloud's provider reads each of them that
is going on.
"""

import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from random import Random

import alibaba_calls
import aws_calls
import azure_calls
import google_calls
from call import Call, Target
from control_calls import control_call
from documents import Wrong
from mutate import spoil_bytes
from stormcone import Impact, ManualClock
from stormcone_simulators.control import CONTROL_PREFIX
from stormcone_simulators.events import Busy
from stormcone_simulators.http.messages import Later, Request, Response

LIFE = 250
"""How many requests one simulator is sent."""

SOCKET_SECONDS = 10.0
"""How long an exchange over a socket may take before it counts as a hang."""

TARGETS: Mapping[str, Target] = {
    "alibaba": alibaba_calls.TARGET,
    "aws": aws_calls.TARGET,
    "azure": azure_calls.TARGET,
    "google": google_calls.TARGET,
}


class CallFuzzer:
    """Sends spoilt requests to one cloud's simulators, to each of them a limited number."""

    def __init__(self, cloud: str) -> None:
        self.target = TARGETS[cloud]
        self._sent = 0
        self.taken = 0
        self._begin()

    def _begin(self) -> None:
        self.simulator = self.target.make(ManualClock())
        self._ids = []
        for hours in (1, 10_000):
            for machine in self.target.machines:
                with suppress(Busy):  # Google announces one event of a kind at a time
                    self._ids.append(
                        self.simulator.schedule(Impact.REBOOT, resources=[machine], notice=timedelta(hours=hours))
                    )

    def close(self) -> None:
        """Stop what listens."""
        self.simulator.close()

    def make(self, rng: Random) -> Call:
        """A spoilt request."""
        make = control_call if rng.random() < 0.5 else self.target.call
        return make(rng, self._ids, self.target.machines)

    def check(self, call: Call) -> None:
        """Have it answered, without a socket.

        Raises:
            Wrong: a promise was broken.
        """
        self._sent += 1
        try:
            request = Request(call.method, call.target, call.headers, call.body, "127.0.0.1")
        except ValueError:
            return
        self._judge(request, self._answer(request))
        if self._sent % LIFE == 0:
            self._look()
            self.close()
            self._begin()

    def _answer(self, request: Request) -> Response:
        simulator = self.simulator
        if request.path.startswith(CONTROL_PREFIX):
            return simulator._control.answer(request)
        machine, path = simulator._machines.route(request.path, request.peer)
        if machine is None:
            return Response(404)
        rule = simulator.faults.take(request, path, machine.name, simulator.parameters(request, path))
        if rule is not None:
            rule.replacement(simulator._wire.failure(rule.status or 200, request, path))
        with simulator._settled() as now:
            answer = simulator._wire.answer(request, path, machine, now)
            while isinstance(answer, Later):
                if answer.again is None or answer.seconds <= 0:
                    raise Wrong("it is not answered now, and nothing is waited for")
                now += timedelta(seconds=answer.seconds)
                answer = answer.again(now)
        return answer

    def _judge(self, request: Request, answer: Response) -> None:
        granted = answer.status < HTTPStatus.MULTIPLE_CHOICES
        control = request.path.startswith(CONTROL_PREFIX)
        self.taken += granted
        if control and answer.body:
            json.loads(answer.body)
        refuses = self.target.refuses
        if refuses is None or control or not answer.body:
            if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise Wrong(f"it is answered {answer.status}: {answer.body[:200]!r}")
        elif not granted and not refuses(request, answer):
            raise Wrong(f"it is refused in no way of the cloud's: {answer.status}: {answer.body[:200]!r}")

    def check_raw(self, rng: Random, call: Call) -> None:
        """Have it answered over a socket, where its bytes may be spoilt too.

        Raises:
            Wrong: a promise was broken.
        """
        self.simulator.start_server()
        self.simulator.faults.clear()  # what they do to an answer on purpose is not looked for here
        host, _, port = self.simulator.url.removeprefix("http://").partition(":")
        head = [f"{call.method} {call.target} HTTP/1.1", f"Host: {host}:{port}", f"Content-Length: {len(call.body)}"]
        head += [f"{name}: {value}" for name, value in call.headers.items()]
        data = "\r\n".join([*head, "", ""]).encode(errors="replace") + call.body
        if rng.random() < 0.6:
            data = spoil_bytes(rng, data)
        answer = _exchange((host, int(port)), data)
        if answer and not answer.startswith(b"HTTP/1.1 "):
            raise Wrong(f"what is answered over the socket is no HTTP: {answer[:100]!r}")
        if answer and int(answer[9:12]) >= HTTPStatus.INTERNAL_SERVER_ERROR and b"501" not in answer[9:12]:
            raise Wrong(f"it is answered over the socket: {answer[:300]!r}")
        health = _exchange((host, int(port)), b"GET /_simulator/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if not health.startswith(b"HTTP/1.1 200"):
            raise Wrong(f"afterwards the simulator is not well: {health[:300]!r}")

    def _look(self) -> None:
        """Every event that goes on is shown to its machine, and read by its provider."""
        events = self.simulator.events()
        known = {event["id"].casefold() for event in events}
        for identifier in self._ids:
            if identifier.casefold() not in known:
                raise Wrong(f"the simulator has lost the event {identifier}")
        for machine in self.target.machines:
            shown = self.target.shown(self._sound, machine)
            for event in events:
                ours = machine.casefold() in map(str.casefold, event["resources"])
                mark = self.target.listed(event, machine) if ours and event["phase"] != "ended" else None
                if mark is not None and mark not in shown:
                    raise Wrong(f"the event {event['id']} is not shown to {machine}")

    def _sound(self, request: Request) -> Response:
        answer = self._answer(request)
        if answer.status != HTTPStatus.OK:
            raise Wrong(f"a sound poll is answered {answer}")
        return answer


def _exchange(address: tuple[str, int], data: bytes) -> bytes:
    """What a server says to some bytes until it closes.

    Raises:
        Wrong: it does not close.
    """
    parts: list[bytes] = []
    try:
        with socket.create_connection(address, timeout=SOCKET_SECONDS) as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while part := client.recv(1 << 16):
                parts.append(part)
    except TimeoutError:
        raise Wrong(f"the server does not end the exchange within {SOCKET_SECONDS:g} s") from None
    except OSError:
        pass  # a server may cut what it refuses
    return b"".join(parts)
