"""Spoilt answers of AWS's APIs to their providers, through botocore: EC2's in XML, and SQS's in JSON.

What must hold: a provider raises `ProviderError` alone; an answer that was left as it was is read; an entry that was
left as it was, in an answer that is read at all, is read as it is read alone; and what cannot be read is said.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSResponse

from documents import Entry, Wrong
from mutate import spoil_bytes, spoil_value, written
from stormcone import ManualClock
from stormcone.errors import ProviderError
from stormcone.model import MaintenanceEvent, Observation
from stormcone_aws import sdk as aws_sdk
from stormcone_aws.kinds import EVENT_CODES
from stormcone_aws.messages import SPOT
from stormcone_aws.queue import AwsQueueProvider
from stormcone_aws.queue_settings import QueueSettings
from stormcone_aws.region import AwsRegionProvider, RegionSettings

_POOL = 200
_NOWHERE = "http://127.0.0.1:9"
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testid",
    "AWS_SECRET_ACCESS_KEY": "testsecret",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}

Poll = Callable[[aws_sdk.Sdk], Observation]


@dataclass(frozen=True)
class Service:
    """One service's answers.

    Attributes:
        name: botocore's word for it.
        entry: a sound entry, with something of its own in it.
        around: the answer with those entries.
        write: an answer as bytes.
        poll: has a provider read the answers.
        second: the call beside the one that is fuzzed, which is answered with something spoilt now and then, and what
            it is answered with otherwise.
    """

    name: str
    entry: Callable[[Random, str], Entry]
    around: Callable[[Sequence[Entry]], Entry]
    write: Callable[[Random, Any], bytes]
    poll: Poll
    second: tuple[str, bytes]


def _status(rng: Random, identifier: str) -> Entry:
    event = {
        "instanceEventId": f"instance-event-{identifier}",
        "code": rng.choice(list(EVENT_CODES)),
        "description": rng.choice(("scheduled reboot", "[Completed] scheduled reboot", "[Canceled] é & <b>")),
        "notBefore": "2026-01-21T09:00:43.000Z",
        "notAfter": "2026-01-21T11:00:43.000Z",
        "notBeforeDeadline": "2026-01-28T09:00:43.000Z",
    }
    return {
        "instanceId": f"i-{identifier}",
        "availabilityZone": "us-east-1a",
        "eventsSet": [dict(list(event.items())[: rng.choice((4, 5, 6))])],
        "instanceState": {"code": 16, "name": "running"},
    }


def _xml(_rng: Random, answer: Any) -> bytes:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Response>{_members(answer)}</Response>'
    return text.encode("utf-8", "surrogatepass")


def _members(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(f"<{name}>{_members(each)}</{name}>" for name, each in value.items())
    if isinstance(value, list):
        return "".join(f"<item>{_members(each)}</item>" for each in value)
    return "" if value is None else escape(value if isinstance(value, str) else json.dumps(value))


def _letter(rng: Random, identifier: str) -> Entry:
    said = {
        "version": "0",
        "detail-type": SPOT,
        "source": "aws.ec2",
        "time": "2026-01-01T00:00:00Z",
        "detail": {"instance-id": f"i-{identifier}", "instance-action": rng.choice(("terminate", "stop"))},
    }
    return {
        "MessageId": identifier,
        "ReceiptHandle": f"handle-{identifier}",
        "Body": json.dumps(said),
        "Attributes": {"SentTimestamp": "1767225600000"},
    }


def _poll_region(sdk: aws_sdk.Sdk) -> Observation:
    provider = AwsRegionProvider(RegionSettings(access=_ACCESS), sdk=sdk)
    observation = provider.poll()
    provider.outcomes([event.id for event in observation.events][:1] or ["instance-event-1"])
    return observation


def _poll_queue(sdk: aws_sdk.Sdk) -> Observation:
    settings = QueueSettings(access=_ACCESS, queue=f"{_NOWHERE}/123456789012/stormcone")
    provider = AwsQueueProvider(settings, clock=ManualClock(), sdk=sdk)
    observation = provider.poll()
    with suppress(ProviderError):
        provider.acknowledge(observation.receipt)
    with suppress(ProviderError):
        provider.identify()
    provider.poll()  # what could not be deleted is deleted again
    return observation


_ACCESS = aws_sdk.Access(region="us-east-1", endpoint=_NOWHERE)

SERVICES: Mapping[str, Service] = {
    "aws-region": Service(
        name="ec2",
        entry=_status,
        around=lambda entries: {"requestId": "1", "instanceStatusSet": list(entries)},
        write=_xml,
        poll=_poll_region,
        second=("DescribeInstances", b"<Response><requestId>1</requestId><reservationSet/></Response>"),
    ),
    "aws-messages": Service(
        name="sqs",
        entry=_letter,
        around=lambda entries: {"Messages": list(entries)},
        write=written,
        poll=_poll_queue,
        second=("DeleteMessageBatch", b'{"Successful": [], "Failed": []}'),
    ),
}


class AnswerFuzzer:
    """Makes spoilt answers of one service and has its provider read them; see `DocumentFuzzer`."""

    def __init__(self, cloud: str, seed: int) -> None:
        os.environ.update(_ENVIRONMENT)
        self._service = SERVICES[cloud]
        self._sdk = aws_sdk.Sdk(_ACCESS, ManualClock())
        client = self._sdk._client(self._service.name)
        client.meta.events.register(f"before-send.{self._service.name}", self._answer)
        rng = Random(f"{seed}:{cloud}")
        self._pool = [self._service.entry(rng, f"{rng.getrandbits(64):016x}") for _ in range(_POOL)]
        self._body, self._second = b"", self._service.second[1]
        self._alone = [self._read(self._sound([entry])).events[0] for entry in self._pool]
        self.readable = 0
        self.kept = 0

    def make(self, rng: Random) -> tuple[bytes, list[int]]:
        """An answer, and the places in the pool of what was left as it was in one of which no other byte is spoilt."""
        chosen = rng.sample(range(_POOL), rng.choice((1, 2, 3)))
        kind = rng.choice(("sound", "entry", "entry", "around", "bytes"))
        entries = [self._pool[place] for place in chosen]
        if kind == "entry":
            holder = [json.loads(json.dumps(entries[0]))]
            spoil_value(rng, holder)
            entries[:1], chosen = holder, chosen[1:]
        answer = self._service.around(json.loads(json.dumps(entries)) if kind == "around" else entries)
        if kind == "around":
            spoil_value(rng, answer)
        body = self._service.write(rng, answer)
        if kind == "bytes":
            body = spoil_bytes(rng, body)
        return body, chosen if kind in {"sound", "entry"} else []

    def check(self, body: bytes, untouched: Sequence[int]) -> None:
        """Have the answer read.

        Raises:
            Wrong: a promise was broken.
        """
        whole = untouched and body == self._sound([self._pool[place] for place in untouched])
        try:
            observation = self._read(body)
        except ProviderError as error:
            if whole:
                raise Wrong(f"it is an answer, and was refused: {error}") from None
            return
        self.readable += bool(observation.events)
        if not (observation.whole or observation.pushed or observation.problems):
            raise Wrong("it was not read whole, and nothing is said of that")
        read = {event.id: event for event in observation.events}
        for place in untouched:
            alone = self._alone[place]
            self.kept += 1
            if alone.id not in read:
                raise Wrong(f"the event {alone.id} is lost")
            if _told(read[alone.id]) != _told(alone):
                raise Wrong(f"the entry of {alone.id} was left as it was and is read otherwise")

    def check_small(self, rng: Random, body: bytes) -> None:
        """Have a spoilt answer read to the call beside it, where this one is sound: no event is lost by it."""
        place = rng.randrange(_POOL)
        self._second = body if rng.random() < 0.5 else spoil_bytes(rng, self._service.second[1])
        try:
            read = self._read(self._sound([self._pool[place]]))
        finally:
            self._second = self._service.second[1]
        if [event.id for event in read.events] != [self._alone[place].id]:
            raise Wrong(f"the event {self._alone[place].id} is lost by another answer")

    def _sound(self, entries: Sequence[Entry]) -> bytes:
        return self._service.write(Random(0), self._service.around(entries))

    def _read(self, body: bytes) -> Observation:
        self._body = body
        return self._service.poll(self._sdk)

    def _answer(self, request: Any, **_more: Any) -> AWSResponse:
        action = self._service.second[0]
        second = action in f"{request.headers.get('X-Amz-Target')} {request.body!r}"
        response = AWSResponse(request.url, 200, {"x-amzn-RequestId": "1"}, None)
        response._content = self._second if second else self._body
        return response


def _told(event: MaintenanceEvent) -> Any:
    return event.model_dump()
