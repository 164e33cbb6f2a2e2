"""What systemd is told, over a real socket; the test is systemd."""

import os
import signal
import socket
import threading

import pytest
from tests.core.conftest import World

from stormcone.errors import ProviderError
from stormcone.handlers import Stage
from stormcone.health.readiness import readiness
from stormcone.service.notify import FEED_EVERY, Notifier


class Manager:
    """Systemd's end of the socket."""

    def __init__(self, path, **environment):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path if not path.startswith("@") else f"\0{path[1:]}")
        self._socket.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": path, "HOME": "/root", **environment}

    def told(self):
        """What has been told since the last look."""
        lines = []
        while True:
            try:
                lines += self._socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return lines

    def close(self):
        self._socket.close()


@pytest.fixture
def manager(tmp_path):
    manager = Manager(str(tmp_path / "notify"), WATCHDOG_USEC="120000000", WATCHDOG_PID=str(os.getpid()))
    yield manager
    manager.close()


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path / "journal.db")
    yield world
    world.die()


@pytest.fixture
def notifier(manager, world):
    notifier = Notifier(manager.environment, world.clock)
    world.agent._on_turn = lambda view: notifier.turned(view, readiness(view, world.clock.monotonic()))
    yield notifier
    notifier.close()


class TestWhatIsTold:
    def test_ready_once_the_loop_has_turned_and_what_it_watches(self, manager, notifier, world):
        assert manager.told() == []
        world.step()
        status = "STATUS=watching web-0 on test; 0 announced, 0 begun, 0 stage(s) run"
        assert manager.told() == ["READY=1", status, "WATCHDOG=1"]

    def test_the_status_when_it_changes_and_nothing_else_each_second(self, manager, notifier, world):
        world.handler("lb", (Stage.PREPARE,))
        world.step()
        manager.told()
        world.step(seconds=1)
        assert manager.told() == ["WATCHDOG=1"]
        world.cloud.announce()
        world.step(seconds=1)
        assert manager.told() == ["STATUS=watching web-0 on test; 1 announced, 0 begun, 0 stage(s) run", "WATCHDOG=1"]

    def test_the_watchdog_is_not_fed_more_often_than_each_second(self, manager, notifier, world):
        world.step()
        manager.told()
        world.step(seconds=FEED_EVERY / 4)
        assert manager.told() == []

    def test_why_it_is_not_ready(self, manager, notifier, world):
        world.step()
        manager.told()
        world.cloud.poll_faults.append(ProviderError("no route to host"))
        world.step(seconds=31)
        assert manager.told() == ["STATUS=source test: it has not answered for 31 s: no route to host", "WATCHDOG=1"]

    def test_that_it_stops(self, manager, notifier, world):
        world.step()
        manager.told()
        world.agent._stopping = True
        world.agent._show()
        assert manager.told()[:2] == ["STOPPING=1", "STATUS=stopping; 0 stage(s) still run"]

    def test_what_was_not_taken_is_told_again(self, tmp_path, world):
        environment = {"NOTIFY_SOCKET": str(tmp_path / "late")}
        notifier = Notifier(environment, world.clock)
        world.agent._on_turn = lambda view: notifier.turned(view, readiness(view, world.clock.monotonic()))
        world.step()
        manager = Manager(str(tmp_path / "late"))
        world.step(seconds=1)
        assert manager.told()[0] == "READY=1"
        manager.close()
        notifier.close()


class TestWhoIsTold:
    def test_an_abstract_socket_too(self, world):
        manager = Manager(f"@stormcone-test-{os.getpid()}")
        notifier = Notifier(manager.environment, world.clock)
        world.agent._on_turn = lambda view: notifier.turned(view, readiness(view, world.clock.monotonic()))
        world.step()
        assert manager.told()[0] == "READY=1"
        notifier.close()
        manager.close()

    def test_handlers_do_not_inherit_it(self, manager, notifier):
        assert manager.environment == {"HOME": "/root"}

    def test_nobody_without_systemd(self):
        assert not Notifier({}).wanted

    @pytest.mark.parametrize("process", ["1", "x"])
    def test_the_watchdog_of_another_process_is_not_ours(self, tmp_path, process):
        environment = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "5", "WATCHDOG_PID": process}
        notifier = Notifier(environment)
        assert notifier.watchdog is None
        notifier.close()


def test_a_loop_that_hangs_is_not_fed_for_though_its_other_threads_live(manager, notifier, world):
    from stormcone.agent.workers import ThreadExecutor

    world.executor = ThreadExecutor()
    agent = world.agent
    hangs, let_go = threading.Event(), threading.Event()
    turn = agent._turn

    def hanging():
        if hangs.is_set():
            let_go.wait(30)
        return turn()

    agent._turn = hanging
    thread = threading.Thread(target=agent.run)
    thread.start()

    def until(condition):
        end = threading.Event()
        for _ in range(3000):
            if condition():
                return
            world.clock.advance(seconds=1)
            end.wait(0.01)
        raise AssertionError("it did not come to that")

    try:
        until(lambda: "WATCHDOG=1" in manager.told())
        hangs.set()
        polls = world.cloud.polls
        until(lambda: world.cloud.polls > polls + 5)  # it goes on polling
        manager.told()
        polls = world.cloud.polls
        until(lambda: world.cloud.polls > polls + 5)
        assert manager.told() == []
    finally:
        let_go.set()
        agent.stop()
        until(lambda: not thread.is_alive())


def test_the_program_tells_systemd(home, simulator):
    manager = Manager(str(home.folder / "notify"), WATCHDOG_USEC="120000000")
    environment = {name: manager.environment[name] for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC")}
    agent = home.start("run", "--on-prepare", "env", "--endpoint", simulator.url, "--interval", "0.1s", **environment)
    told = []

    def heard(line):
        told.extend(manager.told())
        return line in told

    home.until(lambda: heard("READY=1"), "READY")
    assert "WATCHDOG=1" in told
    assert agent.ends_by(signal.SIGTERM) == 0
    assert heard("STOPPING=1")
    manager.close()
