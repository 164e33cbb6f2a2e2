"""The clouds' documents, spoilt, against the providers' readers.

What must hold: a reader raises `ProviderError` alone; where the document still is one (by a plain JSON parser), every
entry in it that was left as it was is read as it is read alone, and every entry that has an id of its own is there.
"""

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from mutate import spoil_bytes, spoil_value, written
from stormcone.errors import ProviderError
from stormcone.model import MaintenanceEvent
from stormcone.text import folded
from stormcone_alibaba import notifications
from stormcone_alibaba import wire as alibaba
from stormcone_aws import wire as aws
from stormcone_aws.kinds import EVENT_CODES
from stormcone_azure import wire as azure

ACTION = "DescribeInstanceHistoryEvents"

_SLOT = '"@entries@"'
_POOL = 400

Entry = dict[str, Any]


class Wrong(Exception):
    """A promise was broken; the text says which."""


@dataclass(frozen=True)
class Read:
    """What a reader made of a document: the events by their ids in one case, and whether it says that it is all."""

    events: Mapping[str, MaintenanceEvent]
    complete: bool
    problems: Sequence[str]


@dataclass(frozen=True)
class Documents:
    """One cloud's documents.

    Attributes:
        entry: a sound entry of that id.
        around: a document whose entries are "@entries@".
        entries: the list of entries in what a plain parser made of a document, None where it is no document.
        read: the reader.
    """

    entry: Callable[[Random, str], Entry]
    around: Callable[[Random], Entry | list[Any]]
    entries: Callable[[Any], list[Any] | None]
    read: Callable[[bytes], Read]


def _azure_entry(rng: Random, identifier: str) -> Entry:
    started = rng.random() < 0.3
    entry = {
        "EventId": rng.choice((identifier, identifier.upper())),
        "EventStatus": "Started" if started else "Scheduled",
        "EventType": rng.choice(list(azure.EVENT_TYPES)),
        "ResourceType": "VirtualMachine",
        "Resources": rng.sample(["web-0", "web-1", "WestNO_0", "db_17"], rng.randint(1, 3)),
        "NotBefore": "" if started else rng.choice(("Mon, 11 Apr 2022 22:26:58 GMT", "2025-07-01T10:00:00Z")),
        "Description": rng.choice(("", "Host server is undergoing maintenance.", "é")),
        "EventSource": rng.choice(("Platform", "User")),
        "DurationInSeconds": rng.choice((-1, 0, 5, 9)),
    }
    return dict(list(entry.items())[: rng.choice((6, 7, 8, 9, 9, 9))])


def _azure_around(rng: Random) -> Entry:
    return {"DocumentIncarnation": rng.randint(1, 99), "Events": "@entries@"}


def _azure_entries(document: Any) -> list[Any] | None:
    entries = document.get("Events") if isinstance(document, dict) else None
    return entries if isinstance(entries, list) else None


def _azure_read(body: bytes) -> Read:
    seen = azure.read_document(body)
    return Read({event.key.id: event for event in seen.events}, seen.reads_whole(), seen.problems)


def _alibaba_entry(rng: Random, identifier: str) -> Entry:
    status = rng.choice(list(alibaba.STATUSES))
    return {
        "EventId": f"e-{identifier}",
        "InstanceId": rng.choice(("i-aaa", "i-bbb")),
        "ResourceType": "instance",
        "EventType": {"Code": rng.randint(0, 99), "Name": rng.choice(list(alibaba.EVENT_TYPES))},
        "EventCycleStatus": rng.choice(({"Code": 24, "Name": status}, {"Name": status})),
        "EventPublishTime": "2026-01-01T00:00:00Z",
        "NotBefore": rng.choice(("2026-01-01T00:15:00Z", "")),
        "EventFinishTime": rng.choice(("2026-01-01T01:00:00Z", "")),
        "Reason": rng.choice(("", "A simulated event.", "é")),
        "ImpactLevel": "",
        "ExtendedAttribute": {},
    }


def _alibaba_around(rng: Random) -> Entry:
    paging = rng.choice(({}, {"NextToken": "token"}, {"PageNumber": 1, "PageSize": 10, "TotalCount": 3}))
    return {"RequestId": "B61C08E5", **paging, "InstanceSystemEventSet": {"InstanceSystemEventType": "@entries@"}}


def _alibaba_entries(document: Any) -> list[Any] | None:
    if not isinstance(document, dict) or "RequestId" not in document or "Code" in document:
        return None
    events = document.get("InstanceSystemEventSet")
    entries = events.get("InstanceSystemEventType") if isinstance(events, dict) else None
    return entries if isinstance(entries, list) else None


def _alibaba_read(body: bytes) -> Read:
    page = alibaba.read_page(alibaba.read_answer(body, ACTION))
    readings = [alibaba.read_entry(entry) for entry in page.entries]
    events: dict[str, MaintenanceEvent] = {}
    for reading in readings:
        if reading.event is not None:
            events.setdefault(reading.event.key.id, reading.event)
    problems = [problem for reading in readings for problem in reading.problems]
    return Read(events, all(reading.event is not None for reading in readings), problems)


def _aws_entry(rng: Random, identifier: str) -> Entry:
    return {
        "NotBefore": "21 Jan 2026 09:00:43 GMT",
        "Code": rng.choice(list(EVENT_CODES)),
        "Description": rng.choice(("scheduled reboot", "power maintenance", "é")),
        "EventId": f"instance-event-{identifier}",
        "NotAfter": "21 Jan 2026 09:17:23 GMT",
        "State": "active",
    }


def _aws_around(_rng: Random) -> list[Any]:
    return ["@entries@"]


def _aws_entries(document: Any) -> list[Any] | None:
    return document if isinstance(document, list) else None


def _aws_read(body: bytes) -> Read:
    seen = aws.read_scheduled(body, "i-aaa")
    # A key that stands twice anywhere withholds the approval of all entries, and none of them can be approved anyhow.
    events = (event.but(withheld="") for event in seen.events)
    return Read({event.key.id: event for event in events}, seen.reads_whole(), seen.problems)


CLOUDS: Mapping[str, Documents] = {
    "aws": Documents(_aws_entry, _aws_around, _aws_entries, _aws_read),
    "azure": Documents(_azure_entry, _azure_around, _azure_entries, _azure_read),
    "alibaba": Documents(_alibaba_entry, _alibaba_around, _alibaba_entries, _alibaba_read),
}


class DocumentFuzzer:
    """Makes spoilt documents of one cloud and has them read."""

    def __init__(self, cloud: str, seed: int) -> None:
        self._documents = CLOUDS[cloud]
        rng = Random(f"{seed}:{cloud}")
        self._pool = [self._documents.entry(rng, f"{rng.getrandbits(64):016x}") for _ in range(_POOL)]
        self._alone = [self._event_alone(entry) for entry in self._pool]
        self._written = [[written(rng, entry) for _ in range(3)] for entry in self._pool]
        self.readable = 0
        self.kept = 0

    def _event_alone(self, entry: Entry) -> MaintenanceEvent:
        around = json.dumps(self._documents.around(Random(0)))
        (event,) = self._documents.read(_filled(around.encode(), json.dumps(entry).encode())).events.values()
        return event

    def make(self, rng: Random) -> tuple[bytes, list[int]]:
        """A spoilt document, and which entries of the pool stand in it as they are unless bytes around them moved."""
        chosen = rng.sample(range(_POOL), rng.choice((1, 2, 2, 3, 5)))
        touched = {place for place in chosen if rng.random() < 0.5}
        around = self._documents.around(rng)
        if rng.random() < 0.2:
            spoil_value(rng, around)
        parts = []
        for place in chosen:
            entry = self._pool[place]
            if place not in touched:
                parts.append(rng.choice(self._written[place]))
            elif rng.random() < 0.6:
                holder = [copy.deepcopy(entry)]
                spoil_value(rng, holder)
                parts.append(written(rng, holder)[1:-1])
            else:
                parts.append(spoil_bytes(rng, rng.choice(self._written[place])))
        body = _filled(written(rng, around), b", ".join(parts))
        if rng.random() < 0.2:
            body = spoil_bytes(rng, body)
        return body, [place for place in chosen if place not in touched]

    def check(self, body: bytes, untouched: Sequence[int]) -> None:
        """Have the document read.

        Raises:
            Wrong: a promise was broken.
        """
        entries = self._documents.entries(_plain(body))
        try:
            read = self._documents.read(body)
        except ProviderError as error:
            if entries is not None:
                raise Wrong(f"it is a document, and was refused: {error}") from None
            return
        if entries is None:
            raise Wrong("it is no document, and was read")
        self.readable += 1
        if not (read.complete or read.problems):
            raise Wrong("it was not read whole, and nothing is said of that")
        self._compare(entries, untouched, read)

    def _compare(self, entries: Sequence[Any], untouched: Sequence[int], read: Read) -> None:
        ids = [_id_of(entry) for entry in entries]
        for place in untouched:
            entry, alone = self._pool[place], self._alone[place]
            if entry in entries and ids.count(alone.key.id) == 1:
                self.kept += 1
                if read.events.get(alone.key.id) != alone:
                    raise Wrong(f"the entry {alone.id} was left as it was and is read otherwise")
        for identifier in ids:
            if identifier is not None and identifier not in read.events:
                raise Wrong(f"the event {identifier} is lost")
        for event in read.events.values():
            json.dumps(event.native, allow_nan=False).encode()

    def check_small(self, rng: Random, body: bytes) -> None:
        """Have the readers of other, smaller things read it: none of them may fail otherwise than it says."""
        text = body[: rng.randrange(200)].decode(errors="replace")
        notifications.read_hint(body)
        alibaba.spot_event(text, "i-aaa")
        for reader in (aws.read_spot, aws.read_rebalance, aws.read_lifecycle, aws.read_termination_time):
            with suppress(ProviderError):
                reader(body, "i-aaa")
        with suppress(ProviderError):
            aws.read_history(body)
        try:
            azure.read_compute(body)
        except ValueError:
            return


def _filled(around: bytes, entries: bytes) -> bytes:
    """The document with its entries, which are a list there, or, where it is a list itself, its own."""
    slot = _SLOT.encode()
    return around.replace(slot, entries if around.lstrip()[:1] == b"[" else b"[" + entries + b"]")


def _plain(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8", "replace").removeprefix("\ufeff"), parse_int=_integer)
    except (ValueError, RecursionError):
        return None


def _integer(text: str) -> int | str:
    return int(text) if len(text) < 100 else text


def _id_of(entry: Any) -> str | None:
    """The id by which the entry's event must be found, None where it has none that is sure."""
    identifier = entry.get("EventId") if isinstance(entry, dict) else None
    if not isinstance(identifier, str) or not identifier.strip():
        return None
    # A lone surrogate is replaced by the reader.
    return folded(identifier.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
