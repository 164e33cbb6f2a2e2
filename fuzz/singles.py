"""Documents that say one thing each, spoilt, against their readers: a window of Google's, a message of AWS's queue.

What must hold: a reader raises `ProviderError` alone; a document that was left as it was is read as it is read before;
whatever cannot be read is said; and what an event keeps of its document can be written down.
"""

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from documents import Entry, Wrong
from mutate import spoil_bytes, spoil_value, written
from stormcone.errors import ProviderError
from stormcone.model import MaintenanceEvent
from stormcone_aws import messages
from stormcone_aws.envelopes import LIFECYCLE
from stormcone_aws.health import HEALTH_CODES
from stormcone_google.keys import UPCOMING, HostPolicy, KeyContext, Vm
from stormcone_google.metadata import KeyAnswer
from stormcone_google.wire import KEYS, read_key

_POOL = 200
_SENT = datetime(2026, 1, 1, tzinfo=UTC)
_VM = KeyContext(vm=Vm(id="1234567890123456789", name="web-0"), scheduling=lambda: HostPolicy(migrates=True))


@dataclass(frozen=True)
class Reading:
    """What a reader made of a document; `unsaid`: that it made nothing of it and says nothing of that."""

    events: Sequence[MaintenanceEvent]
    unsaid: bool


@dataclass(frozen=True)
class Single:
    """One kind of document: how a sound one is made, and how one is read."""

    make: Callable[[Random], Entry]
    read: Callable[[bytes], Reading]


def _window(rng: Random) -> Entry:
    fields = {
        "canReschedule": rng.choice((True, "true", "TRUE", False)),
        "latestWindowStartTime": "2026-01-02T00:00:00Z",
        "maintenanceReasons": rng.choice((["PLANNED_UPDATE"], ["FAILURE_INFRA", "FAILURE_GPU"], [])),
        "maintenanceStatus": rng.choice(("PENDING", "ONGOING")),
        "type": rng.choice(("SCHEDULED", "UNSCHEDULED")),
        "windowEndTime": "2026-01-01T08:00:00Z",
        "windowStartTime": rng.choice(("2026-01-01T04:00:00Z", "2026-01-01T04:00:00.123+02:00")),
    }
    between = rng.choice(("", "_", "-"))
    return {_spelled(name, between): value for name, value in fields.items()}


def _spelled(name: str, between: str) -> str:
    return "".join(f"{between}{each.lower()}" if each.isupper() else each for each in name) if between else name


def _read_window(body: bytes) -> Reading:
    for key in KEYS:
        if key != UPCOMING:
            _quietly(key, body)
    found = read_key(UPCOMING, KeyAnswer(200, body), _VM)
    return Reading([found.event] if found.event else [], not (found.event or found.whole or found.problems))


def _quietly(key: str, body: bytes) -> None:
    try:
        read_key(key, KeyAnswer(200, body), _VM)
    except ProviderError:
        return


def _letter(rng: Random) -> Entry:
    instance = rng.choice(("i-0one", "i-0two"))
    (source, kind), detail = rng.choice(list(_DETAILS.items()))
    return {
        "version": "0",
        "id": "12345678-1234-1234-1234-123456789012",
        "detail-type": kind,
        "source": source,
        "account": "123456789012",
        "time": "2026-01-01T00:00:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:ec2:us-east-1:123456789012:instance/{instance}"],
        "detail": detail(rng, instance),
    }


_DETAILS: Mapping[tuple[str, str], Callable[[Random, str], Entry]] = {
    ("aws.ec2", messages.SPOT): lambda rng, instance: {
        "instance-id": instance,
        "instance-action": rng.choice(("terminate", "stop", "hibernate")),
    },
    ("aws.ec2", messages.REBALANCE): lambda _rng, instance: {"instance-id": instance},
    ("aws.ec2", messages.STATE): lambda rng, instance: {
        "instance-id": instance,
        "state": rng.choice(("running", "stopping", "stopped", "terminated")),
    },
    ("aws.autoscaling", LIFECYCLE): lambda _rng, instance: {
        "LifecycleActionToken": "87654321-4321-4321-4321-210987654321",
        "AutoScalingGroupName": "web",
        "LifecycleHookName": "drain",
        "EC2InstanceId": instance,
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
    },
    ("aws.health", messages.HEALTH): lambda rng, instance: {
        "eventArn": "arn:aws:health:us-east-1::event/EC2/X/EC2_1",
        "service": "EC2",
        "eventTypeCode": rng.choice(list(HEALTH_CODES)),
        "eventTypeCategory": "scheduledChange",
        "statusCode": rng.choice(("upcoming", "open", "closed")),
        "startTime": "Thu, 01 Jan 2026 04:00:00 GMT",
        "endTime": rng.choice(("Thu, 01 Jan 2026 06:00:00 GMT", "")),
        "eventDescription": [{"language": "en_US", "latestDescription": "A reboot is scheduled."}],
        "affectedEntities": [{"entityValue": instance, "tags": {}}],
    },
}


def _read_letter(body: bytes) -> Reading:
    said = messages.read_message(body.decode("utf-8", "replace"), _SENT)
    for event in said.events:
        messages.hook_of(event)
    return Reading(said.events, unsaid=False)  # a message may well mean nothing


SINGLES: Mapping[str, Single] = {
    "google": Single(_window, _read_window),
    "aws-queue": Single(_letter, _read_letter),
}


class SingleFuzzer:
    """Makes spoilt documents of one kind and has them read; see `DocumentFuzzer`."""

    def __init__(self, cloud: str, seed: int) -> None:
        self._single = SINGLES[cloud]
        rng = Random(f"{seed}:{cloud}")
        self._pool = [self._single.make(rng) for _ in range(_POOL)]
        self._alone = [self._single.read(json.dumps(each).encode()) for each in self._pool]
        self.readable = 0
        self.kept = 0

    def make(self, rng: Random) -> tuple[bytes, list[int]]:
        """A document, and its place in the pool where it was left as it was."""
        place = rng.randrange(_POOL)
        document = copy.deepcopy(self._pool[place])
        touched = rng.random() < 0.9
        if touched and rng.random() < 0.6:
            holder = [document]
            spoil_value(rng, holder)
            return written(rng, holder)[1:-1], []
        body = written(rng, document)
        return (spoil_bytes(rng, body), []) if touched else (body, [place])

    def check(self, body: bytes, untouched: Sequence[int]) -> None:
        """Have the document read.

        Raises:
            Wrong: a promise was broken.
        """
        try:
            read = self._single.read(body)
        except ProviderError as error:
            if untouched:
                raise Wrong(f"it is a document, and was refused: {error}") from None
            return
        self.readable += bool(read.events)
        if read.unsaid:
            raise Wrong("nothing was made of it, and nothing is said of that")
        for place in untouched:
            self.kept += 1
            if _told(read) != _told(self._alone[place]):
                raise Wrong("it was left as it was and is read otherwise")
        for event in read.events:
            json.dumps(event.native, allow_nan=False).encode()

    def check_small(self, _rng: Random, _body: bytes) -> None:
        """Nothing: there is nothing smaller."""


def _told(read: Reading) -> list[Any]:
    return [event.model_dump() for event in read.events]
