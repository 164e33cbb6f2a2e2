"""Replaying what Google's metadata server and the Compute API said; see `stormcone_simulators.replay`.

Tokens are not looked at: they are not in a trace, so one is made up for whoever asks for it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from stormcone.clouds.exchange import Exchange
from stormcone.model import Cause, Impact, Phase
from stormcone.recording import Trace
from stormcone_simulators.events import SimulatedEvent
from stormcone_simulators.google.errors import FLAVOR, NO_FLAVOR, ComputeError, metadata_error
from stormcone_simulators.google.metadata import ROOT, failure, has_flavor
from stormcone_simulators.google.types import EVENT_TYPES, MAINTENANCE, PREEMPTED, UPCOMING
from stormcone_simulators.http.bounds import read_json
from stormcone_simulators.http.messages import Request, Response, json_response
from stormcone_simulators.replay import CloudReplay, ReplaySimulator
from stormcone_simulators.replay.track import Listing, time_in

_API = "/compute/v1/"
_PERFORM = re.compile(rf"{_API}.*/instances/(?P<vm>[^/]+)/performMaintenance")
_KEYS = tuple(f"{ROOT}/instance/{key}" for key in (PREEMPTED, MAINTENANCE, UPCOMING))
_TOKEN = f"{ROOT}/instance/service-accounts/default/token"
_MADE_UP = {"access_token": "replay", "expires_in": 3600, "token_type": "Bearer"}
_NOTHING = frozenset({"NONE", "FALSE", "{}", "null", ""})


class GoogleReplay(ReplaySimulator):
    """Google's metadata server and Compute API as they were recorded; see `ReplaySimulator`."""

    name: ClassVar[str] = "google"

    def protocol(self, traces: Sequence[Trace]) -> CloudReplay:  # noqa: ARG002 - it is the same for all
        """Google's."""
        return _Protocol()

    def facts(self) -> Mapping[str, str]:
        """What a person needs in order to use it."""
        return {"metadata": f"{self.url}{ROOT}/", "header": "Metadata-Flavor: Google", **super().facts()}


class _Protocol:
    """Google's `CloudReplay`."""

    def operation(self, request: Request, path: str) -> str | None:  # noqa: ARG002 - the protocol's face
        for root in (f"{ROOT}/", _API):
            start = f"{path}/".find(root)
            if start >= 0:
                return path[start:].rstrip("/")
        return None

    def refusal(self, request: Request, path: str) -> Response | None:
        operation = self.operation(request, path) or ""
        if operation.startswith(_API):
            return None
        if not has_flavor(request):
            return metadata_error(403, NO_FLAVOR)
        if operation == _TOKEN:
            return json_response(200, _MADE_UP, FLAVOR)
        return None

    def approves(self, request: Request, path: str) -> tuple[str, ...]:
        match = _PERFORM.fullmatch(self.operation(request, path) or "")
        return (f"{UPCOMING}/{match['vm']}",) if match is not None and request.method == "POST" else ()

    def approval(self, request: Request, path: str, unknown: str | None) -> Response:  # noqa: ARG002
        if unknown is not None:
            return ComputeError(400, "There is no upcoming maintenance that can be performed.").response()
        return json_response(200, {"name": "operation-replay", "operationType": "performMaintenance"})

    def composed(self, request: Request, path: str, answers: Sequence[Exchange]) -> None:  # noqa: ARG002
        return None

    def listed(self, request: Request, exchange: Exchange, operation: str) -> Listing | None:
        if operation not in _KEYS or request.method != "GET" or exchange.status not in {200, 404, 503}:
            return None
        key = operation.rpartition("/")[2]
        event = _event(key, exchange) if exchange.status == 200 else None
        return Listing([event] if event else [], of=key)

    def machine(self, exchange: Exchange, operation: str) -> str | None:
        named = operation == f"{ROOT}/instance/name" and exchange.status == 200
        return exchange.body.decode(errors="replace") if named else None

    def failure(self, status: int, request: Request, path: str) -> Response:
        if (self.operation(request, path) or "").startswith(_API):
            return ComputeError(status, "So it was recorded.").response()
        return failure(status)


def _event(key: str, exchange: Exchange) -> SimulatedEvent | None:
    """The event that a key's answer means, or None; its id is the key and the VM, which has one of each at a time."""
    text = exchange.body.decode(errors="replace").strip()
    if text in _NOTHING:
        return None
    document = _object(exchange.body) if key == UPCOMING else {}
    native_type = {PREEMPTED: "PREEMPTED", UPCOMING: str(document.get("type", ""))}.get(key, text)
    known = EVENT_TYPES.get(native_type)
    ongoing = str(document.get("maintenancestatus", "")).upper() == "ONGOING"
    return SimulatedEvent(
        id=f"{key}/",
        impact=known.impacts[0] if known else Impact.UNKNOWN,
        cause=known.cause if known else Cause.UNKNOWN,
        native_type=native_type,
        resources=(),
        not_before=time_in(document.get("windowstarttime"), exchange.at),
        duration=None,
        started_for=None,
        description="",
        created_at=exchange.at,
        starts_at=None,
        phase=Phase.STARTED if ongoing else Phase.SCHEDULED,
    )


def _object(body: bytes) -> dict[str, Any]:
    """The fields of a document, by their names without what spellings differ in."""
    try:
        document = read_json(body)
    except (ValueError, json.JSONDecodeError):
        return {}
    if not isinstance(document, dict):
        return {}
    return {re.sub(r"[_-]", "", name).lower(): value for name, value in document.items()}
