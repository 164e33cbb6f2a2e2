"""The agent: poll, advance, record, dispatch, approve, for as long as the machine lives.

Three kinds of threads: one polls, one for each piece of work (a handler's stage, an approval), and the loop, which
alone touches the journal. The others post what they have to the loop and wake it.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from stormcone.agent import notices
from stormcone.agent.attempts import GIVEN_UP, LiveAttempt
from stormcone.agent.boot_id import read_boot_id
from stormcone.agent.engine import ApprovalRequest, DueRun, Engine
from stormcone.agent.identification import Identification, assumed
from stormcone.agent.leftovers import Leftovers, book_of, mark_of
from stormcone.agent.notices import Notice, NoticeKind
from stormcone.agent.pace import Pace
from stormcone.agent.poller import Poller, PollResult
from stormcone.agent.reporter import Reporter, log
from stormcone.agent.settings import AgentSettings
from stormcone.agent.steady import SteadyClock
from stormcone.agent.workers import Executor, ThreadExecutor, attempt_stage
from stormcone.clock import Clock, Instant, SystemClock
from stormcone.clouds.contract import Provider
from stormcone.errors import JournalDamaged, JournalError, ProviderError
from stormcone.handlers import App
from stormcone.handlers.context import Context, StageLog
from stormcone.handlers.control import RunControl, Word
from stormcone.journal import JournalStore
from stormcone.journal.boundaries import Boundary, reached
from stormcone.model import EventKey, Machine, MaintenanceEvent, Observation, Scope
from stormcone.rules.lifecycle import Verdicts
from stormcone.rules.runs import Attempt, Verdict, deadline
from stormcone.text import one_line, span

DRY_RUN = "dry run: not carried out"

TICK = 1.0
"""Seconds between two looks at what is due, where nothing else wakes the loop."""

MOST_STAGES = 500
"""Stages that run at the same time, each in a thread of its own; an answer may list thousands of events."""

MOST_APPROVALS = 64
"""Approvals that are on their way at the same time."""

USUAL = AgentSettings()

Message = Callable[[Engine, Instant], Callable[[], None]]
"""What another thread has for the loop: it records something, and answers what follows once that is on the disk."""

_DAY = 86400.0


def _nothing() -> None:
    """What follows from a message that came too late."""


@dataclass(frozen=True)
class AgentStatus:
    """How the agent stands with its cloud.

    Attributes:
        last_success: when a poll last succeeded, aware UTC, or None.
        error: why the last poll failed, or why it is not known of which machine events are to be handled; None: what is
            scheduled is known.
        polls: how many polls have been taken in, well or not.
    """

    last_success: datetime | None = None
    error: str | None = None
    polls: int = 0


class Agent:
    """Carries an app's handlers through the maintenance of one machine.

    Args:
        provider: who is asked.
        app: the handlers.
        journal: open for writing; it stays open when the agent ends.
        settings: how it works.
        clock: the system's, or a manual one.
        machine: which machine this is; None asks the provider, beside the polls, again and again until it answers.
            Meanwhile events are handled in the name that the provider was given or that the journal has from this boot;
            where there is none, they are told of. Nothing is approved until the cloud has answered.
        boot_id: the machine's boot id; None asks the operating system.
        executor: where handlers and approvals run.
        listener: told each notice, in the loop's thread; the notices also go to the log `stormcone`.
    """

    def __init__(
        self,
        provider: Provider,
        app: App,
        journal: JournalStore,
        *,
        settings: AgentSettings = USUAL,
        clock: Clock | None = None,
        machine: Machine | None = None,
        boot_id: str | None = None,
        executor: Executor | None = None,
        listener: Callable[[Notice], None] | None = None,
    ) -> None:
        self.provider = provider
        self.app = app
        self.journal = journal
        self.status = AgentStatus()
        self._clock = clock or SystemClock()
        self._boot_id = read_boot_id() if boot_id is None else boot_id
        self._executor = executor or ThreadExecutor()
        self._reporter = Reporter(self._clock, listener)
        self._settings = settings
        self._grace = settings.grace
        self._forget_due = self._clock.monotonic()
        self._engine: Engine | None = None
        self._life: int | None = None
        self._answer: PollResult | None = None
        self._inbox: deque[Message] = deque()
        self._steady = SteadyClock(self._clock, "", None)
        self._wake = threading.Event()
        self._stopping = False
        self._confirmed = False
        self._book = book_of(journal.path)
        self._leftovers: Leftovers | None = None
        self._going_on: Mapping[EventKey, MaintenanceEvent] = {}
        self._live: dict[int, LiveAttempt] = {}
        self._approving: set[int] = set()
        interval = provider.capabilities.poll_interval if settings.interval is None else settings.interval
        self._pace = Pace(provider, interval)
        self._poller = Poller(provider, self._clock, Pace(provider, interval), lambda: self._going_on)
        known = None if machine else assumed(provider, journal, self._boot_id)
        self._who = Identification(provider, self._clock, Pace(provider, interval), machine, known)
        self._heard: Machine | ProviderError | None = None
        self._unplaced: PollResult | None = None

    @property
    def machine(self) -> Machine | None:
        """Which machine this is, as far as that is known; None where it is not."""
        return self._engine.machine if self._engine else None

    # what a program calls

    def run(self) -> None:
        """Work until `stop` is called. Endpoint faults are reported and waited out, never raised.

        So are a journal's that may pass, as a full disk does.

        Raises:
            JournalDamaged: the journal has turned out to be damaged; `Journal.set_aside`, and begin with another.
        """
        threading.Thread(target=self._poller.run, args=(self._post_answer,), name="stormcone-poll", daemon=True).start()
        try:
            while not self._stopping:
                self._wake.clear()
                self._ask_who()
                self._turn_whatever_happens()
                if not self._stopping:
                    self._clock.wait(self._wake, TICK)
        except JournalDamaged:
            self._grace = 0.0  # what handlers still come to could not be written down
            raise
        finally:
            self._finish()

    def stop(self) -> None:
        """Ask `run` to end, from another thread. A signal's handler may call it where `run` is not in its thread."""
        self._stopping = True
        self._wake.set()
        self._poller.stop()

    def poll_soon(self) -> None:
        """Poll without waiting for the interval: something hints that there is news."""
        self._poller.soon()

    def step(self) -> None:
        """Poll once and do all that is due then; with an `InlineExecutor`, to its end.

        Raises:
            JournalDamaged: as `run`.
        """
        self._post_answer(self._poller.ask())
        if self._who.begin():
            self._heard = self._who.ask()
        while self._turn():
            pass

    # the loop

    def _turn_whatever_happens(self) -> None:
        """A turn; what nobody has foreseen is told, and the next turn goes on: the machine needs its agent."""
        trouble = ""
        try:
            self._turn()
        except JournalDamaged:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, to end for it would be worse
            log.debug("the agent's loop failed", exc_info=True)
            trouble = f"the agent met a fault of its own, and goes on: {one_line(error)}"
        self._reporter.complain("loop", trouble)

    def _turn(self) -> bool:
        """Do all that there is to do now; True where something was done, so that there may be more."""
        self._reporter.complain("lost journal", self.journal.loss)
        try:
            try:
                busy = self._take_identity()
                busy = self._take_in() or busy
            finally:  # no time-out is lost on a journal that takes no writes
                if self._engine is not None:
                    self._supervise(self._engine)
            if self._engine is not None and not self._stopping:
                busy = self._dispatch(self._engine) or busy
                busy = self._approve(self._engine) or busy
                if self._steady.stepped:
                    self.journal.save_clock(self._steady.record())
                self._tell_poller(self._engine)
                self._forget()
        except JournalDamaged:
            raise
        except JournalError as error:
            self._reporter.complain(
                "journal", f"{error}; until it can be written no handler starts and nothing is approved"
            )
            return False
        self._reporter.complain("journal", "")
        return busy

    def _forget(self) -> None:
        """Once a day, let the journal forget what ended long ago."""
        seconds = self._clock.monotonic()
        if self._settings.keep is not None and seconds >= self._forget_due:
            self.journal.save_clock(self._steady.record())
            self.journal.forget(self._clock.now() - self._settings.keep)
            self._forget_due = seconds + _DAY

    def _take_in(self) -> bool:
        """Take in what the other threads have posted; True where there was something."""
        busy = self._take_answer()
        at_once = len(self._inbox)
        while self._inbox:
            messages = [self._inbox[number] for number in range(min(at_once, len(self._inbox)))]
            try:
                self._record(messages)
            except JournalError:
                raise  # they are taken in once the journal can be written
            except Exception:
                if at_once > 1:  # one of them is at fault: each by itself
                    at_once = 1
                    continue
                self._inbox.popleft()
                raise
            for _ in messages:
                self._inbox.popleft()
            busy = True
        return busy

    def _record(self, messages: Sequence[Message]) -> None:
        """Record what the messages say in one transaction, and do what follows from it once it is on the disk."""
        if self._engine is not None and messages:
            now = self._steady.now()
            with self._engine.together():
                following = [message(self._engine, now) for message in messages]
            for follow in following:
                follow()

    def _post(self, message: Message) -> None:
        self._inbox.append(message)
        self._wake.set()

    def _post_answer(self, answer: PollResult) -> None:
        self._answer = answer
        self._wake.set()

    def _ask_who(self) -> None:
        """Have the cloud asked beside the loop which machine this is, where that is not known and due."""
        if not self._who.begin():
            return

        def work() -> None:
            self._heard = self._who.ask()
            self._wake.set()

        try:
            self._executor.submit(work, "stormcone-identify")
        except RuntimeError as error:  # no more threads, now
            self._heard = ProviderError(one_line(error))

    def _take_identity(self) -> bool:
        """Take in what the cloud has said of the machine; True where there was something."""
        heard = self._heard
        if heard is None:
            return False
        if isinstance(heard, Machine):
            self._identified(heard)
        self._who.settle(heard)
        self._heard = None
        return True

    def _take_answer(self) -> bool:
        answer = self._answer or (self._unplaced if self._engine else None)
        if answer is None:
            return False
        if self._engine is None and self._who.machine is not None:
            self._begin_life(self._who.machine)
        if answer.error is not None:
            self._could_not_ask(answer.error)
        elif answer.observation is not None and self._engine is not None:
            self._observed(self._engine, answer.observation, answer.verdicts)
        elif answer.observation is not None:
            self._watched(answer.observation)
        self.status = replace(self.status, polls=self.status.polls + 1)
        if self._answer is answer:
            self._answer = None
        self._unplaced = answer if self._engine is None and answer.observation is not None else None
        return True

    def _identified(self, machine: Machine) -> None:
        """The cloud has said which machine this is."""
        if self._engine is not None and self._life is not None:
            machine = self._of_this_boot(machine)
            if self.journal.confirm_life(self._life, machine):
                self._engine.machine = machine
                self._engine.resume(self._steady.now())  # events may name it otherwise than we did
                self._reporter.complain("name", notices.disputed(machine))
            else:
                self._another(machine)
        else:
            self._begin_life(machine)
        if self._reporter.complain("identity", ""):
            self._reporter.tell(NoticeKind.ANSWERED, f"{self.provider.name} says that this is {machine.name}")
        self._reporter.complain("watched", "")

    def _another(self, machine: Machine) -> None:
        """The journal knows it as another machine than it was taken for: what was begun for that one ends here."""
        for live in self._live.values():
            live.end()
        self._live.clear()
        self._engine = None
        if self._life is not None:
            self.journal.end_life(self._life, self._clock.now())
        self._begin_life(machine)

    def _watched(self, observation: Observation) -> None:
        """Events are announced, and it is not known whether they are ours."""
        self.status = replace(self.status, last_success=self._clock.now(), error=self._who.error or None)
        self._reporter.complain("cloud", "")
        self._reporter.complain("watched", notices.unplaced(observation.events))
        self._tell_who_is_not_known()

    def _tell_who_is_not_known(self) -> None:
        """What is announced could be asked: say what follows where the cloud does not say which machine this is."""
        if self._who.confirmed or not self._who.error:
            return
        self._reporter.complain(
            "identity",
            f"{self._who.error}; {notices.meanwhile(self._who.machine)}",
            kind=NoticeKind.UNKNOWN,
            introduction="the cloud has not said which machine this is: ",
        )

    def _of_this_boot(self, machine: Machine) -> Machine:
        if machine.scope is not Scope.MACHINE:  # of a region, our own boots say nothing
            return machine
        return replace(machine, boot_id=machine.boot_id or self._boot_id)

    def _begin_life(self, machine: Machine) -> None:
        machine = self._of_this_boot(machine)
        self._life, cut_off = self.journal.begin_life(self._clock.now(), machine)
        self._steady = SteadyClock(self._clock, self._boot_id, self.journal.clock())
        self.journal.save_clock(self._steady.record())
        engine = Engine(self.journal, self.app, machine)
        engine.resume(self._steady.now())
        self._leftovers = Leftovers(self._book, self.journal, engine.runs())
        self._engine = engine
        self._tell_poller(engine)
        if self._going_on:
            self._poller.soon()  # the first poll could not ask how these have ended
        resumed = f"; {cut_off} unfinished run(s) of the last life go on" if cut_off else ""
        self._reporter.tell(NoticeKind.IDENTIFIED, f"watching {machine.name} on {machine.provider}{resumed}")
        self._reporter.complain("name", notices.disputed(machine))

    def _tell_poller(self, engine: Engine) -> None:
        """Tell the poller which events go on, where it can ask how they have ended."""
        if self.provider.capabilities.reports_outcome:
            self._going_on = engine.going_on()

    def _observed(self, engine: Engine, observation: Observation, verdicts: Verdicts | None) -> None:
        instant = self._steady.now()
        now = instant.date
        changes = engine.observe(observation, instant, verdicts)
        self._tell_who_is_not_known()
        if self._reporter.complain("cloud", ""):
            since = self.status.last_success
            gap = f" after {span(now - since)}" if since else ""
            self._reporter.tell(NoticeKind.ANSWERED, f"{self.provider.name} answers again{gap}")
        self.status = replace(self.status, last_success=now, error=None)
        self._confirmed = True
        self._reporter.complain("answer", "; ".join(observation.problems))
        for change in changes:
            self._reporter.publish(notices.change_notice(change, engine.machine, now))

    def _could_not_ask(self, error: ProviderError) -> None:
        since = self.status.last_success
        age = f"last asked with success {span(self._clock.now() - since)} ago" if since else "never asked with success"
        text = (self._who.error if self._engine is None else "") or str(error)  # of the two the former tells more
        self._reporter.complain(
            "cloud", text, kind=NoticeKind.UNKNOWN, introduction=f"what is scheduled is unknown ({age}): "
        )
        self.status = replace(self.status, error=text)

    def _supervise(self, engine: Engine) -> None:
        """Tell the attempts that go on what has changed, and end those whose time is up."""
        now = self._steady.now()
        late = [live for live in self._live.values() if live.supervise(engine.episode(live.due.run.episode), now)]
        for live in late:
            live.end()
        self._record([partial(self._attempt_ended, live.due.run.id, GIVEN_UP) for live in late])

    def _dispatch(self, engine: Engine) -> bool:
        now = self._steady.now()
        busy = False
        held = self._end_leftovers(now)
        room = MOST_STAGES - len(self._live)
        waits = "" if room > 0 else f"{MOST_STAGES} stages are running; others wait until one of them ends"
        self._reporter.complain("room", waits)
        for due in engine.begin_due(now, confirmed=self._confirmed, held=held, most=room):
            run, event = due.run, due.episode.event
            control = RunControl(
                self._clock,
                deadline(run.stage, due.handler, event, due.begun, now),
                mark=mark_of(self._book, run),
                secrets=self.provider.capabilities.secrets,
            )
            lines = StageLog(log, {"event": event.id, "handler": run.handler, "stage": run.stage.value})
            self._live[run.id] = LiveAttempt(due, control)
            if not self._settings.dry_run:
                self._reporter.publish(notices.run_begun_notice(run, due.episode, now.date))
            work = self._attempt(due, Context(engine.machine.in_event(event, run.machine), run.attempt, lines, control))
            try:
                self._executor.submit(work, f"stormcone-{run.handler}-{run.stage}")
            except RuntimeError as error:  # no more threads, now
                attempt = Attempt(Verdict.ERROR, one_line(error))
                self._post(partial(self._attempt_ended, run.id, attempt))
            busy = True
        return busy

    def _end_leftovers(self, now: Instant) -> frozenset[int]:
        """End what an earlier life has left running; answers the episodes that wait for that."""
        if self._leftovers is None:
            return frozenset()
        left = self._leftovers.end(now.steady)
        if left.new:
            numbers = ", ".join(map(str, left.new[:10]))
            self._reporter.tell(
                NoticeKind.PROBLEM,
                f"{len(left.new)} process(es) of an earlier life still run ({numbers}): they are ended first",
            )
        if not left.episodes:
            self._leftovers = None
        return left.episodes

    def _attempt(self, due: DueRun, context: Context) -> Callable[[], None]:
        def work() -> None:
            reached(Boundary.BEFORE_STAGE)
            attempt = (
                Attempt(Verdict.SUCCEEDED, DRY_RUN)
                if self._settings.dry_run
                else attempt_stage(due.handler, due.run.stage, due.episode.event, context)
            )
            reached(Boundary.AFTER_STAGE)
            self._post(partial(self._attempt_ended, due.run.id, attempt))

        return work

    def _attempt_ended(self, run: int, attempt: Attempt, engine: Engine, now: Instant) -> Callable[[], None]:
        live = self._live.get(run)
        if live is None:
            return _nothing  # its time was up and it has been settled without waiting for it
        attempt = live.judge(attempt)
        settled = engine.end_attempt(live.due, attempt, now)

        def follow() -> None:
            del self._live[run]
            self._reporter.publish(notices.run_ended_notice(live.due.run, attempt, settled, live.due.episode, now))

        return follow

    def _approve(self, engine: Engine) -> bool:
        if not (self._confirmed and self._who.confirmed and self.provider.capabilities.can_approve):
            return False
        now = self._steady.now()
        busy = False
        room = MOST_APPROVALS - len(self._approving)
        for decided in engine.approvals(now, self._approving, ask=not self._settings.dry_run, most=room):
            if decided.request is not None:
                self._send(decided.request)
            elif decided.new:  # a yes is followed by the cloud's answer, but in a dry run
                self._reporter.publish(notices.decision_notice(decided.episode, decided.decision, now.date))
            busy = True
        return busy

    def _send(self, request: ApprovalRequest) -> None:
        self._approving.add(request.episode.id)
        try:
            self._executor.submit(self._approval(request), "stormcone-approve")
        except RuntimeError as error:  # no more threads, now
            self._post(partial(self._approval_answered, request, ProviderError(one_line(error))))

    def _approval(self, request: ApprovalRequest) -> Callable[[], None]:
        def work() -> None:
            error: ProviderError | None = None
            reached(Boundary.BEFORE_APPROVAL)
            try:
                self.provider.approve(request.episode.event)
            except ProviderError as caught:
                error = caught
            except Exception as caught:  # noqa: BLE001 - whatever a provider raises, the approval may be tried again
                error = ProviderError(one_line(caught))
            reached(Boundary.AFTER_APPROVAL)
            self._post(partial(self._approval_answered, request, error))

        return work

    def _approval_answered(
        self, request: ApprovalRequest, error: ProviderError | None, engine: Engine, now: Instant
    ) -> Callable[[], None]:
        engine.answer_approval(request, error, now, pause=self._pace.heeded(error) if error else 0.0)

        def follow() -> None:
            self._approving.discard(request.episode.id)
            self._reporter.publish(notices.approval_notice(request.episode, request.reason, error, now.date))

        return follow

    # the end

    def _finish(self) -> None:
        """Tell handlers, wait a bounded time for them, keep the journal."""
        self._poller.stop()
        for live in self._live.values():
            live.control.tell(Word.STOPPING)
        if self._live:
            self._reporter.tell(
                NoticeKind.STOPPING, f"stopping; waiting up to {self._grace:g} s for {len(self._live)} run(s)"
            )
        end = self._clock.monotonic() + self._grace
        try:
            while (self._live or self._approving) and (left := end - self._clock.monotonic()) > 0:
                self._wake.clear()
                self._turn()
                if self._live or self._approving:
                    self._clock.wait(self._wake, left)
            if self._life is not None:
                self.journal.save_clock(self._steady.record())
                self.journal.end_life(self._life, self._clock.now())
        except JournalError as error:
            self._reporter.complain("journal", str(error))
        finally:
            for live in self._live.values():
                live.end()
