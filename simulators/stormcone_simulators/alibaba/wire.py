"""Which of the cloud's two services a request is for: the API at `/`, or the metadata service at `/latest`."""

from datetime import datetime

from stormcone_simulators.alibaba.gate import Call
from stormcone_simulators.alibaba.metadata import ROOT, MetadataService, failure
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
        if _is_metadata(path):
            return self._metadata.answer(request, path, machine, now)
        if path.strip("/"):
            return problem(404, f"there is no {path}: the API is at /, the metadata service at {ROOT}")
        return self._api.answer(Call.of(request, path), machine.name, now)

    def failure(self, status: int, request: Request, path: str) -> Response:
        """What the cloud says where it fails on this request with that status."""
        if _is_metadata(path):
            return failure(status)
        return self._api.failure(Call.of(request, path), status)


def _is_metadata(path: str) -> bool:
    return f"{path}/".startswith(f"{ROOT}/")
