"""Watchers that share the parts of a region: real programs, a real PostgreSQL, and a simulator of the cloud.

Whoever comes takes a share, and whoever goes or dies loses what it had to the others: each event is handled once over
all of them. Time is real; what is waited for is a state.
"""

import json
import os
import signal
import socket
import subprocess
import textwrap
from collections import Counter
from contextlib import suppress

import pytest
from tests.e2e.conftest import PROGRAM, until

from stormcone import Impact
from stormcone.clock import SystemClock
from stormcone.plugins import simulator_class
from stormcone.postgresql.address import JOURNAL_OPTIONS, DatabaseAddress
from stormcone.simulators.contract import SimulatorOptions

shards = pytest.importorskip("stormcone.journal.postgresql.shards")
store = pytest.importorskip("stormcone.journal.postgresql.store")

LEASE = 8
MACHINES = 24
INQUIRING = "SystemMaintenance.Reboot:Inquiring"

HANDLERS = """
import json, os
from stormcone import App

app = App(approve_consent=True)

def note(event, context, does):
    line = {"who": os.environ["WHO"], "event": event.id, "attempt": context.attempt, "does": does}
    with open(os.environ["EFFECTS"], "a") as file:
        file.write(json.dumps(line) + "\\n")

@app.prepare(lead=None)
def prepare(event, context):
    note(event, context, "begins")
    while os.path.exists(os.environ["GATE"]) and context.wait(0.02):
        pass
    note(event, context, "told to stop" if context.stopping else "ends")
"""


class Watcher:
    """A `stormcone watch`, and the processes of its shards: a process group of their own."""

    def __init__(self, region, name, env):
        self.name = name
        self._said = region.folder / f"{name}.out"
        with self._said.open("w") as out:
            self._process = subprocess.Popen(
                [*PROGRAM, "watch", "handlers.py", "--config", "stormcone.toml", "--json"],
                cwd=region.folder,
                env={**region.env, "WHO": name, "XDG_STATE_HOME": str(region.folder / name), **env},
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def number(self):
        return self._process.pid

    @property
    def said(self):
        return self._said.read_text()

    def says(self, text):
        def found():
            assert text in self.said or self._process.poll() is None, self.said
            return text in self.said

        until(found, lambda: f"{self.name} to say {text!r}; it said {self.said}")

    def hears(self, number):
        self._process.send_signal(number)

    def all_hear(self, number):
        with suppress(ProcessLookupError):
            os.killpg(self.number, number)

    def dies(self):
        self.all_hear(signal.SIGKILL)
        self._process.wait()

    def ends(self):
        self.hears(signal.SIGTERM)
        until(lambda: self._process.poll() is not None, lambda: f"{self.name} to end; it said {self.said}")
        assert self._process.returncode == 0, self.said

    def close(self):
        self.all_hear(signal.SIGCONT)
        self.dies()


class Region:
    """A region's simulator, the database of its watchers, and what their handlers really did."""

    def __init__(self, folder, url, simulator, parts):
        self.folder, self.simulator, self.parts, self.watchers = folder, simulator, parts, []
        self.address = DatabaseAddress.parse(url, own=JOURNAL_OPTIONS)
        self.gate = folder / "gate"
        (folder / "handlers.py").write_text(textwrap.dedent(HANDLERS))
        (folder / "effects").touch()
        (folder / "stormcone.toml").write_text(
            f'journal = "{url}"\ninterval = "1s"\ngrace = "5s"\n[shards.cn-hangzhou]\nprovider = "alibaba"\n'
            f'parts = {parts}\nendpoint = "{simulator.url}"\n'
        )
        self.env = {
            **{name: value for name, value in os.environ.items() if name.startswith(("PATH", "PYTHONPATH", "COV"))},
            "HOME": str(folder),
            "EFFECTS": str(folder / "effects"),
            "GATE": str(self.gate),
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
            "NO_PROXY": "127.0.0.1",
        }

    def watcher(self, name, **env):
        self.watchers.append(Watcher(self, name, env))
        return self.watchers[-1]

    def is_shared(self, *watchers):
        """Wait until these, and no others, hold all shards evenly."""

        def found():
            with suppress(store.JournalError):
                seen = shards.read_shards(self.address)
                living = {each.id: each.name for each in seen.watchers if each.lives}
                loads = Counter(each.watcher for each in seen.shards if each.lease and each.lease.held)
                holders = {each.lease.holder for each in seen.shards if each.lease and each.lease.held}
                even = -(-self.parts // len(watchers))
                return (
                    len(living) == len(watchers)
                    and sum(loads.values()) == self.parts
                    and max(loads.values()) == even
                    and holders == self.processes_of(*watchers)
                )

        until(found, lambda: f"it to be shared; {[each.said for each in self.watchers]}")

    def processes_of(self, *watchers):
        """The processes by which these watch shards now, as leases name them."""
        here = shards.process_name(0).removesuffix("0")
        listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
        rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
        ours = {str(each.number) for each in watchers}
        return {f"{here}{pid}" for pid, parent, command in rows if parent in ours and "shard_process" in command}

    def announce(self, *numbers):
        return [
            self.simulator.schedule(Impact.REBOOT, resources=[f"i-{number}"], native_type=INQUIRING)
            for number in numbers
        ]

    @property
    def effects(self):
        return [json.loads(line) for line in (self.folder / "effects").read_text().splitlines()]

    def approvals(self, event):
        calls = [request for request in self.simulator.requests() if "AcceptInquiredSystemEvent" in str(request)]
        return [request for request in calls if event in str(request)]

    def approved(self, *events):
        for event in events:
            until(
                lambda event=event: self.approvals(event),
                lambda event=event: f"the approval of {event}; {[each.said for each in self.watchers]}",
            )

    def is_sound(self, events):
        """One journal has each event, with one approval that was accepted, and each attempt was made once."""
        seen = shards.read_shards(self.address)
        found = Counter()
        for each in seen.shards:
            with store.PostgresqlJournal.read(self.address.but(journal=each.shard.journal)) as journal:
                for episode in journal.episodes():
                    found[episode.event.id] += 1
                    assert each.shard.part.has(episode.event)
                    assert [asked.accepted for asked in journal.approvals(episode.id)] == [True]
        assert found == Counter(events)
        for event in events:
            assert len(self.approvals(event)) == 1
            began = [each["attempt"] for each in self.effects if each["event"] == event and each["does"] == "begins"]
            ended = [each for each in self.effects if each["event"] == event and each["does"] == "ends"]
            assert began == list(range(1, len(began) + 1))
            assert len(ended) == 1


@pytest.fixture
def region_of(tmp_path, postgresql, database):
    """Makes the region with so many parts."""
    made = []
    options = SimulatorOptions(machines=tuple(f"i-{number}" for number in range(MACHINES)), clock=SystemClock())
    with simulator_class("alibaba").from_options(options) as simulator:

        def make(parts):
            made.append(Region(tmp_path, postgresql.url(database, lease=str(LEASE)), simulator, parts))
            return made[-1]

        yield make
        for region in made:
            for watcher in region.watchers:
                watcher.close()


@pytest.mark.timeout(400)
def test_three_watchers_share_eight_shards_whoever_dies_and_comes(region_of):
    region = region_of(8)
    first, second, third = (region.watcher(name) for name in ("first", "second", "third"))
    region.is_shared(first, second, third)
    events = region.announce(*range(12))
    region.approved(*events)
    events += region.announce(*range(12, 18))
    first.dies()
    region.is_shared(second, third)
    region.approved(*events)
    events += region.announce(*range(18, 24))
    fourth = region.watcher("fourth")
    region.is_shared(second, third, fourth)
    region.approved(*events)
    for watcher in (second, third, fourth):
        watcher.ends()
    region.is_sound(events)
    assert not region.processes_of(*region.watchers)


@pytest.mark.timeout(300)
def test_a_watcher_that_froze_does_nothing_more_when_it_wakes_and_takes_its_share_again(region_of):
    region = region_of(2)
    region.gate.touch()
    first, second = region.watcher("first"), region.watcher("second")
    region.is_shared(first, second)
    events = region.announce(*range(4))
    until(lambda: len(region.effects) == 4, lambda: "the stages to begin")
    first.all_hear(signal.SIGSTOP)
    lost = {each["event"] for each in region.effects if each["who"] == "first"}
    assert lost
    until(
        lambda: {each["event"] for each in region.effects if each["who"] == "second"} == set(events),
        lambda: f"the second one to begin what the first one had begun; {region.effects} {second.said}",
    )
    first.all_hear(signal.SIGCONT)
    until(
        lambda: {each["event"] for each in region.effects if each["does"] == "told to stop"} == lost,
        lambda: f"the first one's stages to be told to stop; {first.said}",
    )
    region.gate.unlink()
    region.approved(*events)
    region.is_shared(first, second)
    first.ends()
    second.ends()
    region.is_sound(events)
    assert {each["who"] for each in region.effects if each["does"] == "ends"} == {"second"}


@pytest.mark.timeout(300)
def test_work_under_way_ends_where_it_began_before_its_shard_moves(region_of):
    region = region_of(2)
    region.gate.touch()
    first = region.watcher("first")
    region.is_shared(first)
    events = region.announce(*range(4))
    until(lambda: len(region.effects) == 4, lambda: f"the stages to begin; {first.said}")
    second = region.watcher("second")
    first.says("is another watcher's, once no stage runs there")
    second.says("standing by: ")
    assert not region.approvals(events[0])
    region.gate.unlink()
    region.approved(*events)
    region.is_shared(first, second)
    second.ends()
    first.ends()
    region.is_sound(events)
    assert {(each["who"], each["attempt"]) for each in region.effects} == {("first", 1)}


@pytest.mark.timeout(300)
def test_while_a_watchers_parent_alone_is_frozen_its_shards_are_watched_on(region_of):
    region = region_of(2)
    first, second = region.watcher("first"), region.watcher("second")
    region.is_shared(first, second)
    first.hears(signal.SIGSTOP)
    until(
        lambda: len({each.watcher for each in shards.read_shards(region.address).shards}) == 1,
        lambda: f"the second one to be given all; it said {second.said}",
    )
    events = region.announce(*range(4))
    region.approved(*events)
    first.hears(signal.SIGCONT)
    region.is_shared(first, second)
    first.ends()
    second.ends()
    region.is_sound(events)
    assert {each["who"] for each in region.effects} == {"first", "second"}


@pytest.mark.timeout(200)
def test_who_divides_the_region_otherwise_is_refused_and_what_a_dead_watcher_leaves_behind_ends(region_of):
    region = region_of(1)
    systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    systemd.bind(str(region.folder / "notify"))
    systemd.settimeout(90)
    first = region.watcher("first", NOTIFY_SOCKET=str(region.folder / "notify"))
    with systemd:
        said = systemd.recv(4096).decode().splitlines()
        assert said[0] == "READY=1"
        while "STATUS=holds 1 of its 1 shard(s); 1 watcher(s) live" not in said:
            said = systemd.recv(4096).decode().splitlines()
            assert "READY=1" not in said
    first.says("watching region:cn-hangzhou")
    file = region.folder / "stormcone.toml"
    file.write_text(file.read_text().replace("parts = 1", "parts = 2"))
    done = subprocess.run(
        [*PROGRAM, "watch", "handlers.py", "--config", file],
        cwd=region.folder,
        env=region.env,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 64
    assert (
        "shards.cn-hangzhou: to the other watchers it has 1 part(s), and to this one 2; let all say the same, or stop "
        "all of them and run: stormcone shards forget cn-hangzhou"
    ) in " ".join(done.stderr.split())
    first.hears(signal.SIGHUP)
    first.says("shards cannot change while the agent works; restart it")
    file.write_text(file.read_text().replace("parts = 2", "parts = 1"))
    first.hears(signal.SIGHUP)
    first.says("from now on the handlers are prepare")
    first.hears(signal.SIGKILL)
    until(lambda: not shards.read_shards(region.address).shards[0].lease.held, lambda: "the lease to be free")
    journal = region.address.but(journal="main_cn-hangzhou")
    until(lambda: f"{journal} keeps what was seen and done" in first.said, lambda: f"its end; it said {first.said}")
