"""Whether an event may be approved: one decision, made of values, with its reason.

Approving speaks for every machine that the event names, so the rules that protect neighbours stand before
everything that an app may decide for itself.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from stormcone.handlers import App, Stage
from stormcone.handlers.bounded import answer_of
from stormcone.model import Approval, Impact, Machine, MaintenanceEvent, Phase
from stormcone.rules.agreement import CloudReply, EventInFleet
from stormcone.rules.runs import Run, RunState
from stormcone.text import one_line, stamp


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a decision is made of.

    Attributes:
        event: the event as last seen.
        machine: the machine that we run on or watch.
        runs: the runs of the event's episode.
        app: whose settings decide.
        known_for: how long ago the event was first seen.
        now: the date, by which it is known how far ahead the event's time is.
        fleet: the event as the fleet knows it; None where there is no fleet, and a leader speaks for neighbours.
        turn: what the machine waits for before it may prepare, as a clause; "" where it does not wait.
    """

    event: MaintenanceEvent
    machine: Machine
    runs: Collection[Run]
    app: App
    now: datetime
    known_for: timedelta = timedelta(0)
    fleet: EventInFleet | None = None
    turn: str = ""

    @cached_property
    def prepares(self) -> tuple[Run, ...]:
        """The runs of prepare that count: those that were not dropped before they began."""
        return tuple(
            run
            for run in self.runs
            if run.stage is Stage.PREPARE and not (run.state is RunState.DROPPED and run.attempt == 0)
        )

    @property
    def prepared(self) -> bool:
        """Whether at least one handler prepared and all of them succeeded."""
        return bool(self.prepares) and all(run.state is RunState.SUCCEEDED for run in self.prepares)

    @cached_property
    def neighbours(self) -> tuple[str, ...]:
        """The machines that the event names and that are not ours."""
        return self.machine.neighbours_in(self.event)

    @property
    def shared(self) -> bool:
        """Whether there is a fleet, and the event names machines that are not ours, in its eyes or in another's."""
        return self.fleet is not None and (bool(self.neighbours) or self.fleet.concerns_others)

    @property
    def leads(self) -> bool:
        """Whether our machine speaks for the others: as the leader, or as the standby of one who has been silent."""
        if self.app.approval.leader is None:
            return False
        leader = self.event.resources[0] if self.app.approval.leader == "first" else self.app.approval.leader
        if self.machine.owns(leader):
            return True
        stands_by = self.app.approval.standby is not None and self.machine.owns(self.app.approval.standby)
        return stands_by and self.known_for >= self.app.approval.standby_after


POLICY_FAILED = "policy_failed"
"""In a rule's place where the app's own policy has failed, which is a no."""


class ApprovalAnswer(StrEnum):
    """Whether to approve now."""

    YES = "yes"
    WAIT = "wait"
    """Not yet: something that is going on will decide."""
    NO = "no"


class Decision(NamedTuple):
    """Whether to approve now, and why or why not, as a clause for people and as the name of the rule that decided."""

    answer: ApprovalAnswer
    reason: str
    rule: str


class Rule(NamedTuple):
    """One rule: where it applies, it decides.

    Attributes:
        name: for metrics and for `explain`; it stays what it is.
        when: where it applies, in words; the docs draw their picture from it.
        applies: whether it does.
        answer: what it decides.
        reason: why, for this event.
    """

    name: str
    when: str
    applies: Callable[[Facts], bool]
    answer: ApprovalAnswer
    reason: Callable[[Facts], str]


def _names(runs: Collection[Run]) -> str:
    return ", ".join(dict.fromkeys(run.handler for run in runs))


def _in_state(facts: Facts, *states: RunState) -> tuple[Run, ...]:
    return tuple(run for run in facts.prepares if run.state in states)


def _short_freeze(facts: Facts) -> bool:
    duration = facts.event.duration
    if not facts.app.approval.approve_short_freeze or facts.event.impact is not Impact.FREEZE or duration is None:
        return False
    return timedelta(0) <= duration <= App.SHORT_FREEZE


def _leaderless_neighbours(facts: Facts) -> bool:
    return facts.fleet is None and bool(facts.neighbours) and not facts.leads


def _begins_unasked(facts: Facts) -> bool:
    early = facts.app.approval.approve_early
    triggers = facts.event.approval is Approval.TRIGGERS
    return triggers and (early is None or facts.event.not_before is None)


def _why_unasked(facts: Facts) -> str:
    if facts.app.approval.approve_early is None:
        return "the app does not ask for that, however far ahead it is (approve_early)"
    return "how far ahead its time is is not known"


def _too_early(facts: Facts) -> bool:
    early, time = facts.app.approval.approve_early, facts.event.not_before
    if early is None or time is None or facts.event.approval is Approval.CONSENT:
        return False
    return time - facts.now > early


def _policy_refuses(facts: Facts) -> bool:
    policy = facts.app.approval.approve
    return callable(policy) and not answer_of(policy, facts.event, facts.prepared)


TURN = (
    Rule(
        "turn",
        "it may not prepare yet, since too many of its group are away",
        lambda f: bool(f.turn),
        ApprovalAnswer.WAIT,
        lambda f: f.turn,
    ),
)
"""Before all others: what waits for its turn is neither prepared for nor approved, whatever else holds."""

GUARDS = (
    Rule(
        "begun",
        "it has begun or ended",
        lambda f: f.event.phase is not Phase.SCHEDULED,
        ApprovalAnswer.NO,
        lambda f: f"it has {f.event.phase}",
    ),
    Rule(
        "withheld",
        "its machines are in doubt",
        lambda f: bool(f.event.withheld),
        ApprovalAnswer.NO,
        lambda f: f"nobody may approve it: {f.event.withheld}",
    ),
    Rule(
        "not_approvable",
        "it cannot be approved",
        lambda f: f.event.approval is Approval.NONE,
        ApprovalAnswer.NO,
        lambda _: "it cannot be approved",
    ),
    Rule(
        "not_named",
        "it does not name this machine",
        lambda f: not f.machine.affected_by(f.event),
        ApprovalAnswer.NO,
        lambda f: f"it does not name {f.machine.name}",
    ),
    Rule(
        "disputed_name",
        "the cloud calls this machine by another name",
        lambda f: f.machine.disputed,
        ApprovalAnswer.NO,
        lambda f: f"the cloud calls this machine {f.machine.reported_name}, not {f.machine.name} (--machine)",
    ),
    Rule(
        "neighbours",
        "it names other machines, there is no fleet, and ours is not their leader",
        _leaderless_neighbours,
        ApprovalAnswer.NO,
        lambda f: f"it also names {', '.join(f.neighbours)} and {f.machine.name} is not their leader",
    ),
    Rule(
        "no_consent",
        "it needs consent, which the app does not give",
        lambda f: f.event.approval is Approval.CONSENT and not f.app.approval.approve_consent,
        ApprovalAnswer.NO,
        lambda _: "it waits for its owner's consent, which the app does not give (approve_consent)",
    ),
    Rule(
        "begins_unasked",
        "it would begin now, which the app did not ask for",
        _begins_unasked,
        ApprovalAnswer.NO,
        lambda f: f"it would begin now, and {_why_unasked(f)}",
    ),
    Rule(
        "never",
        "the policy is never to approve",
        lambda f: f.app.approval.approve == "never",
        ApprovalAnswer.NO,
        lambda _: "the policy is never to approve",
    ),
    Rule(
        "vetoed",
        "a handler vetoed it",
        lambda f: bool(_in_state(f, RunState.VETOED)),
        ApprovalAnswer.NO,
        lambda f: f"vetoed by {_names(_in_state(f, RunState.VETOED))}",
    ),
)
"""No app can overrule these; the first that applies decides."""

PREPARED = (
    Rule(
        "too_early",
        "it is earlier than the app approves",
        _too_early,
        ApprovalAnswer.WAIT,
        lambda _: "its time is further ahead than the app approves (approve_early)",
    ),
    Rule(
        "short_freeze",
        "it is a freeze of 8 s or less, approved by policy",
        _short_freeze,
        ApprovalAnswer.YES,
        lambda _: "a freeze of 8 s or less, approved by policy",
    ),
    Rule(
        "preparing",
        "a handler is still preparing",
        lambda f: bool(_in_state(f, RunState.PENDING, RunState.RUNNING)),
        ApprovalAnswer.WAIT,
        lambda f: f"waiting for {_names(_in_state(f, RunState.PENDING, RunState.RUNNING))} to prepare",
    ),
    Rule(
        "policy_refuses",
        "the app's own policy says no",
        _policy_refuses,
        ApprovalAnswer.NO,
        lambda _: "the app's own policy says no",
    ),
    Rule(
        "policy",
        "the app's own policy says yes",
        lambda f: callable(f.app.approval.approve),
        ApprovalAnswer.YES,
        lambda _: "by the app's own policy",
    ),
    Rule(
        "prepared",
        "every handler that took it has prepared",
        lambda f: f.prepared,
        ApprovalAnswer.YES,
        lambda f: f"prepared by {_names(f.prepares)}",
    ),
    Rule(
        "nobody_prepares",
        "no handler took it",
        lambda f: not f.prepares,
        ApprovalAnswer.NO,
        lambda _: "no handler prepared for it",
    ),
    Rule(
        "not_prepared",
        "a handler failed to prepare",
        lambda _: True,
        ApprovalAnswer.NO,
        lambda f: f"{_names([run for run in f.prepares if run.state is not RunState.SUCCEEDED])} did not prepare",
    ),
)
"""What is left to the app, behind the guards; the first that applies decides."""


def _fleet(facts: Facts) -> EventInFleet:
    if facts.fleet is None:
        raise ValueError("there is no fleet to agree")
    return facts.fleet


def _answered(facts: Facts, reply: CloudReply) -> bool:
    ballot = _fleet(facts).ballot
    return ballot is not None and ballot.answer is not None and ballot.answer.reply is reply


def _who_answered(facts: Facts) -> str:
    ballot = _fleet(facts).ballot
    if ballot is None or ballot.answer is None:
        return "another member"
    return f"{ballot.name_of(ballot.answer.by)} (at {stamp(ballot.answer.at)})"


def _stands_against(facts: Facts, *, passing: bool) -> str:
    """What does; of what passes only that of others: ours is what the fleet has heard of us, and we know better."""
    fleet = _fleet(facts)
    ours = fleet.member.goes_by if passing and fleet.member else lambda _: False
    return "; ".join(each.text for each in fleet.obstacles if each.why.passes is passing and not ours(each.name))


AGREEMENT = (
    Rule(
        "fleet_approved",
        "another machine has approved it for all",
        lambda f: _answered(f, CloudReply.ACCEPTED),
        ApprovalAnswer.NO,
        lambda f: f"{_who_answered(f)} has done so for all",
    ),
    Rule(
        "fleet_refused",
        "the cloud has refused another machine's approval",
        lambda f: _answered(f, CloudReply.REFUSED),
        ApprovalAnswer.NO,
        lambda f: f"the cloud has refused it to {_who_answered(f)}",
    ),
    Rule(
        "fleet_away",
        "the fleet cannot be asked",
        lambda f: bool(_fleet(f).away),
        ApprovalAnswer.WAIT,
        lambda f: f"it names other machines, and {_fleet(f).away}",
    ),
    Rule(
        "fleet_unsaid",
        "the fleet has not said yet what the others say",
        lambda f: _fleet(f).ballot is None,
        ApprovalAnswer.WAIT,
        lambda _: "it names other machines, and the fleet has not said yet what they say",
    ),
    Rule(
        "not_agreed",
        "a machine that it names is silent, unknown, has failed or says no",
        lambda f: bool(_stands_against(f, passing=False)),
        ApprovalAnswer.NO,
        lambda f: _stands_against(f, passing=False),
    ),
    Rule(
        "not_agreed_yet",
        "a machine that it names is not prepared yet",
        lambda f: bool(_stands_against(f, passing=True)),
        ApprovalAnswer.WAIT,
        lambda f: f"waiting for others: {_stands_against(f, passing=True)}",
    ),
    Rule(
        "unclaimed",
        "all are prepared, and another machine sends the approval",
        lambda f: not _fleet(f).may_send or bool(_fleet(f).obstacles),
        ApprovalAnswer.WAIT,
        lambda f: f"all are prepared, and {_fleet(f).others} approves it for all",
    ),
    Rule(
        "agreed",
        "all are prepared, and this machine has the claim to send it",
        lambda _: True,
        ApprovalAnswer.YES,
        lambda f: f"agreed by {', '.join(_fleet(f).names)}",
    ),
)
"""What a fleet adds for an event of several machines, once ours would be approved; the first that applies decides."""

TOLD_WAITS = frozenset({"fleet_away", "not_agreed_yet"})
"""The rules whose waiting is told and kept in the journal: somebody else is waited for."""


def alone(facts: Facts) -> Decision:
    """Whether the event would be approved if it named our machine alone; without a fleet, whether it is.

    With a fleet this is our machine's vote.

    Raises:
        Exception: whatever the app's own policy raises; `NoAnswer` where it does not answer.
    """
    return _first((*TURN, *GUARDS, *PREPARED), facts)


def decide(facts: Facts) -> Decision:
    """Whether to approve the event now.

    Raises:
        Exception: whatever the app's own policy raises; `NoAnswer` where it does not answer.
    """
    own = alone(facts)
    if own.answer is ApprovalAnswer.YES and facts.shared:
        agreed = _first(AGREEMENT, facts)
        return agreed._replace(reason=f"{own.reason}; {agreed.reason}") if agreed.rule == "agreed" else agreed
    return own


def _first(rules: Collection[Rule], facts: Facts) -> Decision:
    rule = next(rule for rule in rules if rule.applies(facts))
    return Decision(rule.answer, rule.reason(facts), rule.name)


def decide_safely(facts: Facts, by: Callable[[Facts], Decision] = decide) -> Decision:
    """As `decide`, or `alone`; where the app's own policy fails that is a no."""
    try:
        return by(facts)
    except Exception as error:  # noqa: BLE001 - the app's own policy: its fault is a no
        return Decision(ApprovalAnswer.NO, f"the app's own policy failed: {one_line(error)}", POLICY_FAILED)
