"""Which of AWS's services a request is for."""

from datetime import datetime

from stormcone_simulators.aws.imds.pages import page
from stormcone_simulators.aws.imds.service import MetadataEndpoint
from stormcone_simulators.http.messages import Later, Request, Response
from stormcone_simulators.machines import SimulatedMachine


class AwsWire:
    """The protocol of the metadata service.

    Args:
        metadata: answers it.
    """

    def __init__(self, metadata: MetadataEndpoint) -> None:
        self._metadata = metadata

    def answer(self, request: Request, path: str, machine: SimulatedMachine, now: datetime) -> Response | Later:
        """What the cloud answers to `machine`."""
        return self._metadata.answer(request, path, machine, now)

    def failure(self, status: int, request: Request, path: str) -> Response:  # noqa: ARG002 - a cloud's face
        """What the cloud says where it fails with that status."""
        return page(status)
