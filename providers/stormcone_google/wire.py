"""What the metadata server says of maintenance, and what it means in neutral words; no network.

Three keys announce something, and each is a listing of its own: `preempted` and `maintenance-event` hold one word and
no time; `upcoming-maintenance` holds a window. None of them has an id, so an event's id is the key and the VM's own
id: facts that stay, whatever else changes.

Source of every table: Compute Engine's documentation of VM metadata and host maintenance and its API's definition,
unless a line says otherwise.
"""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType

from stormcone.clouds.payload import read_json
from stormcone.model import Cause, Impact
from stormcone.text import folded
from stormcone_google.keys import (
    MAINTENANCE,
    NONE,
    PREEMPTED,
    UPCOMING,
    HostPolicy,
    KeyContext,
    KeyReading,
    key_event,
    same_name,
    text_of,
    truth,
    unreadable,
)
from stormcone_google.metadata import NOT_FOUND, UNAVAILABLE, KeyAnswer
from stormcone_google.upcoming import read_upcoming

SHUTDOWN = timedelta(seconds=30)
"""How long a preempted VM has to shut down, at the most and by best effort: then it is switched off."""

MAINTENANCE_NOTICE = timedelta(seconds=60)
"""From the word in `maintenance-event` to the maintenance, where the key has been read since the last one. VMs with a
GPU are said to have an hour; that is unverified, so nobody counts on more than this."""

MIGRATE = "MIGRATE_ON_HOST_MAINTENANCE"
TERMINATE = "TERMINATE_ON_HOST_MAINTENANCE"

_PREEMPTED_TYPE = "PREEMPTED"
_EVENT_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*")
_NO_WORDS = frozenset({"null", "undefined", "true", "false"})


def read_key(key: str, answer: KeyAnswer, context: KeyContext) -> KeyReading:
    """What a key's answer means; see `KEYS`."""
    if answer.status == NOT_FOUND:
        return KeyReading()  # this VM has no such key: it is not supported
    reading = KEYS[key](answer, context)
    if reading.event is None or context.vm.known:
        return reading
    return KeyReading(None, ("it announces something, but it is not known yet of which machine",), whole=False)


def read_preempted(answer: KeyAnswer, context: KeyContext) -> KeyReading:
    """`TRUE` once the VM is taken away, and from then on; `FALSE` before."""
    text = text_of(answer)
    taken = truth(text)
    if taken is None:
        return unreadable(text)
    if not taken:
        return KeyReading()
    event = key_event(
        PREEMPTED,
        context.vm,
        native_type=_PREEMPTED_TYPE,
        native_status=text,
        impact=context.preemption,
        cause=Cause.PREEMPTION,
        notice=context.preemption_notice + SHUTDOWN,
        native={PREEMPTED: text},
    )
    return KeyReading(event)


def read_maintenance(answer: KeyAnswer, context: KeyContext) -> KeyReading:
    """One word: `NONE`, or what is about to be done."""
    text = text_of(answer)
    word = folded(text)
    if word == NONE:
        return KeyReading()
    if not _EVENT_WORD.fullmatch(text) or word in _NO_WORDS or len(text) > 100:
        return unreadable(text)
    impact = Impact.UNKNOWN
    if word == folded(MIGRATE):
        impact = Impact.FREEZE
    elif word == folded(TERMINATE):
        impact = context.scheduling().terminated
    event = key_event(
        MAINTENANCE,
        context.vm,
        native_type=text,
        native_status=text,
        impact=impact,
        cause=Cause.MAINTENANCE,
        notice=MAINTENANCE_NOTICE,
        native={MAINTENANCE: text},
    )
    known = impact is not Impact.UNKNOWN
    return KeyReading(event, () if known else (f"it says {text!r}, which is not known: so is its impact",))


KEYS: Mapping[str, Callable[[KeyAnswer, KeyContext], KeyReading]] = MappingProxyType(
    {PREEMPTED: read_preempted, MAINTENANCE: read_maintenance, UPCOMING: read_upcoming}
)
"""The keys below `instance/` that announce something, in the order in which they are asked: shortest notice first."""

ACCEPTED: Mapping[str, frozenset[int]] = MappingProxyType(
    {
        PREEMPTED: frozenset({NOT_FOUND}),
        MAINTENANCE: frozenset({NOT_FOUND}),
        UPCOMING: frozenset({NOT_FOUND, UNAVAILABLE}),
    }
)
"""Which statuses beside 200 are an answer, by key: 404 where the VM has none, a 503 that says that there is none."""


def read_scheduling(body: bytes) -> HostPolicy:
    """The VM's settings; what cannot be read of them is not known."""
    try:
        value = read_json(body)
    except ValueError:
        return HostPolicy()
    fields = {same_name(name): each for name, each in value.items()} if isinstance(value, dict) else {}
    word = fields.get("onhostmaintenance")
    migrates = {"migrate": True, "terminate": False}.get(folded(word.strip())) if isinstance(word, str) else None
    return HostPolicy(migrates, truth(fields.get("automaticrestart")))
