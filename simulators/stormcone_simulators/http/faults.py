"""What can go wrong between a client and its cloud, as rules that a test adds and takes away.

A rule says which requests it is for and what happens to them, in this order: the answer is held back
(`delay_seconds`), replaced (`status`, `body`), and spoilt on its way (`kind`). A request whose status is replaced has
not reached the cloud; one whose answer is merely spoilt has, and an approval in it counts.
"""

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from stormcone.errors import SimulationError
from stormcone.text import folded
from stormcone_simulators.http.messages import Request, Response
from stormcone_simulators.http.server import ClientConnection, Delivery, plain
from stormcone_simulators.http.spoilers import SPOILERS, Spoiler
from stormcone_simulators.reasons import reason

_JUNK = b"\x16\x03\x01\x02\x00 this is no HTTP\r\n\r\n"
_DRIP_SECONDS = 1.0


async def _reset(line: ClientConnection, _response: Response) -> None:
    line.reset()


async def _close(line: ClientConnection, _response: Response) -> None:
    line.end()


async def _hang(line: ClientConnection, _response: Response) -> None:
    await line.until_gone()


async def _half_body(line: ClientConnection, response: Response) -> None:
    data = line.render(response)
    line.end()
    await line.send(data[: len(data) - (len(response.body) + 1) // 2])


async def _junk(line: ClientConnection, _response: Response) -> None:
    line.end()
    await line.send(_JUNK)


async def _empty(line: ClientConnection, response: Response) -> None:
    await plain(line, replace(response, body=b""))


async def _drip(line: ClientConnection, response: Response) -> None:
    start = line.clock.monotonic()
    for place, byte in enumerate(line.render(response)):
        await line.clock.until(start + place * _DRIP_SECONDS)
        await line.send(bytes((byte,)))


async def _text(line: ClientConnection, response: Response) -> None:
    await plain(line, replace(response, content_type="text/plain"))


async def _redirect(line: ClientConnection, response: Response) -> None:
    await plain(line, replace(response, status=302, headers=(*response.headers, ("Location", "http://127.0.0.1:9/"))))


def _spoilt(spoil: Spoiler) -> Delivery:
    async def deliver(line: ClientConnection, response: Response) -> None:
        await plain(line, replace(response, body=spoil(response.body)))

    return deliver


KINDS: Mapping[str, Delivery] = {
    "reset": _reset,
    "close": _close,
    "hang": _hang,
    "half_body": _half_body,
    "junk": _junk,
    "empty": _empty,
    "drip": _drip,
    "text": _text,
    "redirect": _redirect,
    **{name: _spoilt(spoil) for name, spoil in SPOILERS.items()},
}
"""How an answer is spoilt: cut by a reset; connection closed without an answer; no answer until the client leaves; a
body that ends half way; bytes that are not HTTP; an empty body; one byte a second of the clock; `text/plain`
as the content type; a redirect; or a body that is spoilt, see `SPOILERS`."""


def _known_kind(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"there is no kind {kind!r}; there are: {', '.join(KINDS)}")
    return kind


class FaultRule(BaseModel):
    """One rule, as the control API takes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str | None = Field(None, description="Only requests of this method.")
    path: str | None = Field(None, description="Only requests whose path, without the machine's prefix, begins so.")
    machine: str | None = Field(None, description="Only requests of this machine.")
    query: dict[str, str] = Field(default_factory=dict, description="Only requests with these parameters.")
    times: int | None = Field(None, ge=1, description="For how many requests; null: until the rule is cleared.")
    delay_seconds: float = Field(0, ge=0, allow_inf_nan=False, description="Hold the answer back, by the clock.")
    status: int | None = Field(None, ge=200, le=599, description="Answer with this status instead.")
    retry_after: int | None = Field(None, ge=0, description="With `Retry-After`, in seconds.")
    body: str | None = Field(None, description="Answer with this body instead, status 200 unless `status` is given.")
    content_type: str | None = Field(None, pattern=r"^[\x20-\x7e]+$", description="The content type of `body`.")
    kind: Annotated[str, AfterValidator(_known_kind)] | None = Field(None, description="How the answer is spoilt.")

    @model_validator(mode="after")
    def _does_something(self) -> "FaultRule":
        if not (self.delay_seconds or self.status or self.kind or self.body is not None):
            raise ValueError("it says nothing to do; give status, body, delay_seconds or kind")
        if self.retry_after is not None and self.status is None:
            raise ValueError("retry_after goes with a status")
        if self.content_type is not None and self.body is None:
            raise ValueError("content_type goes with a body")
        return self

    def wants(self, request: Request, path: str, machine: str, said: Mapping[str, str]) -> bool:
        """Whether the rule is for this request: of `machine`, for `path`, saying this."""
        return (
            (self.path is None or path.startswith(self.path))
            and (self.method is None or self.method.upper() == request.method)
            and (self.machine is None or folded(self.machine) == folded(machine))
            and all(said.get(name) == value for name, value in self.query.items())
        )

    def replacement(self, usual: Response) -> Response | None:
        """What is answered in place of the cloud's answer, None for nothing.

        Args:
            usual: what this cloud says with the rule's status.
        """
        if self.status is None and self.body is None:
            return None
        response = usual
        if self.body is not None:
            response = replace(response, body=self.body.encode(), content_type=self.content_type or usual.content_type)
        if self.retry_after is not None:
            response = replace(response, headers=(*response.headers, ("Retry-After", str(self.retry_after))))
        return response

    @property
    def delivery(self) -> Delivery:
        """How the answer is brought to the client."""
        return plain if self.kind is None else KINDS[self.kind]


@dataclass
class _InForce:
    rule: FaultRule
    left: int | None


class FaultPlan:
    """The rules in force; of several that are for a request, the one added first is applied."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: dict[str, _InForce] = {}
        self._numbers = itertools.count(1)

    def add(self, rule: FaultRule | None = None, **values: Any) -> str:
        """Add a rule, given whole or by its names and values; answers its id.

        Raises:
            SimulationError: the rule says nothing to do, or a value cannot be used.
        """
        if rule is None:
            try:
                rule = FaultRule.model_validate(values)
            except ValidationError as error:
                raise SimulationError(f"the fault cannot be added: {reason(error)}") from error
        with self._lock:
            number = str(next(self._numbers))
            self._rules[number] = _InForce(rule, rule.times)
        return number

    def clear(self) -> None:
        """Drop all rules; what they hold back already is still held back."""
        with self._lock:
            self._rules.clear()

    def list(self) -> list[dict[str, Any]]:
        """The rules in force, with `times` as what is left of it."""
        with self._lock:
            return [
                {"id": number, **in_force.rule.model_dump(exclude_defaults=True), "times": in_force.left}
                for number, in_force in self._rules.items()
            ]

    def take(self, request: Request, path: str, machine: str, said: Mapping[str, str]) -> FaultRule | None:
        """The rule for this request, counted as applied; None where there is none."""
        if not self._rules:
            return None
        with self._lock:
            for number, in_force in self._rules.items():
                if in_force.rule.wants(request, path, machine, said):
                    if in_force.left is not None:
                        in_force.left -= 1
                        if in_force.left == 0:
                            del self._rules[number]
                    return in_force.rule
        return None
