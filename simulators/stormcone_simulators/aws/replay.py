"""Replaying what AWS said: an instance's metadata service, the APIs and a queue; see `stormcone_simulators.replay`.

Neither tokens nor signatures are looked at: they are not in a trace, and nobody is refused for want of one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import ClassVar

from stormcone.clouds.contract import ProviderOptions
from stormcone.clouds.exchange import Exchange
from stormcone.recording import Trace
from stormcone_simulators.aws.api import recorded as api
from stormcone_simulators.aws.imds import recorded as imds
from stormcone_simulators.aws.imds.pages import page
from stormcone_simulators.aws.site import DEFAULT_REGION
from stormcone_simulators.aws.sqs.recorded import RECEIVE, RecordedQueue, messages_in
from stormcone_simulators.aws.sqs.told import Told
from stormcone_simulators.events import SimulatedEvent
from stormcone_simulators.http.messages import Request, Response
from stormcone_simulators.replay import CloudReplay, ReplaySimulator
from stormcone_simulators.replay.track import Listing, LivePart, Track

QUEUE_PROVIDER = "aws-queue"
_REGION = "region:"
"""How the name of a machine begins that stands for a region."""


class AwsReplay(ReplaySimulator):
    """AWS as it was recorded; see `ReplaySimulator`."""

    name: ClassVar[str] = "aws"
    also: ClassVar[tuple[str, ...]] = (QUEUE_PROVIDER,)

    def protocol(self, traces: Sequence[Trace]) -> CloudReplay:  # noqa: ARG002 - it is the same for all
        """AWS's."""
        self._tracks: dict[str, Track] = {}
        self._queues: dict[str, RecordedQueue] = {}
        return _Protocol()

    def live(self, track: Track, begun: datetime) -> LivePart | None:
        """The queue, where one was asked."""
        self._tracks[track.machine] = track
        queue = RecordedQueue.of(track, begun)
        if queue is not None:
            self._queues[track.machine] = queue
        return queue

    def facts(self) -> Mapping[str, str]:
        """What a person needs in order to use it."""
        queues = {"queue": ", ".join(queue.name for queue in self._queues.values())} if self._queues else {}
        return {"metadata": f"{self.url}{imds.META}/", **queues, **super().facts()}

    def provider_options(self, machine: str | None = None) -> ProviderOptions:
        """How the provider that was recorded reaches it, as `machine` or the first one.

        The SDK signs with whatever credentials it finds, and wants some; they are not looked at.

        Raises:
            SimulationError: there is no such machine.
        """
        options = super().provider_options(machine)
        name = machine or self._machines.first.name
        track, queue = self._tracks[name], self._queues.get(name)
        region = name.removeprefix(_REGION) if name.startswith(_REGION) else None
        if track.provider == QUEUE_PROVIDER:
            settings = {"queue": queue.name} if queue else {}
            watched = None if region else name
            return replace(
                options,
                provider=QUEUE_PROVIDER,
                machine=watched,
                region=region or DEFAULT_REGION,
                settings=MappingProxyType(settings),
            )
        return replace(options, region=region, settings=MappingProxyType({"scope": "region"})) if region else options


class _Protocol:
    """AWS's `CloudReplay`."""

    def __init__(self) -> None:
        self._told = Told()

    def operation(self, request: Request, path: str) -> str | None:
        start = f"{path}/".find(f"{imds.ROOT}/")
        if start >= 0:
            return path[start:].rstrip("/")
        call = api.call_in(request)
        # A queue is no list of answers, and its older protocol is not simulated.
        return f"{call.protocol} {call.action}" if call and call.protocol != "sqs-query" else None

    def refusal(self, request: Request, path: str) -> None:  # noqa: ARG002 - the protocol's face
        return None

    def approves(self, request: Request, path: str) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's face
        call = api.call_in(request)
        return api.approved(call) if call else ()

    def approval(self, request: Request, path: str, unknown: str | None) -> Response:  # noqa: ARG002
        return api.approval(request, unknown)

    def composed(self, request: Request, path: str, answers: Sequence[Exchange]) -> None:  # noqa: ARG002
        return None

    def listed(self, request: Request, exchange: Exchange, operation: str) -> Listing | None:
        if operation == RECEIVE:
            return Listing(list(self._messages(exchange)), complete=False, of=RECEIVE)
        call = api.call_in(request)
        return api.listed(call, exchange) if call else imds.listed(request, exchange, operation)

    def _messages(self, exchange: Exchange) -> Sequence[SimulatedEvent]:
        return [event for _, body, _ in messages_in(exchange) for event in self._told.events(body, exchange.at)]

    def machine(self, exchange: Exchange, operation: str) -> str | None:
        return imds.machine(exchange, operation)

    def failure(self, status: int, request: Request, path: str) -> Response:
        if (self.operation(request, path) or "").startswith(imds.ROOT) or not api.call_in(request):
            return page(status)
        return api.refused(status, request)
