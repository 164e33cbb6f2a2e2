"""What an instance's metadata says of its maintenance, and what that means in neutral words; no network.

Each list of the metadata service is read on its own, into an observation of that list alone. An answer is either one
that can be read, of which everything readable is kept, or a `ProviderError`: "unknown", never "nothing is scheduled".

AWS gives an id to scheduled events alone, and says of no event that it has begun: that follows from its time. So the
ids of the others are made of what they are and of whom, and of nothing that moves.

Source of every table: EC2's documentation, unless a line says otherwise. What of it is unverified is in `docs/aws.md`.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from stormcone.clouds.dates import read_time
from stormcone.clouds.payload import read_fields, read_json, repeats
from stormcone.clouds.sightings import Sightings
from stormcone.errors import ProviderError
from stormcone.model import Cause, Ending, Impact, MaintenanceEvent, Observation, Origin, Phase
from stormcone.text import folded, printable
from stormcone_aws.kinds import (
    ENDED,
    EVENT_CODES,
    HIBERNATE,
    LIFECYCLE_STATES,
    PROVIDER,
    SPOT_ACTIONS,
    UNTOLD,
    ended_in,
    kind_of,
    lifecycle_id,
    rebalance_id,
    scheduled_id,
    spot_id,
)

SPOT_TYPE = "spot/"
"""How the `native_type` of a spot interruption begins; its action follows."""

REBALANCE_TYPE = "rebalance"
LIFECYCLE_TYPE = "lifecycle/"

NOT_LEAVING = frozenset({"", "inservice", "standby", "detached", "warmed:running"})
"""The target states that leave an instance where it is, or with its owner."""

_NO_WORDS = frozenset({"null", "none", "undefined", "true", "false"})
"""What programs write where they have nothing to say: none of them is a state."""

_LONGEST_WORD = 60


def _time(value: object) -> datetime | None:
    return None if isinstance(value, str) and not value.strip() else read_time(value)


Time = Annotated[datetime | None, BeforeValidator(_time)]


class ImdsEvent(BaseModel):
    """One scheduled event; every field may be absent, and `NotAfter` and `NotBeforeDeadline` often are."""

    model_config = ConfigDict(frozen=True, strict=True)

    event_id: str = Field("", alias="EventId")
    code: str = Field("", alias="Code")
    state: str = Field("", alias="State")
    description: str = Field("", alias="Description")
    not_before: Time = Field(None, alias="NotBefore")
    not_after: Time = Field(None, alias="NotAfter")
    deadline: Time = Field(None, alias="NotBeforeDeadline")


class SpotAction(BaseModel):
    """A spot interruption."""

    model_config = ConfigDict(frozen=True, strict=True)

    action: str = ""
    time: Time = None


class ImdsIdentity(BaseModel):
    """What the identity document says of an instance, as far as it matters here."""

    model_config = ConfigDict(frozen=True, strict=True)

    instance: str = Field("", alias="instanceId")
    account: str = Field("", alias="accountId")
    region: str = ""
    zone: str = Field("", alias="availabilityZone")


def read_identity(body: bytes) -> ImdsIdentity:
    """The identity document, without those of its fields that cannot be read.

    Raises:
        ValueError: it is none; the text says why, to go after "it".
    """
    document = read_json(body)
    if not isinstance(document, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004 (the caller's concern is the value)
    return read_fields(ImdsIdentity, document)[0]


def read_scheduled(body: bytes, instance: str) -> Observation:
    """The scheduled events that have not ended; of one that is listed as ended, that it has.

    Raises:
        ProviderError: it is no list, so what is scheduled is unknown.
    """
    sightings = Sightings()
    entries = _entries(body, "scheduled events", sightings)
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            sightings.unreadable(f"entry {number} of the scheduled events cannot be read: it is not an object")
            continue
        native, unreadable = read_fields(ImdsEvent, entry)
        event = scheduled_event(native, entry, instance)
        for field, trouble in unreadable.items():
            sightings.problem(f"event {event.id[:_LONGEST_WORD]} {field} cannot be read: {trouble}")
        for oddity in _oddities(native):
            sightings.problem(f"event {event.id[:_LONGEST_WORD]} {oddity}")
        sightings.add(event)
    return sightings.observation()


def read_history(body: bytes) -> Mapping[str, Ending]:
    """How events ended that are no longer scheduled, by their ids as they are compared.

    Raises:
        ProviderError: it is no list, so how they ended is unknown.
    """
    endings = {}
    if not body.strip():
        return {}  # unverified: that the list may be empty in this way too
    for entry in _entries(body, "ended events", Sightings()):
        if isinstance(entry, dict):
            native, _ = read_fields(ImdsEvent, entry)
            outcome = ENDED.get(folded(native.state) or ended_in(native.description))
            if native.event_id and outcome:
                endings[folded(native.event_id)] = Ending(outcome, native.state)
    return endings


def scheduled_event(native: ImdsEvent, entry: dict[str, JsonValue], instance: str) -> MaintenanceEvent:
    """The event that an entry means.

    Args:
        native: what of it could be read.
        entry: the whole.
        instance: whose list it stands in.
    """
    state = folded(native.state) or ended_in(native.description)
    outcome = ENDED.get(state)
    kind = kind_of(native.code, native.description)
    return MaintenanceEvent(
        id=native.event_id or scheduled_id(instance, native.code),
        id_origin=Origin.REPORTED if native.event_id else Origin.INFERRED,
        provider=PROVIDER,
        native_type=native.code or UNTOLD,
        native_status=native.state,
        impact=kind.impact,
        cause=kind.cause,
        phase=Phase.ENDED if outcome else Phase.SCHEDULED,
        phase_origin=Origin.REPORTED if outcome else Origin.INFERRED,
        outcome=outcome,
        outcome_origin=Origin.REPORTED if outcome else None,
        resources=(instance,),
        not_before=native.not_before,
        not_before_origin=Origin.REPORTED if native.not_before else None,
        movable_until=native.deadline,
        ends_by=native.not_after,
        description=native.description,
        native=entry,
    )


def read_spot(body: bytes, instance: str) -> Observation:
    """The interruption of a spot instance. A notice that cannot be read is one all the same.

    A hibernation begins as it is told; of the others the time may move from one answer to the next.

    Raises:
        ProviderError: it is no notice.
    """
    document = _document(body, "spot interruption")
    native, unreadable = read_fields(SpotAction, document)
    if not native.action and "time" not in document:
        raise ProviderError("AWS's answer about a spot interruption cannot be read: it has no action and no time")
    problems = [f"the spot interruption's {field} cannot be read: {trouble}" for field, trouble in unreadable.items()]
    action = folded(native.action)
    if action not in SPOT_ACTIONS:
        problems.append(f"the spot interruption has the unknown action {printable(native.action)[:_LONGEST_WORD]!r}")
    event = MaintenanceEvent(
        id=spot_id(instance),
        id_origin=Origin.INFERRED,
        provider=PROVIDER,
        native_type=f"{SPOT_TYPE}{native.action or 'unknown'}",
        native_status=native.action,
        impact=SPOT_ACTIONS.get(action, Impact.UNKNOWN),
        cause=Cause.PREEMPTION,
        phase=Phase.STARTED if action == HIBERNATE else Phase.SCHEDULED,
        phase_origin=Origin.INFERRED,
        resources=(instance,),
        not_before=native.time,
        not_before_origin=Origin.REPORTED if native.time else None,
        description="This spot instance will be interrupted.",
        native=document,
    )
    return Observation(events=(event,), problems=tuple(problems))


def read_termination_time(body: bytes, instance: str) -> Observation:
    """The end of a spot instance as older services tell it: a time, or any other text where there is none."""
    text = body.decode("utf-8", "replace").strip()
    try:
        time = read_time(text)
    except ValueError:
        return Observation()
    document = json.dumps({"action": "terminate", "time": time.isoformat()}).encode()
    event = read_spot(document, instance).events[0]
    return Observation(events=(event.but(native={"termination-time": text}),))


def read_rebalance(body: bytes, instance: str) -> Observation:
    """A recommendation to replace a spot instance, which is at a higher risk of being interrupted: perhaps.

    Its time says when it was given, not when anything begins.

    Raises:
        ProviderError: it is none.
    """
    event = MaintenanceEvent(
        id=rebalance_id(instance),
        id_origin=Origin.INFERRED,
        provider=PROVIDER,
        native_type=REBALANCE_TYPE,
        impact=Impact.TERMINATE,
        cause=Cause.PREEMPTION,
        phase=Phase.SCHEDULED,
        phase_origin=Origin.INFERRED,
        tentative=True,
        resources=(instance,),
        description="This spot instance is at an elevated risk of being interrupted.",
        native=_document(body, "rebalance recommendation"),
    )
    return Observation(events=(event,))


def read_lifecycle(body: bytes, instance: str) -> Observation:
    """Where Auto Scaling takes the instance: nowhere, or out of its group and away.

    When that happens it does not say: a lifecycle hook, where the group has one, waits for a time of its own.

    Raises:
        ProviderError: it is no state.
    """
    state = body.decode("utf-8", "replace").strip()
    if folded(state) in NOT_LEAVING:
        return Observation()
    known = {folded(name): impact for name, impact in LIFECYCLE_STATES.items()}
    if folded(state) not in known and not _is_state(state):
        raise ProviderError("AWS's answer about Auto Scaling's target state cannot be read: it is no state")
    problems = () if folded(state) in known else (f"the target lifecycle state {state!r} is not known",)
    event = MaintenanceEvent(
        id=lifecycle_id(instance),
        id_origin=Origin.INFERRED,
        provider=PROVIDER,
        native_type=f"{LIFECYCLE_TYPE}{state}",
        native_status=state,
        impact=known.get(folded(state), Impact.UNKNOWN),
        cause=Cause.SCALE_IN,
        phase=Phase.SCHEDULED,
        phase_origin=Origin.INFERRED,
        resources=(instance,),
        description="Auto Scaling takes this instance out of its group.",
        native={"target-lifecycle-state": state},
    )
    return Observation(events=(event,), problems=problems)


def _is_state(text: str) -> bool:
    word = text.replace(":", "").isalpha() and text.isascii() and len(text) <= _LONGEST_WORD
    return word and folded(text) not in _NO_WORDS


def _document(body: bytes, what: str) -> dict[str, JsonValue]:
    try:
        document = read_json(body)
    except ValueError as error:
        raise ProviderError(f"AWS's answer about a {what} cannot be read: it {error}") from None
    if not isinstance(document, dict):
        raise ProviderError(f"AWS's answer about a {what} cannot be read: it is not a JSON object")
    return document


def _entries(body: bytes, what: str, sightings: Sightings) -> list[JsonValue]:
    """The entries of a list; a single object is one of one entry, as some servers have it."""
    try:
        document = read_json(body)
    except ValueError as error:
        raise ProviderError(f"AWS's answer about {what} cannot be read: it {error}") from None
    if repeats(document):
        sightings.doubtful("a key appears twice in AWS's answer")
    if isinstance(document, dict) and "EventId" in document:
        return [document]
    if not isinstance(document, list):
        raise ProviderError(f"AWS's answer about {what} cannot be read: it is not a list of events")
    return document


def _oddities(native: ImdsEvent) -> Iterator[str]:
    """What a person should know of an event although nothing in it is unreadable."""
    if not native.event_id:
        yield "has no EventId, so it has one of its own here"
    if folded(native.code) not in {folded(code) for code in EVENT_CODES}:
        yield f"has the unknown Code {native.code[:_LONGEST_WORD]!r}, so its impact is unknown"
    if folded(native.state) not in {"active", *ENDED}:
        yield f"has the unknown State {native.state[:_LONGEST_WORD]!r}, so it is taken for active"
