"""The agent of `run` as others see it: health over HTTP, its own Unix socket, what is counted, what systemd is told."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from stormcone.agent.loop import Agent
from stormcone.agent.notices import Notice, NoticeKind
from stormcone.agent.view import AgentView
from stormcone.clock import Clock
from stormcone.health.addresses import Address, own_socket
from stormcone.health.face import Health
from stormcone.health.server import HealthListener
from stormcone.service.notify import Notifier


class WatchedRun:
    """Answers for the agents of one `run`, from the first one's beginning until the block is left.

    Args:
        clock: the agents'.
        tell: where notices go.
        listen: where health is served beside the journal's own socket.
        journal: whose own socket is served; None: there is none.
    """

    def __init__(
        self, clock: Clock, tell: Callable[[Notice], None], listen: Iterable[Address], journal: Path | None
    ) -> None:
        self.health = Health(clock)
        self._clock = clock
        self._tell = tell
        self._listen = tuple(listen)
        self._journal = journal
        self._begun = False
        self._waited_for = ""
        self._notifier = Notifier()
        self._stack = ExitStack()
        self._stack.callback(self._notifier.close)
        if self._listen:
            self.health.count()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def hear(self, notice: Notice) -> None:
        """The agents' listener."""
        self.health.hear(notice)
        self._tell(notice)

    def turned(self, view: AgentView) -> None:
        """Called at the end of each turn of an agent's loop, in its thread."""
        self.health.turned(view)
        if self._notifier.wanted:
            self._notifier.turned(view, self.health.readiness(view))

    def stand_by(self, who: str, text: str) -> None:
        """Say that the journal is waited for, and answer so; called at each look at it.

        Args:
            who: has it; said once.
            text: who has it until when, as a clause.
        """
        self.health.stand_by(text)
        self._serve()
        self._notifier.waits(f"standing by: {text}")
        if who != self._waited_for:
            self._waited_for = who
            self._say(NoticeKind.STANDING_BY, f"standing by: {text}")

    def begin(self, agent: Agent) -> None:
        """Answer for this agent from now on."""
        self.health.watch(agent)
        self._waited_for = ""
        self._serve()

    def _serve(self) -> None:
        if self._begun:
            return
        self._begun = True
        own = [own_socket(self._journal)] if self._journal else []
        if self._journal is not None:
            with suppress(OSError):  # that nothing can be served there is told
                self._journal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for address in (*own, *self._listen):
            self._stack.callback(HealthListener(address, self.health, self._told).close)
        for address in self._listen:
            reach = "whoever reaches this machine" if address.exposed else "this machine alone"
            self._say(NoticeKind.SERVING, f"health and metrics are served on {address}, for {reach}")

    def not_reloaded(self, why: str) -> None:
        """A changed configuration is not taken in; any thread may call this."""
        self.hear(Notice(self._clock.now(), NoticeKind.NOT_RELOADED, why))

    def _told(self, trouble: str) -> None:
        self._say(NoticeKind.PROBLEM, trouble)

    def _say(self, kind: NoticeKind, text: str) -> None:
        self._tell(Notice(self._clock.now(), kind, text))
