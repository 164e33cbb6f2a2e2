"""One provider as the agent watches it: what it has told last, how it is, and what is waiting to be taken in."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from stormcone.agent import notices
from stormcone.agent.identification import Identification
from stormcone.agent.notices import NoticeKind
from stormcone.agent.pace import Pace
from stormcone.agent.poller import Poller, PollResult
from stormcone.agent.reporter import Reporter
from stormcone.agent.workers import Executor
from stormcone.clock import Clock
from stormcone.clouds.contract import Hints, Provider
from stormcone.errors import ProviderError
from stormcone.model import EventKey, Machine, MaintenanceEvent, Observation
from stormcone.rules.sharding import WHOLE, Part
from stormcone.text import one_line, span


@dataclass(frozen=True)
class AgentStatus:
    """How the agent stands with one cloud.

    Attributes:
        last_success: when a poll last succeeded, aware UTC, or None.
        error: why the last poll failed, or why it is not known of which machine events are to be handled; None: what is
            scheduled is known.
        polls: how many polls there have been, well or not.
        failures: how many of these failed.
        succeeded: `last_success` on the monotonic clock.
        interval: seconds between two polls where nothing is wrong.
    """

    last_success: datetime | None = None
    error: str | None = None
    polls: int = 0
    failures: int = 0
    succeeded: float | None = None
    interval: float = 1.0


class Watch:
    """One provider of an agent.

    Args:
        provider: who is asked.
        clock: for the intervals.
        interval: seconds between polls; None takes the provider's.
        machine: as the cloud has said already; None asks it.
        known: which machine this is until the cloud says it; None where that is not known.
        wake: called when there is an answer to take in.
        alone: whether nobody else tells the agent of events.
        part: which events are taken.

    Attributes:
        name: the provider's.
        told: what it is asked for, in words.
        status: how it is.
        who: which machine the provider sees.
        heard: what it has said of that and nobody has taken in yet, or None.
        answer: what the last poll brought, until it is taken in; or None.
        unplaced: whether that has been told of although it was not known which machine this is.
        confirmed: whether it has been asked with success in this life.
        going_on: the events of which it is asked how they have ended, once it no longer lists them.
    """

    def __init__(
        self,
        provider: Provider,
        clock: Clock,
        interval: float | None,
        machine: Machine | None,
        known: Machine | None,
        wake: Callable[[], None],
        *,
        alone: bool = True,
        part: Part = WHOLE,
    ) -> None:
        self.provider = provider
        self.name = provider.name
        self.told = "what is scheduled" if alone else f"what {self.name} tells of"
        self.heard: Machine | ProviderError | None = None
        self.answer: PollResult | None = None
        self.unplaced = False
        self.confirmed = False
        self.going_on: Mapping[EventKey, MaintenanceEvent] = {}
        self._clock = clock
        self._wake = wake
        self._lock = threading.Lock()  # on `answer` and what is counted of it
        self._polls = 0
        self._last_taken: Observation | None = None
        self._asked_for = False
        self._taken = threading.Event()
        self._stopping = False
        between = provider.capabilities.poll_interval if interval is None else interval
        self.status = AgentStatus(interval=between)
        self.pace = Pace(provider, between)
        self.who = Identification(provider, clock, Pace(provider, between), machine, known)
        self._poller = Poller(provider, clock, Pace(provider, between), lambda: self.going_on, part)

    def begin(self) -> None:
        """Poll in a thread of its own from now on, until `stop`."""
        if isinstance(self.provider, Hints):
            self.provider.on_hint(self.soon)
        name = f"stormcone-poll-{self.name}"
        threading.Thread(target=self._poller.run, args=(self._post,), name=name, daemon=True).start()

    def stop(self) -> None:
        """Let the polling end; a request that is under way is not waited for."""
        self._stopping = True
        self._taken.set()
        self._poller.stop()

    def soon(self) -> None:
        """Poll without waiting for the interval, and have the loop look at once at what that brings."""
        self._asked_for = True
        self._poller.soon()

    def ask(self) -> None:
        """Poll once, now, and ask which machine this is where that is due.

        It is not polled where messages wait to be taken in, since those are told only once.
        """
        if self.answer is None or not self.answer.receipt:
            self._put(self._poller.ask())
        if self.who.begin():
            self.heard = self.who.ask()

    def ask_who(self, executor: Executor) -> None:
        """Have the cloud asked, beside the caller, which machine this is, where that is not known and due."""
        if not self.who.begin():
            return

        def work() -> None:
            self.heard = self.who.ask()
            self._wake()

        try:
            executor.submit(work, f"stormcone-identify-{self.name}")
        except RuntimeError as error:  # no more threads, now
            self.heard = ProviderError(one_line(error))

    def taken(self, answer: PollResult) -> None:
        """The answer has been taken in, and what it says is on the disk."""
        with self._lock:
            if self.answer is answer:  # else the next one has come meanwhile, and its messages wait still
                self.answer, self.unplaced = None, False
                self._taken.set()
        self._last_taken = answer.observation

    def _post(self, answer: PollResult) -> None:
        """In the thread that polls: messages stay until they are taken in, and nothing is asked meanwhile."""
        self._put(answer)
        if answer.receipt:
            self._taken.wait()

    def _put(self, answer: PollResult) -> None:
        if answer.receipt and not self._stopping:
            self._taken.clear()
        with self._lock:
            self.answer, self.unplaced = answer, False
            self._polls += 1
        if self._asked_for or not self._is_no_news(answer):
            self._asked_for = False
            self._wake()

    def _is_no_news(self, answer: PollResult) -> bool:
        """Whether it can wait until the loop looks by itself: the cloud says what it said before, and all is well."""
        same = answer.observation is not None and answer.observation is self._last_taken
        return same and not (answer.receipt or answer.verdicts or answer.ends_error or self.status.error)

    # how it is

    def could_not_ask(self, error: ProviderError, reporter: Reporter, *, placed: bool) -> None:
        """The last poll failed; `placed`: whether it is known which machine this is."""
        since = self.status.last_success
        age = f"last asked with success {span(self._clock.now() - since)} ago" if since else "never asked with success"
        text = ("" if placed else self.who.error) or str(error)  # of the two the former tells more
        introduction = f"{self.told} is unknown ({age}): "
        reporter.complain(f"cloud {self.name}", text, kind=NoticeKind.UNKNOWN, introduction=introduction)
        known = self.status
        self.status = replace(known, error=text, polls=self._polls, failures=known.failures + 1)

    def could_ask(self, reporter: Reporter, *, placed: bool) -> None:
        """The last poll succeeded."""
        now, since = self._clock.now(), self.status.last_success
        if reporter.complain(f"cloud {self.name}", "") and placed:
            gap = f" after {span(now - since)}" if since else ""
            reporter.tell(NoticeKind.ANSWERED, f"{self.name} answers again{gap}")
        error = None if placed else self.who.error or None
        seconds = self._clock.monotonic()
        self.status = replace(self.status, last_success=now, error=error, polls=self._polls, succeeded=seconds)
        self.confirmed = self.confirmed or placed

    def does_not_say_who(self, reporter: Reporter) -> None:
        """What is announced could be asked: say what follows where the cloud does not say which machine this is."""
        if self.who.confirmed or not self.who.error:
            return
        reporter.complain(
            f"identity {self.name}",
            f"{self.who.error}; {notices.meanwhile(self.who.machine)}",
            kind=NoticeKind.UNKNOWN,
            introduction="the cloud has not said which machine this is: ",
        )
