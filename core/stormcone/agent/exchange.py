"""The agent's exchange with its fleet: in a thread of its own, so that a database never holds up the loop.

The loop derives what is to be said from the journal, and takes in what the last exchange brought.
"""

import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from stormcone import __version__
from stormcone.agent.asking import may_ask
from stormcone.agent.engine import Engine
from stormcone.agent.notices import NoticeKind
from stormcone.agent.reporter import Reporter
from stormcone.agent.standing import FleetStanding, turn_said, waiting
from stormcone.agent.unfinished import Work
from stormcone.clock import Clock, Instant
from stormcone.errors import FleetError
from stormcone.fleet.contract import EventSaid, Saying, Snapshot, TurnSaid
from stormcone.fleet.membership import Membership
from stormcone.model import EventKey, Scope
from stormcone.rules.agreement import CloudReply, VoteState, basis_of
from stormcone.rules.approval import ApprovalAnswer, Decision
from stormcone.rules.runs import RunState
from stormcone.text import folded, one_line

BUSY = 1.0
"""Seconds between two exchanges while others are waited for, at the most; but for a turn that does not come soon."""

SHORTEST = 0.2
"""Seconds between two exchanges at the least, however much there is to say."""

_log = logging.getLogger(__name__)

_VOTES = {ApprovalAnswer.YES: VoteState.PREPARED, ApprovalAnswer.WAIT: VoteState.PREPARING}

_Result = tuple[float, Saying, Snapshot | FleetError]


class FleetExchange:
    """What is said to the fleet, and what was heard; one that has no fleet does nothing.

    Args:
        membership: how the agent takes part; None: there is no fleet.
        clock: for the intervals.
        reporter: what is told of it to people.
        wake: called when there is something to take in.
        luck: from 0 to 1; so that a thousand agents do not ask at the same moment.

    Attributes:
        standing: how we stand with it; None where there is none.
        held: the events for which nothing may begin yet, by the journal's number, and what they wait for, as a clause,
            or "".
    """

    def __init__(
        self,
        membership: Membership | None,
        clock: Clock,
        reporter: Reporter,
        wake: Callable[[], None],
        *,
        luck: Callable[[], float] = random.random,
    ) -> None:
        self.held: Mapping[int, str] = {}
        self.standing: FleetStanding | None = None
        self._membership = membership
        self._clock = clock
        self._reporter = reporter
        self._wake_loop = wake
        self._luck = luck
        self._wake = threading.Event()
        self._stopping = False
        self._saying: Saying | None = None
        self._said: Saying | None = None
        self._results: deque[_Result] = deque(maxlen=1)
        self._needs: dict[int, str] = {}
        self._busy = False
        self._due = 0.0
        self._failures = 0
        if membership is not None:
            self.standing = FleetStanding(stale=membership.silence)

    # in a thread of its own

    def begin(self) -> None:
        """FleetExchange in a thread of its own from now on, until `stop`."""
        if self._membership is not None:
            threading.Thread(target=self._run, name="stormcone-fleet", daemon=True).start()

    def stop(self) -> None:
        """Let the exchanging end; one that is under way is not waited for."""
        self._stopping = True
        self._wake.set()

    def ask(self) -> bool:
        """FleetExchange now, where that is due or there is something new to say; True where it was."""
        early = self._news and not self._failures
        if self._saying is None or not (early or self._clock.monotonic() >= self._due):
            return False
        self._exchange()
        return True

    @property
    def owes(self) -> bool:
        """Whether there is something to say that the fleet has not heard, and it can be asked."""
        return self._news and not self._failures

    @property
    def _news(self) -> bool:
        return self._saying is not None and self._saying != self._said

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            begun = self._clock.monotonic()
            asked = self.ask()
            due = self._due if self._saying is not None else begun + BUSY
            if asked and self._news and not self._failures:
                due = begun + SHORTEST
            if not self._stopping:
                self._clock.wait(self._wake, max(due - self._clock.monotonic(), 0.0))

    def _exchange(self) -> None:
        """Say what there is to say; what comes of it waits for the loop."""
        membership, saying = self._membership, self._saying
        if membership is None or saying is None:
            return
        asked = self._clock.monotonic()
        try:
            heard: Snapshot | FleetError = membership.fleet.exchange(saying)
            self._said, self._failures = saying, 0
        except FleetError as error:
            heard, self._failures = error, self._failures + 1
        except Exception as error:  # noqa: BLE001 - a store's fault must not end the exchanging
            _log.debug("the fleet's store failed", exc_info=True)
            heard, self._failures = FleetError(f"the fleet's store failed: {one_line(error)}"), self._failures + 1
        calm = membership.silence.total_seconds() / 3
        pause = min(BUSY, calm) if self._busy else calm
        if self._failures:
            pause = min(BUSY * (1 << min(self._failures - 1, 6)), max(calm, BUSY))
        self._due = self._clock.monotonic() + pause * (0.9 + 0.1 * self._luck())
        self._results.append((asked, saying, heard))
        self._wake_loop()

    # in the loop

    def take(self, now: Instant) -> bool:
        """Take in what the last exchange brought; True where there was something new."""
        if self.standing is None or not self._results:
            return False
        asked, saying, heard = self._results.popleft()
        known = replace(self.standing, exchanges=self.standing.exchanges + 1)
        if isinstance(heard, FleetError):
            self.standing = replace(known, error=str(heard), failures=known.failures + 1)
            text = f"{heard}; meanwhile events that name others wait, and so does a turn in a group; all else goes on"
            self._reporter.complain("fleet", text, kind=NoticeKind.UNKNOWN)
            return True
        before = now.steady - timedelta(seconds=self._clock.monotonic() - asked)
        self.standing = replace(
            known, member=saying.member, snapshot=heard, asked=before, last_success=now.date, error=""
        )
        if self._reporter.complain("fleet", ""):
            self._reporter.tell(NoticeKind.ANSWERED, "the fleet answers again")
        differ = [why for group in heard.groups.values() if (why := group.disagreement(heard.at))]
        self._reporter.complain("fleet limits", "; ".join(differ))
        return True

    def say(
        self, engine: Engine, now: Instant, *, known: bool, able: Collection[str], in_flight: Collection[int]
    ) -> None:
        """Work out what is to be said, and what waits for its turn.

        Args:
            engine: which knows what is done.
            now: on both clocks.
            known: whether the cloud has said which machine this is, as it was named; else nothing is said.
            able: the sources whose events can be approved now.
            in_flight: the episodes whose approval is on its way.
        """
        if self._membership is None or self.standing is None:
            return
        machine = engine.machine
        about = {"provider": machine.provider, "region": machine.region, "version": __version__}
        identity = self._membership.identity(machine, {name: value for name, value in about.items() if value})
        works = {work.episode.id: work for work in engine.works()}
        limited = bool(identity.groups) and machine.scope is Scope.MACHINE
        turns = dict(self._turns(engine, works, now)) if limited else {}
        self.held = waiting(self.standing, works, turns, now)
        unlimited = "limits of groups hold for agents on machines, and not for one that watches a region"
        self._reporter.complain("fleet region", unlimited if identity.groups and not limited else "")
        if not known:
            self._saying = None
            return
        votes = engine.decisions.votes(now)
        lives: dict[EventKey, list[Work]] = {}
        for work in works.values():
            if machine.affected_by(work.episode.event):
                lives.setdefault(work.episode.event.key, []).append(work)
        events = tuple(
            self._event(sorted(each, key=_number), votes, turns, now, able=able, in_flight=in_flight)
            for each in lives.values()
        )
        awaited = bool(self.held) and self.standing.soon
        self._busy = awaited or any(self._waits_for_others(event, identity.names) for event in events)
        before, self._saying = self._saying, Saying(member=identity, events=events)
        if self._saying != before:
            self._wake.set()

    def _turns(self, engine: Engine, works: Mapping[int, Work], now: Instant) -> Iterator[tuple[int, TurnSaid]]:
        self._needs = {number: need for number, need in self._needs.items() if number in works}
        for number, work in works.items():
            said = turn_said(work, engine.app, engine.machine, now)
            if said is not None:
                if said.need:
                    self._needs.setdefault(number, said.need)
                yield number, replace(said, need=self._needs.get(number, "")) if said.away else said

    def _event(
        self,
        lives: list[Work],
        votes: Mapping[int, Decision],
        turns: Mapping[int, TurnSaid],
        now: Instant,
        *,
        able: Collection[str],
        in_flight: Collection[int],
    ) -> EventSaid:
        """What is said of an event with these unfinished lives: away for any of them, and the vote of the last."""
        work = lives[-1]
        event, vote = work.episode.event, votes.get(work.episode.id)
        flying = any(each.episode.id in in_flight for each in lives)
        ready = flying or (event.source in able and may_ask(work, now))
        runs = [run for each in lives for run in each.runs]
        state = _VOTES.get(vote.answer, _no(vote)) if vote else None
        return EventSaid(
            key=event.key,
            id=event.id,
            impact=event.impact.value,
            phase=event.phase.value,
            not_before=event.not_before,
            names=event.resources,
            running=tuple(f"{run.handler}.{run.stage}" for run in runs if run.state is RunState.RUNNING),
            vote=state,
            reason=vote.reason if vote and state is not VoteState.PREPARED else "",
            basis=basis_of(event),
            ready=ready,
            reply=_reply(work),
            released=0 if ready else self._epoch(work, now),
            turn=_turn([turn for each in lives if (turn := turns.get(each.episode.id)) is not None]),
        )

    def _waits_for_others(self, event: EventSaid, names: Collection[str]) -> bool:
        """Whether others have a say in its approval, and the cloud has not answered one."""
        own = set(map(folded, names))
        snapshot = self.standing.snapshot if self.standing else None
        ballot = snapshot.ballots.get(event.key) if snapshot else None
        named = (*event.names, *(ballot.names if ballot else ()))
        others = event.vote is not None and any(folded(name) not in own for name in named)
        return others and event.reply is None and (ballot is None or not ballot.answered(event.basis))

    def _epoch(self, work: Work, now: Instant) -> int:
        """The epoch of the claim that we have to send its approval; 0 where we have none."""
        facts = self.standing.of(work.episode, now) if self.standing else None
        return facts.ballot.claim.epoch if facts and facts.claimed and facts.ballot and facts.ballot.claim else 0


def _number(work: Work) -> int:
    return work.episode.number


def _turn(turns: Sequence[TurnSaid]) -> TurnSaid | None:
    """The turn of an event by those of its lives, the last one last."""
    away = [turn for turn in turns if turn.away]
    return next(reversed(away or turns), None)


def _no(vote: Decision) -> VoteState:
    return VoteState.FAILED if vote.rule == "not_prepared" else VoteState.VETOED


def _reply(work: Work) -> CloudReply | None:
    """What the cloud has answered to an approval of ours, by the journal."""
    if any(each.accepted for each in work.approvals):
        return CloudReply.ACCEPTED
    return CloudReply.REFUSED if any(each.final for each in work.approvals) else None
