"""Watchers of a region on Alibaba Cloud's simulator, of whom one holds the lease, and workers that do the work."""

import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import psycopg

from fleet.record import Ask, Claim, Event, Write
from fleet.scene import STAGES, Actor, Scene
from stormcone.model import Impact
from stormcone_simulators.alibaba import AlibabaSimulator

MACHINES = ("i-0", "i-1", "i-2", "i-3")
WATCHERS = ("watcher-0", "watcher-1")
WORKERS = ("worker-0", "worker-1")
INQUIRING = "SystemMaintenance.Reboot:Inquiring"
MOST = 3
LEASE = 3
_SCHEMA = "stormcone_journal_walk"

_AUDIT = f"""
    CREATE TABLE IF NOT EXISTS public.walk (number bigserial, at timestamptz DEFAULT clock_timestamp(), epoch bigint,
        holder text, until timestamptz);
    CREATE OR REPLACE FUNCTION public.walk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.walk (epoch, holder, until) VALUES (NEW.epoch, NEW.name, NEW.until);
        RETURN NEW; END $$;
    CREATE OR REPLACE TRIGGER walk AFTER INSERT OR UPDATE ON {_SCHEMA}.lease
        FOR EACH ROW EXECUTE FUNCTION public.walk();
    INSERT INTO public.walk (at, epoch, holder, until) SELECT taken, epoch, name, until FROM {_SCHEMA}.lease
        WHERE epoch > 0;
    CREATE TABLE IF NOT EXISTS public.writes (number bigserial, at timestamptz DEFAULT clock_timestamp(), by text,
        holder text);
    CREATE OR REPLACE FUNCTION public.writes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.writes (by, holder) SELECT current_setting('application_name'), name FROM {_SCHEMA}.lease;
        RETURN NULL; END $$;
    CREATE OR REPLACE TRIGGER writes AFTER INSERT OR UPDATE OR DELETE ON {_SCHEMA}.runs
        EXECUTE FUNCTION public.writes();
    CREATE OR REPLACE TRIGGER writes AFTER INSERT OR UPDATE OR DELETE ON {_SCHEMA}.episodes
        EXECUTE FUNCTION public.writes();
"""


class Region(Scene):
    """The scene; see `Scene`."""

    name = "region"

    async def prepare(self) -> None:
        """A simulator, two watchers of which one stands by, and two workers."""
        self.begin(AlibabaSimulator(machines=list(MACHINES)))
        self._asked: list[tuple[float, str, str]] = []
        for name in (*WATCHERS, *WORKERS):
            database = await self.link(self.server.port)
            url = f"postgresql://postgres@127.0.0.1:{database.port}/postgres?journal=walk&lease={LEASE}&application_name={name}"
            env = {
                "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid",
                "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
                "XDG_STATE_HOME": str(self.folder / name),
                "NO_PROXY": "127.0.0.1",
            }
            common = ["--journal", url, "--json"]
            if name in WORKERS:
                words = ["worker", str(STAGES), "--silence", "3s", "--grace", "1s"]
                self.actors.append(Actor(name, [*words, *common], env, database, None))
                continue
            cloud = await self.link(int(urlsplit(self.cloud.url).port or 0), self._ear(name))
            settings = ["--set", "scope=region", "--set", f"instances={','.join(MACHINES)}"]
            words = ["run", str(STAGES), "--workers", "--provider", "alibaba", "--region", "cn-hangzhou", *settings]
            where = ["--endpoint", f"http://127.0.0.1:{cloud.port}", "--interval", "0.3s"]
            self.actors.append(Actor(name, [*words, *where, *common], env, database, cloud))

    def _ear(self, name: str) -> Callable[[float, bytes], None]:
        def hear(at: float, piece: bytes) -> None:
            if b"AcceptInquiredSystemEvent" in piece:
                found = re.search(rb"EventId=([^&\s]+)", piece)
                self._asked.append((at, name, found[1].decode() if found else ""))

        return hear

    def audit(self) -> None:
        """Have each lease written down."""
        self.make(_AUDIT)

    async def play(self) -> None:
        """Announce an event, or call one off."""
        self.watch()
        self.calm()
        active, draw = self.active(), self.chance.random()
        if len(active) < MOST and draw < 0.5:
            machine = self.chance.choice(MACHINES)
            event = self.cloud.schedule(
                Impact.REBOOT, resources=[machine], native_type=INQUIRING, started_for=timedelta(seconds=1)
            )
            at = next(each["not_before"] for each in self.cloud.events() if each["id"] == event)
            self.record.events[event] = Event(id=event, machines=(machine,), times=[(time.monotonic(), str(at))])
        elif active and draw > 0.93:
            self.call_off(self.chance.choice(active))

    def gather(self) -> None:
        """What passed on the links, and what the trigger has written down."""
        for at, who, event in self._asked:
            if event:
                known = next(each for each in self.cloud.events() if each["id"] == event)
                self.record.asks.append(Ask(at=at, by=who, approves=event, answered=bool(known["approved_by"])))
        with psycopg.connect(self.server.url()) as connection:
            rows = connection.execute("SELECT at, epoch, holder, until FROM walk ORDER BY number").fetchall()
            writes = connection.execute("SELECT at, by, holder FROM writes ORDER BY number").fetchall()
        for at, epoch, holder, until in rows:
            self._held(self.at(at), epoch, holder, self.at(until))
        for at, by, holder in writes:
            if by in WATCHERS:
                self.record.writes.append(Write(at=self.at(at), by=by, holder=self._who(holder)))

    def _held(self, at: float, epoch: int, holder: str, until: float) -> None:
        before = self.record.claims[-1] if self.record.claims else None
        if before is not None and before.epoch == epoch:
            self.record.claims[-1] = replace(before, until=until)
            return
        self.record.claims.append(Claim(what="region", epoch=epoch, holder=self._who(holder), since=at, until=until))

    def _who(self, holder: str) -> str:
        """The watcher that a lease names by its process."""
        pid = re.search(r"process (\d+)", holder)
        return self.pids.get(int(pid[1]), holder) if pid else holder
