"""A model of a fleet against its stores: any order of votes, claims, answers, silences and turns.

The model knows only what was said and when, and none of the rules' code.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from stormcone.fleet.contract import EventSaid, Fleet, MemberIdentity, Saying, Snapshot, TurnSaid
from stormcone.rules.agreement import CloudReply, EventKey, VoteState
from stormcone.rules.limits import TurnState
from stormcone.testing.conformance import FleetUnderTest

KEY = EventKey("test", "event")
NAMES = ("a", "b", "c")
UNIT = timedelta(seconds=130)
"""The model's time goes on in these steps; no limit below is a multiple of it, nor near one."""

CLAIM, SILENCE, VANISHED = timedelta(seconds=250), timedelta(seconds=750), timedelta(hours=1)
LIMIT = 1
START = timedelta()
_numbers = itertools.count()

members = st.sampled_from(NAMES)
namings = st.sampled_from([("a", "b"), ("b", "A"), ("a", "b", "c"), ("b", "c"), ("a",), ("a", "ghost")])
votes = st.sampled_from([*VoteState, *[VoteState.PREPARED] * 6, None])
bases = st.sampled_from(["reboot", "reboot", "reboot", "freeze"])


def own_key(name: str) -> EventKey:
    """The event for which a machine asks for its turn."""
    return EventKey("test", f"of-{name}")


class Machine:
    """A machine as the model knows it: what it has said last, and when."""

    def __init__(self) -> None:
        self.vote: VoteState | None = None
        self.names: tuple[str, ...] = ()
        self.basis = "reboot"
        self.ready = True
        self.speaks = False
        self.reply: CloudReply | None = None
        self.turn: TurnSaid | None = None
        self.heard: timedelta | None = None
        self.held = False


class FleetModel(RuleBasedStateMachine):
    """Three machines, one event that may name them, one group that they are all in."""

    new: Callable[[str], FleetUnderTest]

    @initialize()
    def begin(self) -> None:
        self.subject = type(self).new(f"model {next(_numbers)}")
        self.fleet: Fleet = self.subject.open()
        self.now = START
        self.machines = {name: Machine() for name in NAMES}
        self.epoch, self.holder, self.until, self.released = 0, "", START, False
        self.agreed: list[tuple[str, frozenset[str]]] = []
        self.answer: tuple[str, str] | None = None

    # what happens

    @rule(name=members, vote=votes, names=namings, basis=bases, ready=st.sampled_from([True, True, True, False]))
    def votes(self, name: str, vote: VoteState | None, names: tuple[str, ...], basis: str, ready: bool) -> None:
        machine = self.machines[name]
        machine.vote, machine.names, machine.basis, machine.ready = vote, names, basis, ready
        machine.speaks = True
        self.exchange(name)

    @rule(name=members)
    def speaks_of_it_no_more(self, name: str) -> None:
        machine = self.machines[name]
        was, machine.speaks, machine.reply = machine.speaks, False, None
        self.exchange(name)
        if was and not any(each.speaks for each in self.machines.values()):
            self.answer, self.agreed = None, []

    @rule(name=members, basis=bases)
    def takes_it_for_another(self, name: str, basis: str) -> None:
        """It has moved so far that its approval was that of an earlier one."""
        machine = self.machines[name]
        machine.basis, machine.reply = basis, None
        self.exchange(name)

    @rule(name=members)
    def says_the_same(self, name: str) -> None:
        self.exchange(name)

    @rule(units=st.sampled_from([1, 1, 2, 6, 30]))
    def time_passes(self, units: int) -> None:
        self.subject.pass_time(UNIT * units)
        self.now += UNIT * units

    @rule(reply=st.sampled_from(CloudReply))
    def the_cloud_answers(self, reply: CloudReply) -> None:
        if self.holder and self.machines[self.holder].speaks:
            self.machines[self.holder].reply = reply
            self.exchange(self.holder)

    @rule(stale=st.booleans())
    def the_approval_cannot_be_sent(self, stale: bool) -> None:
        if self.holder and self.machines[self.holder].speaks and self.machines[self.holder].vote is not None:
            self.machines[self.holder].ready = False
            self.released = self.released or not stale
            self.exchange(self.holder, released=self.epoch - stale)

    @rule(name=members, turn=st.sampled_from([None, "waits", "waits", "is away", "may not wait"]))
    def asks_for_its_turn(self, name: str, turn: str | None) -> None:
        away = turn in {"is away", "may not wait"}
        self.machines[name].turn = TurnSaid(away=away) if turn else None
        self.exchange(name)

    @rule()
    def all_agree(self) -> None:
        """Nothing that came before keeps them from it, but for an answer."""
        for name in (*NAMES, *NAMES, *NAMES):
            machine = self.machines[name]
            machine.vote, machine.names, machine.basis, machine.ready = VoteState.PREPARED, NAMES, "reboot", True
            machine.speaks = True
            self.exchange(name)
        assert self.is_answered("reboot") or (self.now < self.until and not self.released)

    @rule(name=members)
    def all_are_there(self, name: str) -> None:
        """Then whoever asks gets its turn."""
        for each in NAMES:
            self.machines[each].turn = None
            self.exchange(each)
        self.machines[name].turn = TurnSaid(away=False)
        self.exchange(name)
        assert self.machines[name].held

    # what must hold

    def exchange(self, name: str, *, released: int = 0) -> None:
        machine = self.machines[name]
        own_answer = self.answer is not None and self.answer[0] == name
        if machine.speaks and machine.reply and (own_answer or not self.is_answered(machine.basis)):
            self.answer = (name, machine.basis)
        said = EventSaid(
            key=KEY,
            id=KEY.id,
            impact="reboot",
            phase="scheduled",
            names=machine.names,
            vote=machine.vote,
            basis=machine.basis,
            ready=machine.ready,
            reply=machine.reply,
            released=released,
            turn=machine.turn,
        )
        identity = MemberIdentity(id=name, name=name, names=(), groups={"all": str(LIMIT)}, silence=SILENCE)
        own = replace(said, key=own_key(name), names=(name,), vote=None, reply=None, released=0)
        spoken_of = (replace(said, turn=None),) if machine.speaks else ()
        told = self.fleet.exchange(Saying(member=identity, events=(*spoken_of, own)))
        machine.heard = self.now
        self.check_claim(name, told)
        self.check_turn(name, told)

    def check_claim(self, name: str, told: Snapshot) -> None:
        ballot = told.ballots.get(KEY)
        claim = ballot.claim if ballot else None
        if claim is None or claim.epoch == self.epoch:
            return
        assert (claim.epoch, claim.holder) == (self.epoch + 1, name), "one after the other, to who asks"
        assert not self.is_answered(self.machines[name].basis), "nothing is sent after an answer"
        assert self.released or self.now >= self.until, "one at a time"
        unsaid = {None, VoteState.WITHDRAWN}
        voters = [each for each in self.machines.values() if each.speaks and each.vote not in unsaid]
        named = frozenset(each.lower() for voter in voters for each in voter.names)
        basis = self.machines[name].basis
        before = any(basis == of and names >= named for of, names in self.agreed[-1:])
        for each in named:
            other = self.machines.get(each)
            assert other is not None, f"{each} is unknown"
            assert (other.speaks, other.vote, other.basis) == (True, VoteState.PREPARED, basis), (
                f"{each} is not prepared"
            )
            assert before or self.hears(other), f"{each} is silent"
        self.agreed.append((basis, named))
        self.epoch, self.holder, self.until, self.released = claim.epoch, name, self.now + CLAIM, False

    def check_turn(self, name: str, told: Snapshot) -> None:
        machine = self.machines[name]
        turn = told.turns.get(own_key(name))
        held = turn is not None and turn.state is TurnState.HELD
        if held and not machine.held and machine.turn is not None and not machine.turn.away:
            away = [other for each, other in self.machines.items() if each != name and self.is_away(other)]
            assert len(away) < LIMIT, "no more than the limit"
        if machine.held and machine.turn is not None:
            assert held, "a turn is not taken away"
        machine.held = held

    def is_answered(self, basis: str) -> bool:
        return self.answer is not None and self.answer[1] == basis

    def hears(self, machine: Machine) -> bool:
        return machine.heard is not None and self.now - machine.heard <= SILENCE

    def is_away(self, machine: Machine) -> bool:
        if machine.heard is None or self.now - machine.heard > VANISHED:
            return False
        return machine.held or not self.hears(machine)


def test_no_order_of_things_breaks_it(stores: Callable[[str], FleetUnderTest], request: Any) -> None:
    """Never approved without all prepared, by one at a time; limits hold for all that may wait."""
    FleetModel.new = staticmethod(stores)
    examples = 60 if "memory" in request.node.name else 12
    run_state_machine_as_test(
        FleetModel, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None)
    )
