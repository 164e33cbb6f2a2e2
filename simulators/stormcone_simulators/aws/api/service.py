"""AWS's APIs on one address: which service a call is for, whether it is let in, and how it is refused."""

from collections.abc import Callable, Mapping
from datetime import datetime

from stormcone_simulators.aws.api.errors import FORMS, AwsError, failure, in_ec2
from stormcone_simulators.aws.api.gate import SERVICES, AwsGate, protocol_of, service_of
from stormcone_simulators.aws.autoscaling import hooks
from stormcone_simulators.aws.ec2 import operations
from stormcone_simulators.aws.model import AwsModel
from stormcone_simulators.aws.sqs.operations import SqsService
from stormcone_simulators.http.messages import Later, Request, Response

Answering = Callable[[Request, datetime], Response | Later]


class AwsApis:
    """EC2, SQS and EC2 Auto Scaling.

    Args:
        model: the rules.
        gate: who may call.
        queues: the queues.
    """

    def __init__(self, model: AwsModel, gate: AwsGate, queues: SqsService) -> None:
        self._gate = gate
        self._services: Mapping[str, Answering] = {
            "ec2": lambda request, now: operations.answer(request, model, now),
            "autoscaling": lambda request, now: hooks.answer(request, model, now),
            "sqs": queues.answer,
        }

    def answer(self, request: Request, now: datetime) -> Response | Later:
        """What the service says that the request is for."""
        written = FORMS.get(protocol_of(request), in_ec2)
        answering = self._services.get(service_of(request) or "ec2", _not_simulated)
        try:
            self._gate.admit(request)
            return refusing(answering(request, now), written)
        except AwsError as error:
            return written(error)

    def failure(self, status: int, request: Request) -> Response:
        """What the service says where it fails with that status."""
        return failure(protocol_of(request), status)


def _not_simulated(_request: Request, _now: datetime) -> Response:
    raise AwsError("InvalidAction", f"This service is not simulated; there are {', '.join(SERVICES)}")


def refusing(answer: Response | Later, written: Callable[[AwsError], Response]) -> Response | Later:
    """The answer, also where it is one that waits: what it is refused with later is written as well."""
    if isinstance(answer, Response) or answer.again is None:
        return answer
    again = answer.again

    def later(now: datetime) -> Response | Later:
        try:
            return refusing(again(now), written)
        except AwsError as error:
            return written(error)

    return Later(answer.seconds, again=later)
