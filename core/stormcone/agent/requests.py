"""What the agent asks of the cloud beside polling: each in a thread of its own, so that none holds up another."""

from collections.abc import Callable
from functools import partial
from math import inf
from typing import cast

from stormcone.agent import notices
from stormcone.agent.asking import ApprovalRequest
from stormcone.agent.engine import Engine
from stormcone.agent.mailbox import Follow, Message
from stormcone.agent.reporter import Reporter
from stormcone.agent.sources import Sources
from stormcone.agent.watch import Watch
from stormcone.agent.workers import Executor
from stormcone.clock import Instant
from stormcone.clouds.contract import Acknowledges, Extends, Postpones, Provider
from stormcone.errors import ProviderError, RequestRefused
from stormcone.journal import JournalStore
from stormcone.journal.boundaries import Boundary, reached
from stormcone.model import EventKey, MaintenanceEvent
from stormcone.text import one_line

MOST_APPROVALS = 64
"""Approvals that are on their way at the same time."""


def asked(work: Callable[[], None]) -> ProviderError | None:
    """Ask; answers the error in place of an answer, whatever a provider raises."""
    try:
        work()
    except ProviderError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a provider's fault must end nothing, and it may be asked again
        return ProviderError(one_line(error))
    return None


class Requests:
    """The requests that are due, and those that are on their way.

    Args:
        sources: who is asked.
        executor: where they are made.
        reporter: what is told of them.
        post: takes what an answer means to the loop.
        journal: asked, as late as can be, whether it is still this agent's.
        dry_run: whether nothing is sent.

    Attributes:
        approving: the episodes of which an approval, or a request to put them off, is on its way.
    """

    def __init__(
        self,
        sources: Sources,
        executor: Executor,
        reporter: Reporter,
        post: Callable[[Message], None],
        *,
        journal: JournalStore,
        dry_run: bool,
    ) -> None:
        self.approving: set[int] = set()
        self._sources = sources
        self._executor = executor
        self._reporter = reporter
        self._post = post
        self._journal = journal
        self._dry_run = dry_run
        self._heard: dict[EventKey, float] = {}

    def postpone(self, engine: Engine, now: Instant) -> bool:
        """Send what is to be put off; True where something was."""
        able = self._sources.able(lambda capabilities: capabilities.can_postpone)
        if not able or self._dry_run:
            return False
        requests = engine.decisions.postpone(now, self.approving, able, most=self._room)
        for request in requests:
            self._send(request)
        return bool(requests)

    def approve(self, engine: Engine, now: Instant) -> bool:
        """Send the approvals that are decided; True where something was decided."""
        able = self._sources.able(lambda capabilities: capabilities.can_approve)
        if not able:
            return False
        decisions = engine.decisions.approve(now, self.approving, able, ask=not self._dry_run, most=self._room)
        for decided in decisions:
            if decided.request is not None:
                self._send(decided.request)
            elif decided.new:  # a yes is followed by the cloud's answer, but in a dry run
                self._reporter.publish(notices.decision_notice(decided.episode, decided.decision, now.date))
        return bool(decisions)

    def extend(self, engine: Engine, now: float) -> None:
        """Have the clouds hear that work goes on, twice in the time for which they wait without hearing it.

        Args:
            engine: which knows of what.
            now: seconds, on the monotonic clock.
        """
        if self._dry_run or not self._sources.extending:
            return
        known, self._heard = self._heard, {}
        for event in engine.waited_for():
            watch = self._sources.of(event)
            due = known.get(event.key, -inf)
            self._heard[event.key] = due
            if watch and isinstance(watch.provider, Extends) and event.heartbeat is not None and now >= due:
                self._heard[event.key] = now + event.heartbeat.total_seconds() / 2
                self._extend(event, watch)

    @property
    def _room(self) -> int:
        return MOST_APPROVALS - len(self.approving)

    def _send(self, request: ApprovalRequest) -> None:
        """Send an approval, or a request to put an event off, which the journal has already."""
        watch = self._sources.of(request.episode.event) or self._sources.first
        self.approving.add(request.episode.id)

        def work() -> None:
            reached(Boundary.BEFORE_APPROVAL)
            error = asked(partial(self._ask_for, watch.provider, request))
            reached(Boundary.AFTER_APPROVAL)
            self._post(partial(self._approved, request, watch, error))

        try:
            self._executor.submit(work, "stormcone-approve")
        except RuntimeError as error:  # no more threads, now
            self._post(partial(self._approved, request, watch, ProviderError(one_line(error))))

    def _ask_for(self, provider: Provider, request: ApprovalRequest) -> None:
        # As late as can be: the thread may have waited, and the machine slept, since the journal was asked.
        if not self._journal.may_act():
            raise ProviderError("it was not sent, since another agent may have the journal by now")
        event = request.episode.event
        if request.until is None:
            provider.approve(event)
        elif isinstance(provider, Postpones):
            provider.postpone(event, request.until)
        else:
            raise RequestRefused(f"{provider.name} cannot put events off")

    def _approved(
        self, request: ApprovalRequest, watch: Watch, error: ProviderError | None, engine: Engine, now: Instant
    ) -> Follow:
        engine.decisions.answered(request, error, now, pause=watch.pace.heeded(error) if error else 0.0)

        def follow() -> None:
            self.approving.discard(request.episode.id)
            self._reporter.publish(
                notices.approval_notice(request.episode, request.reason, error, now.date, until=request.until)
            )

        return follow

    def _extend(self, event: MaintenanceEvent, watch: Watch) -> None:
        def work() -> None:
            error = asked(partial(cast(Extends, watch.provider).extend, event))
            self._post(lambda _engine, _now: partial(self._extended, event, error))

        try:
            self._executor.submit(work, f"stormcone-extend-{watch.name}")
        except RuntimeError as error:  # no more threads, now
            self._extended(event, ProviderError(one_line(error)))

    def _extended(self, event: MaintenanceEvent, error: ProviderError | None) -> None:
        if isinstance(error, RequestRefused):
            self._heard[event.key] = inf
        trouble = f"the cloud could not be asked to wait for {event.id}: {error}" if error else ""
        self._reporter.complain(f"extend {event.id}", trouble)

    def acknowledge(self, watch: Watch, receipt: tuple[str, ...]) -> None:
        """Tell a provider that the journal has what these messages said; where it fails they come again."""
        provider = watch.provider
        if not receipt or not isinstance(provider, Acknowledges):
            return
        source = f"receipt {watch.name}"

        def work() -> None:
            reached(Boundary.BEFORE_ACKNOWLEDGEMENT)
            error = asked(partial(provider.acknowledge, receipt))
            reached(Boundary.AFTER_ACKNOWLEDGEMENT)
            self._post(lambda _engine, _now: partial(self._acknowledged, source, len(receipt), error))

        try:
            self._executor.submit(work, f"stormcone-acknowledge-{watch.name}")
        except RuntimeError as error:  # no more threads, now
            self._acknowledged(source, len(receipt), ProviderError(one_line(error)))

    def _acknowledged(self, source: str, number: int, error: ProviderError | None) -> None:
        trouble = f"{number} message(s) could not be acknowledged and will come again: {error}" if error else ""
        self._reporter.complain(source, trouble)
