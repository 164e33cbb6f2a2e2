"""A watcher that stands by: what it says of itself, to people, to systemd, and to whoever asks after its health."""

import json
import re
import socket
from typing import Any

import pytest
from tests.e2e.region import PATIENCE, Region, until

from stormcone.health.client import ask
from stormcone.health.face import HEALTH, READY

pytest.importorskip("psycopg", reason="the extra `fleet` is not installed")

HOLDER = re.compile(r"standing by: .+, process \d+, holds the lease until \d\d:\d\d:\d\d UTC")


class TestAWatcherThatStandsBy:
    @pytest.fixture
    def systemd(self, region: Region) -> Any:
        """The socket on which systemd would listen."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(str(region.folder / "notify"))
            listener.settimeout(PATIENCE)
            yield listener

    def test_says_so_wherever_one_looks_and_what_it_does_once_it_watches(self, region: Region, systemd: Any) -> None:
        first = region.watcher("first").says("watching ")
        second = region.watcher("second", NOTIFY_SOCKET=str(region.folder / "notify")).says("standing by: ")
        assert len(HOLDER.findall(second.said)) == 1, "once, however long it lasts"
        told = systemd.recv(4096).decode()
        assert told.startswith("READY=1\nSTATUS=standing by: ")
        assert HOLDER.search(told)
        (own,) = (region.folder / "second" / "stormcone").glob("*.sock")
        place = own.with_suffix("")
        assert ask(place, HEALTH) == {"status": "alive"}
        ready = ask(place, READY)
        assert ready["status"] == "not_ready"
        assert HOLDER.fullmatch(ready["reasons"][0])
        done = region.run("status", XDG_STATE_HOME=str(region.folder / "second"))
        assert done.returncode == 1
        assert done.stdout.splitlines()[0] == "not ready"
        assert HOLDER.search(done.stdout)
        document = json.loads(region.run("status", "--json", XDG_STATE_HOME=str(region.folder / "second")).stdout)
        assert (document["status"], document["crew"]["workers"]) == ("not_ready", [])
        first.ends()
        second.says("watching ")
        until(lambda: "STATUS=watching region:cn-hangzhou" in systemd.recv(4096).decode(), lambda: "systemd to hear it")
        until(lambda: ask(place, READY)["status"] == "ready", lambda: "it to be ready")
        second.ends()
