"""The Compute API: a VM, its upcoming maintenance, simulated maintenance, operations, and what the caller may do.

Source: the definition of the API that Google publishes, by its client library. Whatever is not here is refused with
the API's own kind of error; unverified, the messages of refusals.
"""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from stormcone.errors import SimulationError
from stormcone_simulators.google.errors import BAD_CREDENTIALS, NO_CREDENTIALS, ComputeError, unsupported
from stormcone_simulators.google.instance import email_of
from stormcone_simulators.google.model import GoogleModel
from stormcone_simulators.google.resources import ComputeOperation, as_list, instance
from stormcone_simulators.google.tokens import Tokens
from stormcone_simulators.http.bounds import read_json
from stormcone_simulators.http.messages import Request, Response, json_response, repeated_parameters

ROOT = "/compute/v1"

_KEPT = 1000
"""Operations that are remembered; the real service keeps them for a while that is not documented."""

_USUAL = frozenset({"alt", "$alt", "prettyPrint", "fields", "key", "quotaUser"})
"""Parameters that every method has; of these `fields` is refused, since it asks for a part."""

_PATH = re.compile(
    rf"{ROOT}/projects/(?P<project>[^/]+)/zones/(?P<zone>[^/]+)/(?P<kind>instances|operations)"
    r"(/(?P<name>[^/]+)(/(?P<verb>[^/]+))?)?"
)


PERMISSIONS = (
    "compute.instances.get",
    "compute.instances.performMaintenance",
    "compute.instances.simulateMaintenanceEvent",
)
"""What the caller of these methods must be granted, and `testIamPermissions` can be asked for here; the names follow
the API's, unverified but for the first."""

_READ, _PERFORM, _SIMULATE = PERMISSIONS
_TEST = "testIamPermissions"


class _Call(NamedTuple):
    """One call.

    Attributes:
        name: of the VM or operation; "" for all.
        query: its parameters.
        at: when.
        body: what it says beyond these.
    """

    name: str
    query: Mapping[str, str]
    at: datetime
    body: bytes


class _Method(NamedTuple):
    """One method of the API.

    Attributes:
        run: does it.
        parameters: what it takes beside what every method does.
        permission: what the caller must be granted; "" where the simulator asks for nothing.
        body: whether it takes a body.
    """

    run: Callable[[_Call], Response]
    parameters: frozenset[str] = frozenset()
    permission: str = ""
    body: bool = False


class ComputeService:
    """Answers the Compute API's calls.

    Args:
        model: the rules.
        tokens: of the VMs' service accounts, of which every call needs one.
        denied: permissions that these accounts lack.
    """

    def __init__(self, model: GoogleModel, tokens: Tokens, denied: Collection[str] = ()) -> None:
        self._model = model
        self._tokens = tokens
        self._denied = frozenset(denied)
        self._operations: dict[str, ComputeOperation] = {}
        self._by_request: dict[str, ComputeOperation] = {}
        self._made = 0
        twice = frozenset({"requestId"})
        self._methods: Mapping[tuple[str, str, str], _Method] = MappingProxyType(
            {
                ("GET", "instances", ""): _Method(self._list),
                ("GET", "instances", "name"): _Method(self._get, permission=_READ),
                ("POST", "instances", "performMaintenance"): _Method(self._perform, twice, permission=_PERFORM),
                ("POST", "instances", "simulateMaintenanceEvent"): _Method(
                    self._simulate, twice | {"withExtendedNotifications"}, permission=_SIMULATE
                ),
                ("POST", "instances", _TEST): _Method(self._test, body=True),
                ("GET", "operations", "name"): _Method(self._operation),
                ("POST", "operations", "wait"): _Method(self._operation),
            }
        )

    def answer(self, request: Request, path: str, now: datetime) -> Response:
        """What the API answers."""
        try:
            return self._answer(request, path, now)
        except ComputeError as error:
            return error.response()

    def _answer(self, request: Request, path: str, now: datetime) -> Response:
        self._authorize(request)
        match = _PATH.fullmatch(path)
        if match is None:
            raise unsupported(request, path)
        vms, name = self._model.vms, match["name"] or ""
        if match["project"] not in {vms.project, str(vms.project_number)}:
            raise ComputeError(404, f"The resource 'projects/{match['project']}' was not found")
        if match["zone"] != vms.zone:
            raise ComputeError(404, f"The resource 'projects/{vms.project}/zones/{match['zone']}' was not found")
        verb = match["verb"] or ("name" if name else "")
        known = self._methods.get((request.method, match["kind"], verb))
        if known is None:
            raise unsupported(request, path)
        self._check(request, known)
        if known.permission in self._denied:
            resource = f"projects/{vms.project}/zones/{vms.zone}/instances/{name}"
            raise ComputeError(403, f"Required '{known.permission}' permission for '{resource}'")
        return known.run(_Call(name, request.query, now, request.body))

    def _authorize(self, request: Request) -> None:
        authorization = request.header("authorization")
        if authorization is None:
            raise ComputeError(401, NO_CREDENTIALS)
        if self._tokens.bearer(authorization) is None:
            raise ComputeError(401, BAD_CREDENTIALS, "authError")

    @staticmethod
    def _check(request: Request, method: _Method) -> None:
        if repeated := repeated_parameters(request):
            raise ComputeError(400, f"Invalid value for '{repeated[0]}': it is given more than once", "invalid")
        unknown = sorted(set(request.query) - method.parameters - _USUAL)
        if unknown:
            raise ComputeError(400, f'Invalid JSON payload received. Unknown name "{unknown[0]}"', "badRequest")
        for name, value in (("alt", "json"), ("fields", "")):
            if request.query.get(name, value) not in {value, "*"}:
                raise ComputeError(501, f"The simulator does not support {name}={request.query[name]}.")
        if not method.body and request.body.strip() not in {b"", b"{}"}:
            raise ComputeError(400, "Of the simulator's calls, only testIamPermissions takes a body.", "badRequest")

    def _vm(self, name: str) -> str:
        vms = self._model.vms
        found = vms.find(name)
        if found is None:
            raise ComputeError(
                404, f"The resource 'projects/{vms.project}/zones/{vms.zone}/instances/{name}' was not found"
            )
        return found

    def _list(self, _call: _Call) -> Response:
        vms = self._model.vms
        path = f"projects/{vms.project}/zones/{vms.zone}/instances"
        items = [instance(self._model, machine.name) for machine in vms.machines]
        return json_response(200, as_list("compute#instanceList", path, items))

    def _get(self, call: _Call) -> Response:
        return json_response(200, instance(self._model, self._vm(call.name)))

    def _perform(self, call: _Call) -> Response:
        vm = self._vm(call.name)

        def begin() -> None:
            if self._model.perform(vm, call.at) is None:
                raise ComputeError(
                    400, f"Instance '{vm}' has no upcoming maintenance that can be performed.", "conditionNotMet"
                )

        return self._begun("performMaintenance", vm, call, begin)

    def _simulate(self, call: _Call) -> Response:
        vm = self._vm(call.name)
        if call.query.get("withExtendedNotifications", "false").lower() != "false":
            raise ComputeError(501, "The simulator does not support withExtendedNotifications.")

        def begin() -> None:
            try:
                self._model.simulate(vm, call.at)
            except SimulationError as error:
                raise ComputeError(400, f"Instance '{vm}' is under maintenance: {error}", "resourceNotReady") from error

        return self._begun("simulateMaintenanceEvent", vm, call, begin)

    def _test(self, call: _Call) -> Response:
        """Which of the permissions that the body names the caller has; it needs none itself."""
        self._vm(call.name)
        try:
            body = read_json(call.body or b"{}")
        except ValueError:
            raise ComputeError(400, "Invalid JSON payload received. Expected an object.", "badRequest") from None
        if not isinstance(body, dict) or set(body) - {"permissions"}:
            raise ComputeError(400, "Invalid JSON payload received. Unknown name.", "badRequest")
        asked = body.get("permissions", [])
        if not isinstance(asked, list) or not all(isinstance(each, str) for each in asked):
            raise ComputeError(400, "Invalid value at 'permissions'.", "invalid")
        for name in asked:
            if name not in PERMISSIONS:  # the real service knows many more
                raise ComputeError(400, f"Permission {name} is not valid for this resource.", "badRequest")
        granted = [name for name in asked if name not in self._denied]
        return json_response(200, {"permissions": granted} if granted else {})

    def _begun(self, kind: str, vm: str, call: _Call, begin: Callable[[], None]) -> Response:
        """The operation that a call begins; one with the same `requestId` is the same, and begins nothing."""
        asked = call.query.get("requestId", "")
        known = self._by_request.get(asked) if asked else None
        if known is None:
            begin()
            self._made += 1
            user = email_of(self._model.vms)
            known = ComputeOperation(number=self._made, kind=kind, vm=vm, user=user, at=call.at)
            self._operations[known.name] = known
            if asked:
                self._by_request[asked] = known
            for kept in (self._operations, self._by_request):
                if len(kept) > _KEPT:
                    del kept[next(iter(kept))]
        return json_response(200, known.document(self._model.vms, done=False))

    def _operation(self, call: _Call) -> Response:
        """An operation; it is done by the time that anybody asks (unverified)."""
        vms = self._model.vms
        found = self._operations.get(call.name)
        if found is None:
            place = f"projects/{vms.project}/zones/{vms.zone}/operations/{call.name}"
            raise ComputeError(404, f"The resource '{place}' was not found")
        return json_response(200, found.document(vms, done=True))
