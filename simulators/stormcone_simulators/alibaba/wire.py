"""Which of the cloud's two services a request is for: the API, or the metadata service."""

from collections.abc import Mapping
from datetime import datetime

from stormcone_simulators.alibaba.gate import Call
from stormcone_simulators.alibaba.metadata import ROOT, MetadataService, failure, is_metadata
from stormcone_simulators.alibaba.rpc import Api
from stormcone_simulators.http.messages import Request, Response, problem
from stormcone_simulators.machines import SimulatedMachine


class AlibabaWire:
    """The protocols of the API and of the metadata service.

    Args:
        api: answers the one.
        metadata: answers the other.
    """

    def __init__(self, api: Api, metadata: MetadataService) -> None:
        self._api = api
        self._metadata = metadata

    def answer(self, request: Request, path: str, machine: SimulatedMachine, now: datetime) -> Response:
        """What the cloud answers to `machine`."""
        if is_metadata(request, path):
            return self._metadata.answer(request, path, machine, now)
        if path.strip("/"):
            return problem(404, f"there is no {path}: the API is at /, the metadata service at {ROOT}")
        return self._api.answer(Call.of(request, path), machine.name, now)

    def failure(self, status: int, request: Request, path: str) -> Response:
        """What the cloud says where it fails on this request with that status."""
        if is_metadata(request, path):
            return failure(status)
        return self._api.failure(Call.of(request, path), status)

    def parameters(self, request: Request, path: str) -> Mapping[str, str]:
        """What a request says, wherever it stands: of a call of the API also what is in a form or in headers."""
        if is_metadata(request, path):
            return request.query
        call = Call.of(request, path)
        return {**call.parameters, "Action": call.action, "Version": call.version}
