"""Which of AWS's services a request is for."""

from collections.abc import Mapping
from datetime import datetime

from stormcone_simulators.aws.api.gate import call_of, service_of
from stormcone_simulators.aws.api.service import AwsApis
from stormcone_simulators.aws.imds.pages import page
from stormcone_simulators.aws.imds.service import MetadataEndpoint
from stormcone_simulators.http.messages import Later, Request, Response
from stormcone_simulators.machines import SimulatedMachine


class AwsWire:
    """The protocols of the metadata service and of the APIs.

    Args:
        metadata: answers what is asked on an instance.
        apis: answer what is signed.
    """

    def __init__(self, metadata: MetadataEndpoint, apis: AwsApis) -> None:
        self._metadata = metadata
        self._apis = apis

    def answer(self, request: Request, path: str, machine: SimulatedMachine, now: datetime) -> Response | Later:
        """What the cloud answers to `machine`."""
        if _is_call(request, path):
            return self._apis.answer(request, now)
        return self._metadata.answer(request, path, machine, now)

    def failure(self, status: int, request: Request, path: str) -> Response:
        """What the cloud says where it fails with that status."""
        if _is_call(request, path):
            return self._apis.failure(status, request)
        return page(status)

    def parameters(self, request: Request, path: str) -> Mapping[str, str]:
        """What a request says that a fault can be for: of a call, its `Service` and its `Action` too."""
        return call_of(request) if _is_call(request, path) else request.query


def _is_call(request: Request, path: str) -> bool:
    """Whether a request is for one of the APIs, and not for the metadata service."""
    return not f"{path}/".startswith("/latest/") and service_of(request) is not None
