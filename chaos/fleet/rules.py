"""What must hold in every round, whatever was done to it: each rule reads a record, and says what breaks it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import pairwise

from fleet.record import Ask, Claim, Done, Event, Record

SLACK = 0.5
"""Seconds by which what two processes write down at the same moment may differ."""

WOKEN = 1.0
"""Seconds after it was held up within which a process need not have looked at its clock again."""

TOLD = 20.0
"""Seconds after an approval within which trouble can keep its answer from the others, with the time that a database
that was away needs to be heard again."""

LOST = 15.0
"""Seconds before a run is given to another within which the one that had it must have been troubled."""

Rule = Callable[[Record], Iterator[str]]


def all_were_prepared(record: Record) -> Iterator[str]:
    """No approval without all prepared: each machine that the event names, for the time that its sender has seen."""
    for ask, event in record.approvals():
        broken = [_unprepared(record, ask, event, time) for time in _times_seen(record, ask, event)]
        if all(broken):
            yield f"{ask.by} approved {event.id} at {ask.at:.2f}, and {', '.join(broken[-1])}"


def _times_seen(record: Record, ask: Ask, event: Event) -> list[str]:
    """The event's times by what its sender had seen when it sent the approval, which arrives a little later."""
    sent = record.sent_after(ask.by, ask.at) - SLACK
    looks = [each.at for each in record.asks if each.by == ask.by and not each.approves and each.at <= ask.at]
    before = [at for at in looks if at <= sent][-1:] or looks[:1] or [ask.at]
    return list(dict.fromkeys(event.time_at(at) for at in (*before, *(at for at in looks if at > sent))))


def _since(record: Record, ask: Ask, event: Event) -> float:
    """When the sender got the right to it, or sent it: until then all must have stayed prepared."""
    given = [
        claim.since
        for claim in record.claims
        if record.scene == "agents" and claim.what.lower() == event.id.lower() and claim.since <= ask.at + SLACK
    ]
    return given[0] if given else ask.at


def _unprepared(record: Record, ask: Ask, event: Event, time: str) -> list[str]:
    since = _since(record, ask, event)
    return [
        f"{machine} was not prepared for {time}"
        for machine in event.machines
        if not any(
            _prepared(line, event, machine, time)
            and line.at <= ask.at + SLACK
            and not any(_undone(other, line, event) and other.at < since - SLACK for other in record.done)
            for line in record.done
        )
    ]


def _undone(line: Done, prepared: Done, event: Event) -> bool:
    """Whether a machine has recovered since it was prepared, so that it is not any more."""
    about = (line.event.lower(), line.machine, line.stage, line.does)
    return about == (event.id.lower(), prepared.machine, "recover", "begins") and line.at > prepared.at


def _prepared(line: Done, event: Event, machine: str, time: str) -> bool:
    about = (line.event.lower(), line.machine, line.stage, line.does, line.how)
    return about == (event.id.lower(), machine, "prepare", "ends", "well") and _same(line.not_before, time)


def _same(told: str, time: str) -> bool:
    """Whether that is the time that an event was told to have: clouds leave out parts of a second."""
    return abs((datetime.fromisoformat(told) - datetime.fromisoformat(time)).total_seconds()) < 60


def one_at_a_time(record: Record) -> Iterator[str]:
    """The database gives one right to approve at a time, and each has a higher epoch than the one before."""
    for claims in _by_what(record).values():
        for before, after in pairwise(claims):
            if after.epoch <= before.epoch:
                yield f"{after.what} has epoch {after.epoch} after {before.epoch}"
            if after.since < before.until - SLACK:
                yield (
                    f"{after.holder} got epoch {after.epoch} of {after.what} at {after.since:.2f}, "
                    f"while {before.holder} had {before.epoch} until {before.until:.2f}"
                )


def only_who_may(record: Record) -> Iterator[str]:
    """Who approves has the right to at that time; one that was held up since it looked at its clock is excused."""
    for ask, claim in _unclaimed(record):
        if claim is None or not record.held_up(ask.by, ask.at - WOKEN, ask.at):
            had = f"its last right ended at {claim.until:.2f}" if claim else "it never had the right"
            yield f"{ask.by} approved {ask.approves} at {ask.at:.2f}, and {had}"


def only_the_holder_writes(record: Record) -> Iterator[str]:
    """The shared journal is changed by who has the lease at that moment, and by nobody else."""
    for write in record.writes:
        if write.by != write.holder:
            yield f"{write.by} changed the journal at {write.at:.2f}, and {write.holder} had the lease"


def excused(record: Record) -> int:
    """How many approvals came late since their sender was held up after its last look at the clock."""
    return sum(
        claim is not None and record.held_up(ask.by, ask.at - WOKEN, ask.at) for ask, claim in _unclaimed(record)
    )


def _unclaimed(record: Record) -> Iterator[tuple[Ask, Claim | None]]:
    """Approvals that came when their sender had no right to them, each with the last right that it had before."""
    claims = _by_what(record)
    for ask, event in record.approvals():
        if record.scene == "agents" and set(event.machines) == {ask.by}:
            continue  # it speaks for nobody else
        own = [
            claim
            for claim in claims.get(event.id.lower() if record.scene == "agents" else "region", [])
            if claim.holder == ask.by and claim.since <= ask.at + SLACK
        ]
        if not any(ask.at <= claim.until + SLACK for claim in own):
            yield ask, own[-1] if own else None


def once(record: Record) -> Iterator[str]:
    """An event is approved once for each of its times; again only if the answer could be lost on the way."""
    last: dict[tuple[str, str], Ask] = {}
    for ask, event in record.approvals():
        place = (event.id, event.time_at(ask.at))
        before = last.get(place)
        told = min(ask.at, before.at + TOLD) if before is not None else 0.0
        if before is not None and before.answered and not record.troubled(before.by, before.at - 1.0, told):
            yield f"{event.id} was approved by {before.by} at {before.at:.2f}, and again by {ask.by} at {ask.at:.2f}"
        if ask.answered:
            last[place] = ask


def limits_hold(record: Record) -> Iterator[str]:
    """Never more machines of a group away than it allows, but for those that one event takes together."""
    away: dict[str, set[str]] = {}
    for line in record.done:
        gone = away.setdefault(line.machine, set())
        if line.stage == "prepare" and line.does == "begins":
            beside = [each for each in record.done if _begins_beside(each, line)]
            if not gone and all(any(_too_many(record, each, away)) for each in beside):
                yield from _too_many(record, line, away)
            gone.add(line.event)
        elif (line.stage, line.does, line.how) == ("recover", "ends", "well"):
            gone.discard(line.event)


def _begins_beside(line: Done, other: Done) -> bool:
    """Whether a machine begins that with the other one, or is that: who is away for one may be away for both."""
    about = (line.stage, line.does, line.machine)
    return about == ("prepare", "begins", other.machine) and abs(line.at - other.at) <= SLACK


def _too_many(record: Record, line: Done, away: Mapping[str, set[str]]) -> Iterator[str]:
    named = {line.machine, *(record.events[line.event].machines if line.event in record.events else ())}
    for group, (machines, most) in record.limits.items():
        others = [each for each in machines if away.get(each) and each not in named]
        if line.machine in machines and others and len(others) + len(named & {*machines}) > most:
            yield (
                f"{line.machine} began to prepare for {line.event} at {line.at:.2f}, "
                f"while {', '.join(others)} of group {group} were away"
            )


def each_attempt_once(record: Record) -> Iterator[str]:
    """No attempt to prepare is made by two processes."""
    first: dict[tuple[str, ...], Done] = {}
    for line in record.done:
        if line.stage == "prepare":
            before = first.setdefault((line.event, line.machine, line.not_before, str(line.attempt)), line)
            if before.life != line.life:
                yield f"attempt {line.attempt} for {line.event} was made by lives {before.life} and {line.life}"


def nobody_goes_on(record: Record) -> Iterator[str]:
    """Who has lost a run ends it, unless it was frozen or cut off, and so has not been told."""
    begun: dict[tuple[str, ...], Done] = {}
    for line in record.done:
        place = (line.event, line.machine, line.stage, line.not_before)
        latest = begun.get(place)
        if line.does == "begins" and (latest is None or line.attempt > latest.attempt):
            begun[place] = line
        elif latest is not None and line.attempt < latest.attempt and line.at > latest.at + SLACK:
            who = record.names[line.life]
            if not record.troubled(who, latest.at - LOST, line.at):
                yield (
                    f"{who} was at work at attempt {line.attempt} of {line.stage} for {line.event} at {line.at:.2f}, "
                    f"while {record.names[latest.life]} had begun attempt {latest.attempt} at {latest.at:.2f}"
                )
                return


def nothing_is_lost(record: Record) -> Iterator[str]:
    """When all has been well for long, every event is over, and whoever prepared for it has recovered."""
    yield from record.unsettled


def _by_what(record: Record) -> Mapping[str, list[Claim]]:
    found: dict[str, list[Claim]] = {}
    for claim in record.claims:
        found.setdefault(claim.what.lower(), []).append(claim)
    return found


RULES: tuple[Rule, ...] = (
    all_were_prepared,
    one_at_a_time,
    only_who_may,
    only_the_holder_writes,
    once,
    limits_hold,
    each_attempt_once,
    nobody_goes_on,
    nothing_is_lost,
)


def breaches(record: Record) -> list[str]:
    """What breaks a rule in a round, each with the rule's name first."""
    return [f"{rule.__name__}: {text}" for rule in RULES for text in rule(record)]
