"""Which of the cloud's two services a request is for: the metadata server, or the Compute API."""

from datetime import datetime

from stormcone_simulators.google.compute import ComputeService
from stormcone_simulators.google.errors import ComputeError
from stormcone_simulators.google.metadata import MetadataServer, failure, is_metadata
from stormcone_simulators.http.messages import Later, Request, Response
from stormcone_simulators.machines import SimulatedMachine

_FAILS = "The service fails, as it was told to."


class GoogleWire:
    """The protocols of the metadata server and of the Compute API.

    Args:
        metadata: answers the one.
        compute: answers the other.
    """

    def __init__(self, metadata: MetadataServer, compute: ComputeService) -> None:
        self._metadata = metadata
        self._compute = compute

    def answer(self, request: Request, path: str, machine: SimulatedMachine, now: datetime) -> Response | Later:
        """What the cloud answers to `machine`."""
        if is_metadata(path):
            return self._metadata.answer(request, path, machine, now)
        return self._compute.answer(request, path, now)

    def failure(self, status: int, request: Request, path: str) -> Response:  # noqa: ARG002 - the wire's face
        """What the cloud says where it fails on this request with that status."""
        return failure(status) if is_metadata(path) else ComputeError(status, _FAILS).response()
