"""The agent: poll, advance, record, dispatch, approve, for as long as the machine lives.

Three kinds of threads: one for each provider, which polls, one for each piece of work (a handler's stage, an approval,
telling a sink), and the loop, which alone touches the journal. The others post what they have to the loop and wake it.
"""

import threading
from collections.abc import Callable, Mapping, Sequence

from stormcone.agent import notices
from stormcone.agent.boot_id import read_boot_id
from stormcone.agent.deliveries import Deliveries
from stormcone.agent.engine import Engine
from stormcone.agent.exchange import FleetExchange
from stormcone.agent.identification import of_this_boot
from stormcone.agent.mailbox import Mailbox, Message
from stormcone.agent.notices import Notice, NoticeKind
from stormcone.agent.reporter import Reporter, log
from stormcone.agent.requests import Requests
from stormcone.agent.settings import AgentSettings
from stormcone.agent.sources import Sources
from stormcone.agent.stages import Stages
from stormcone.agent.steady import SteadyClock
from stormcone.agent.view import AgentView, RunningStage
from stormcone.agent.watch import AgentStatus, Watch
from stormcone.agent.workers import Executor, ThreadExecutor
from stormcone.clock import Clock, SystemClock
from stormcone.clouds.contract import Provider
from stormcone.errors import JournalDamaged, JournalError, JournalFenced, ProviderError
from stormcone.fleet.membership import Membership
from stormcone.handlers import App
from stormcone.journal import JournalStore
from stormcone.model import Machine, Observation
from stormcone.rules.changes import Verdicts
from stormcone.sinks.contract import NamedSink
from stormcone.text import one_line

TICK = 1.0
"""Seconds between two looks at what is due, where nothing else wakes the loop."""

LAST_TELLING = 2.0
"""Seconds of its grace for which an agent that ends waits for sinks; what they are not told waits for its next life."""

USUAL = AgentSettings()

NOT_SURELY_OURS = (
    "it is not sure that no other agent has the journal; until it is, no handler starts and nothing is approved"
)

_DAY = 86400.0


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
        on_turn: called in the loop's thread at the end of each of its turns, with how it stands; keep it quick.
        also: further providers that may tell of events of the machine, each of another name. The first one says which
            machine this is; the names that these have for it are its aliases. See `stormcone.rules.tellings`.
        sinks: who is told of every change, run and approval, beside the work; in a dry run, nobody.
        fleet: how it takes part in a fleet; None: in none. A dry run takes part in none.

    Raises:
        ValueError: two of the providers, or of the sinks, have one name; or there is a fleet, and the app has a leader.
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
        on_turn: Callable[[AgentView], None] | None = None,
        also: Sequence[Provider] = (),
        sinks: Sequence[NamedSink] = (),
        fleet: Membership | None = None,
    ) -> None:
        self.provider = provider
        self.app = app
        self.journal = journal
        self._clock = clock or SystemClock()
        self._boot_id = read_boot_id() if boot_id is None else boot_id
        self._executor = executor or ThreadExecutor()
        self._reporter = Reporter(self._clock, listener)
        self._settings = settings
        self._next_app: App | None = None
        self._grace = settings.grace
        self._forget_due = self._clock.monotonic()
        self._engine: Engine | None = None
        self._life: int | None = None
        self._steady = SteadyClock(self._clock, "", None)
        self._wake = threading.Event()
        self._at_rest = threading.Event()  # no turn is under way
        self._at_rest.set()
        self._mailbox = Mailbox(self._wake.set)
        self._stopping = False
        self._stages = Stages(
            journal,
            self._clock,
            self._executor,
            self._reporter,
            self._mailbox.post,
            secrets=(
                *journal.secrets,
                *(fleet.secrets if fleet else ()),
                *(name for each in (provider, *also) for name in each.capabilities.secrets),
            ),
            dry_run=settings.dry_run,
        )
        self._sources = Sources(
            provider,
            also,
            self._clock,
            settings.interval,
            machine=machine,
            journal=journal,
            boot_id=self._boot_id,
            wake=self._wake.set,
            part=settings.part,
        )
        self._requests = Requests(
            self._sources,
            self._executor,
            self._reporter,
            self._mailbox.post,
            journal=journal,
            dry_run=settings.dry_run,
        )
        if len({sink.name for sink in sinks}) != len(sinks):
            raise ValueError("two sinks of one agent have the same name")
        self._deliveries = Deliveries(
            () if settings.dry_run else sinks,
            journal.outbox,
            self._clock,
            self._executor,
            self._reporter,
            self._mailbox.post,
        )
        if why := leader_besides(app, fleet):
            raise ValueError(why)
        self._exchange = FleetExchange(None if settings.dry_run else fleet, self._clock, self._reporter, self._wake.set)
        self._fleet = fleet
        self._on_turn = on_turn
        self._journal_error = ""
        self._fenced = False
        self._view = self._look()

    @property
    def status(self) -> AgentStatus:
        """How the agent stands with its first provider."""
        return self._sources.first.status

    @property
    def sources(self) -> Mapping[str, AgentStatus]:
        """How it stands with each of its providers, by name."""
        return self._sources.statuses

    @property
    def view(self) -> AgentView:
        """How it stood at the end of the loop's last turn; any thread may ask."""
        return self._view

    def settled_view(self, patience: float) -> AgentView:
        """As `view`, after the turn under way, so that it has what is told in that. Any thread may ask but the loop's.

        Args:
            patience: seconds that the turn is waited for; one that takes longer is not in it.
        """
        self._at_rest.wait(patience)
        return self._view

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
            JournalFenced: another agent has taken the journal over; open it again, and wait for it.
        """
        self._sources.begin()
        self._exchange.begin()
        deaf = self.journal.offers.listen(self._wake.set) if self.journal.offers else None
        try:
            while not self._stopping:
                self._wake.clear()
                self._sources.ask_who(self._executor)
                self._turn_whatever_happens()
                self._show()
                if not self._stopping:
                    self._clock.wait(self._wake, TICK)
        except JournalDamaged:
            self._grace = 0.0  # what handlers still come to could not be written down
            raise
        except JournalFenced as error:
            self._fenced = True
            self._journal_error = str(error)
            self._reporter.tell(NoticeKind.PROBLEM, f"{error}; handlers are told to stop")
            raise
        finally:
            self._finish()
            if deaf is not None:
                deaf()

    def stop(self) -> None:
        """Ask `run` to end, from another thread. A signal's handler may call it where `run` is not in its thread."""
        self._stopping = True
        self._wake.set()
        self._sources.stop()

    def take_app(self, app: App) -> None:
        """Have other handlers, rules and settings of approval from the next turn on; any thread may call it.

        A stage that runs ends with the handler that it began with; what begins later, another attempt too, is of the
        new one. Handlers that are new take part in the events that go on. An app in which nothing would recover from
        what a handler has begun is refused, and the old one goes on: a notice says which of the two it is.
        """
        self._next_app = app
        self._wake.set()

    def poll_soon(self) -> None:
        """Poll without waiting for the interval: something hints that there is news."""
        self._sources.soon()

    def step(self) -> None:
        """Poll once and do all that is due then; with an `InlineExecutor`, to its end.

        Raises:
            JournalDamaged: as `run`.
            JournalFenced: as `run`.
        """
        self._sources.ask()
        try:
            while self._turn() or self._exchange.ask():
                pass
            self._show()
        finally:
            self._at_rest.set()

    # what others may see

    def _look(self) -> AgentView:
        """How it stands now; what the journal cannot be asked for is as it was."""
        try:
            works = self._engine.works() if self._engine else ()
            sinks = self._deliveries.records() if self._engine else ()
        except JournalError:
            works, sinks = self._view.works, self._view.sinks
        return AgentView(
            at=self._clock.now(),
            seconds=self._clock.monotonic(),
            app=self.app,
            machine=self.machine,
            sources=self.sources,
            works=works,
            running=tuple(RunningStage.of(live) for live in self._stages.live.values()),
            sinks=sinks,
            fleet=self._exchange.standing,
            turns=self._exchange.held,
            steady=self._steady.now().steady,
            crew=self._stages.crew,
            journal=self.journal.path,
            journal_error=self._journal_error,
            stopping=self._stopping,
        )

    def _show(self) -> None:
        """Show how it stands; a fault in who looks ends nothing."""
        self._view = self._look()
        self._at_rest.set()
        if self._on_turn is not None:
            try:
                self._on_turn(self._view)
            except Exception as error:  # noqa: BLE001 - the machine needs its agent
                self._reporter.complain("on_turn", f"whoever is told of each turn failed: {one_line(error)}")

    # the loop

    def _turn_whatever_happens(self) -> None:
        """A turn; what nobody has foreseen is told, and the next turn goes on: the machine needs its agent."""
        trouble = ""
        try:
            self._turn()
        except (JournalDamaged, JournalFenced):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, to end for it would be worse
            log.debug("the agent's loop failed", exc_info=True)
            trouble = f"the agent has hit a fault of its own, and goes on: {one_line(error)}"
        self._reporter.complain("loop", trouble)

    def _turn(self) -> bool:
        """Do all that there is to do now; True where something was done, so that there may be more."""
        self._at_rest.clear()
        self._reporter.complain("lost journal", self.journal.loss)
        try:
            acts = self.journal.may_act()
            try:
                busy = sum(self._take_identity(watch) for watch in self._sources) > 0
                busy = self._take_in() or busy
            finally:  # no time-out is lost on a journal that takes no writes
                if self._engine is not None:
                    self._record(self._stages.overrun(self._engine, self._steady.now()))
            if self._engine is not None and not self._stopping:
                busy = self._take_next_app(self._engine) or busy
                busy = (acts and self._act(self._engine)) or busy
                if self._steady.stepped:
                    self.journal.save_clock(self._steady.record())
                self._sources.go_on(self._engine.going_on)
                self._forget()
            elif self._engine is not None:
                self._listen_to_fleet(self._engine)
            if self._engine is not None:
                busy = self._deliveries.send(self._steady.now()) or busy
        except (JournalDamaged, JournalFenced):
            raise
        except JournalError as error:
            self._journal_error = str(error)
            self._reporter.complain(
                "journal", f"{error}; until it can be written no handler starts and nothing is approved"
            )
            return False
        self._journal_error = "" if acts else NOT_SURELY_OURS
        self._reporter.complain("journal", self._journal_error)
        return busy

    def _act(self, engine: Engine) -> bool:
        """Begin and ask for what is due; True where something was."""
        busy = self._requests.postpone(engine, self._steady.now())
        busy = self._listen_to_fleet(engine) or busy
        asked, waiting = self._sources.asked(), self._exchange.held
        busy = self._stages.begin(engine, self._steady.now(), confirmed=asked, waiting=waiting) or busy
        busy = self._requests.approve(engine, self._steady.now()) or busy
        self._requests.extend(engine, self._clock.monotonic())
        return busy

    def _listen_to_fleet(self, engine: Engine) -> bool:
        """As `_exchange_with_fleet`; what the fleet says that nobody has foreseen holds up no event of ours."""
        trouble, heard = "", False
        try:
            heard = self._exchange_with_fleet(engine)
        except JournalError:
            raise
        except Exception as error:  # noqa: BLE001 - it comes from other machines, of other versions perhaps
            log.debug("what the fleet has said is not understood", exc_info=True)
            trouble = f"what the fleet has said is not understood, and events go on without it: {one_line(error)}"
        self._reporter.complain("fleet fault", trouble)
        return heard

    def _exchange_with_fleet(self, engine: Engine) -> bool:
        """Take in what the fleet has said, and work out what to say to it; True where there was something.

        One that ends sends no approval any more, so it gives its claims back.
        """
        now = self._steady.now()
        heard = self._exchange.take(now)
        decisions = engine.decisions
        decisions.fleet = self._exchange.standing
        if decisions.fleet is None:
            return heard
        self._exchange.say(
            engine,
            now,
            known=self._sources.first.who.confirmed and not engine.machine.disputed,
            able=() if self._stopping else self._sources.able(lambda capabilities: capabilities.can_approve),
            in_flight=self._requests.approving,
        )
        decisions.turns = self._exchange.held
        for decided in decisions.waits():
            self._reporter.publish(notices.turn_notice(decided.episode, decided.decision.reason, now.date))
        return heard

    def _take_next_app(self, engine: Engine) -> bool:
        """Take another app in; True where there was one. One that a full disk holds up is taken later."""
        app = self._next_app
        if app is None:
            return False
        why = leader_besides(app, self._fleet) or engine.take_app(app, self._steady.now())
        if self._next_app is app:
            self._next_app = None
        if why:
            self._reporter.tell(
                NoticeKind.NOT_RELOADED, f"the new handlers are not taken in, the old ones go on: {why}"
            )
        else:
            self.app = app
            names = ", ".join(handler.label for handler in app.handlers)
            self._reporter.tell(NoticeKind.RELOADED, f"from now on the handlers are {names}")
        return True

    def _forget(self) -> None:
        """Once a day, let the journal forget what ended long ago."""
        seconds = self._clock.monotonic()
        if seconds < self._forget_due:
            return
        self._deliveries.expire(self._clock.now())
        if self._settings.keep is not None:
            self.journal.save_clock(self._steady.record())
            self.journal.forget(self._clock.now() - self._settings.keep)
        self._forget_due = seconds + _DAY

    def _take_in(self) -> bool:
        """Take in what the other threads have posted; True where there was something."""
        busy = sum(self._take_answer(watch) for watch in self._sources) > 0
        if self._engine is not None and (heard := self._stages.heard()):
            self._record(heard)
            self._wake.set()  # what has been taken may have ended already
            busy = True
        return self._mailbox.empty(self._record) or busy

    def _record(self, messages: Sequence[Message]) -> None:
        """Record what the messages say in one transaction, and do what follows from it once it is on the disk."""
        if self._engine is not None and messages:
            now = self._steady.now()
            with self._engine.together():
                following = [message(self._engine, now) for message in messages]
            for follow in following:
                follow()

    def _take_identity(self, watch: Watch) -> bool:
        """Take in what the cloud has said of the machine; True where there was something."""
        heard = watch.heard
        if heard is None:
            return False
        if isinstance(heard, Machine) and watch is self._sources.first:
            self._identified(heard)
        watch.who.settle(heard)
        watch.heard = None
        if watch is not self._sources.first and self._engine is not None:
            self._engine.machine = self._sources.by_all_names(self._engine.machine)
        return True

    def _take_answer(self, watch: Watch) -> bool:
        """Take in what a poll brought, as far as that can be done: True where there was something."""
        answer = watch.answer
        if answer is None or (watch.unplaced and self._engine is None):
            return False
        if self._engine is None and self._sources.first.who.machine is not None:
            self._begin_life(self._sources.first.who.machine)
        placed = self._engine is not None
        if answer.observation is None:
            watch.could_not_ask(answer.error or ProviderError("it was not asked"), self._reporter, placed=placed)
            watch.taken(answer)
        elif self._engine is None:
            watch.could_ask(self._reporter, placed=False)
            watch.unplaced = True
            self._reporter.complain(f"watched {watch.name}", notices.unplaced(answer.observation.events))
            watch.does_not_say_who(self._reporter)
        else:
            self._observed(self._engine, watch, answer.observation, answer.verdicts)
            watch.taken(answer)
            self._requests.acknowledge(watch, answer.receipt)
        return True

    def _identified(self, machine: Machine) -> None:
        """The cloud has said which machine this is."""
        if self._engine is not None and self._life is not None:
            machine = of_this_boot(machine, self._boot_id)
            if self.journal.confirm_life(self._life, machine):
                self._engine.machine = self._sources.by_all_names(machine)
                self._engine.resume(self._steady.now())  # events may name it otherwise than we did
                self._reporter.complain("name", notices.disputed(machine))
            else:
                self._another(machine)
        else:
            self._begin_life(machine)
        if self._reporter.complain(f"identity {self._sources.first.name}", ""):
            self._reporter.tell(NoticeKind.ANSWERED, f"{self.provider.name} says that this is {machine.name}")
        for watch in self._sources:
            self._reporter.complain(f"watched {watch.name}", "")

    def _another(self, machine: Machine) -> None:
        """The journal knows it as another machine than it was taken for: what was begun for that one ends here."""
        self._stages.end()
        self._stages.live.clear()
        self._engine = None
        if self._life is not None:
            self.journal.end_life(self._life, self._clock.now())
        self._begin_life(machine)

    def _begin_life(self, machine: Machine) -> None:
        machine = of_this_boot(machine, self._boot_id)
        self._life, cut_off = self.journal.begin_life(self._clock.now(), machine)
        self._steady = SteadyClock(self._clock, self._boot_id, self.journal.clock())
        self.journal.save_clock(self._steady.record())
        self._deliveries.begin_life()
        engine = Engine(self.journal, self.app, self._sources.by_all_names(machine), self._deliveries.outbox)
        engine.resume(self._steady.now())
        self._stages.begin_life(engine)
        orphans = [event for event in engine.going_on().values() if self._sources.of(event) is None]
        self._reporter.complain("orphans", notices.orphaned(orphans))
        self._engine = engine
        self._sources.go_on(engine.going_on)
        for watch in self._sources:
            if watch.going_on:
                watch.soon()  # the first poll could not ask how these have ended
        resumed = f"; {cut_off} unfinished run(s) of the last life go on" if cut_off else ""
        self._reporter.tell(NoticeKind.IDENTIFIED, f"watching {machine.name} on {machine.provider}{resumed}")
        self._reporter.complain("name", notices.disputed(machine))

    def _observed(self, engine: Engine, watch: Watch, observation: Observation, verdicts: Verdicts | None) -> None:
        instant = self._steady.now()
        changes = engine.observe(observation, instant, verdicts, source=watch.name)
        watch.does_not_say_who(self._reporter)
        watch.could_ask(self._reporter, placed=True)
        self._reporter.complain(f"answer {watch.name}", "; ".join(observation.problems))
        for change in changes:
            self._reporter.publish(notices.change_notice(change, engine.machine, instant.date))

    # the end

    def _finish(self) -> None:
        """Tell handlers, wait a bounded time for them, keep the journal."""
        self._sources.stop()
        self._stages.stop()
        self._show()
        if number := len(self._stages.here):
            self._reporter.tell(NoticeKind.STOPPING, f"stopping; waiting up to {self._grace:g} s for {number} run(s)")
        end = self._clock.monotonic() + self._grace
        try:
            if self._fenced:
                self._let_stages_end(end)
                return
            while (self._stages.here or self._requests.approving) and (left := end - self._clock.monotonic()) > 0:
                self._wake.clear()
                self._turn()
                self._show()
                if self._stages.here or self._requests.approving:
                    self._clock.wait(self._wake, min(left, TICK))
            last = min(end, self._clock.monotonic() + LAST_TELLING)
            self._tell_sinks_of_the_end(last)
            self._tell_fleet_of_the_end(last)
            if self._life is not None:
                self.journal.save_clock(self._steady.record())
                self.journal.end_life(self._life, self._clock.now())
        except JournalError as error:
            self._reporter.complain("journal", str(error))
        finally:
            self._exchange.stop()
            self._stages.end()
            self._at_rest.set()

    def _let_stages_end(self, end: float) -> None:
        """Let stages come to their end, of which nothing is written down any more."""
        while (left := end - self._clock.monotonic()) > 0:
            self._wake.clear()
            if not self._stages.working:
                return
            self._clock.wait(self._wake, min(left, TICK))

    def _tell_sinks_of_the_end(self, end: float) -> None:
        """Let sinks be told what is due, until then: the machine may not come back."""
        while self._deliveries.used and (left := end - self._clock.monotonic()) > 0:
            self._wake.clear()
            busy = self._turn()
            self._show()
            if self._deliveries.going_on:
                self._clock.wait(self._wake, left)
            elif not busy:
                return

    def _tell_fleet_of_the_end(self, end: float) -> None:
        """Let the fleet hear, until then, what the cloud has answered: else another member would ask it again."""
        while self._exchange.owes and (left := end - self._clock.monotonic()) > 0:
            self._wake.clear()
            self._turn()
            self._show()
            if self._exchange.owes:
                self._clock.wait(self._wake, left)


def leader_besides(app: App, fleet: Membership | None) -> str:
    """Why an app cannot be used in a fleet, as a sentence; "" where it can."""
    if fleet is None or app.approval.leader is None:
        return ""
    return "in a fleet all machines of an event agree, and the app names a leader who would not ask: leave one out"
