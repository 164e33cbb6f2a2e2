"""What the agent asks of the cloud beside polling: each in a thread of its own, so that none holds up another."""

from collections.abc import Callable
from functools import partial

from stormcone.agent import notices
from stormcone.agent.engine import ApprovalRequest, Engine
from stormcone.agent.reporter import Reporter
from stormcone.agent.watch import Watch
from stormcone.agent.workers import Executor
from stormcone.clock import Instant
from stormcone.clouds.contract import Acknowledges
from stormcone.errors import ProviderError
from stormcone.journal.boundaries import Boundary, reached
from stormcone.text import one_line

Follow = Callable[[], None]
Message = Callable[[Engine, Instant], Follow]
"""What another thread has for the loop: it records something, and answers what follows once that is on the disk."""


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
    """The requests that are on their way.

    Args:
        executor: where they are made.
        reporter: what is told of them.
        post: takes what an answer means to the loop.

    Attributes:
        approving: the episodes whose approval is on its way.
    """

    def __init__(self, executor: Executor, reporter: Reporter, post: Callable[[Message], None]) -> None:
        self.approving: set[int] = set()
        self._executor = executor
        self._reporter = reporter
        self._post = post

    def approve(self, request: ApprovalRequest, watch: Watch) -> None:
        """Send an approval, which the journal has already."""
        self.approving.add(request.episode.id)

        def work() -> None:
            reached(Boundary.BEFORE_APPROVAL)
            error = asked(partial(watch.provider.approve, request.episode.event))
            reached(Boundary.AFTER_APPROVAL)
            self._post(partial(self._approved, request, watch, error))

        try:
            self._executor.submit(work, "stormcone-approve")
        except RuntimeError as error:  # no more threads, now
            self._post(partial(self._approved, request, watch, ProviderError(one_line(error))))

    def _approved(
        self, request: ApprovalRequest, watch: Watch, error: ProviderError | None, engine: Engine, now: Instant
    ) -> Follow:
        engine.answer_approval(request, error, now, pause=watch.pace.heeded(error) if error else 0.0)

        def follow() -> None:
            self.approving.discard(request.episode.id)
            self._reporter.publish(notices.approval_notice(request.episode, request.reason, error, now.date))

        return follow

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
