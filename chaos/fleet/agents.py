"""Agents of a fleet on Azure's simulator: events that name several machines, and two groups with limits."""

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import urlsplit

import psycopg

from fleet.record import Ask, Claim, Event
from fleet.scene import STAGES, Actor, Scene
from stormcone.model import Impact
from stormcone_simulators.azure import AzureSimulator

MACHINES = ("db-0", "db-1", "db-2", "web-0", "web-1")
GROUPS = {"db": (("db-0", "db-1", "db-2"), 2), "web": (("web-0", "web-1"), 1)}
MOST = 4
"""How many events go on at the same time."""

FAR = timedelta(hours=2)
"""By so much an event is moved: whoever has begun to prepare takes it for another one."""

_AUDIT = """
    CREATE TABLE IF NOT EXISTS public.walk (number bigserial, at timestamptz DEFAULT clock_timestamp(), event text,
        epoch integer, holder text, until timestamptz, released boolean);
    CREATE OR REPLACE FUNCTION public.walk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.walk (event, epoch, holder, until, released)
            VALUES (NEW.event, NEW.epoch, NEW.holder, NEW.until, NEW.released);
        RETURN NEW; END $$;
    CREATE OR REPLACE TRIGGER walk AFTER INSERT OR UPDATE ON stormcone_fleet.approvals
        FOR EACH ROW EXECUTE FUNCTION public.walk();
"""


class Agents(Scene):
    """The scene; see `Scene`."""

    name = "agents"

    async def prepare(self) -> None:
        """A simulator, and an agent on each machine."""
        self.begin(AzureSimulator(machines=[f"{name}@0" for name in MACHINES]))
        self.record.limits = dict(GROUPS)
        groups = "".join(
            f'[groups.{name}]\nmax_unavailable = "{most}"\nmachines = {json.dumps(list(machines))}\n'
            for name, (machines, most) in GROUPS.items()
        )
        for name in MACHINES:
            file = self.folder / f"{name}.toml"
            database = await self.link(self.server.port)
            cloud = await self.link(int(urlsplit(self.cloud.url).port or 0))
            url = f"postgresql://postgres@127.0.0.1:{database.port}/postgres"
            file.write_text(f'interval = "0.3s"\n[fleet]\nurl = "{url}"\nname = "walk"\nsilence = "3s"\n{groups}')
            endpoint = f"http://127.0.0.1:{cloud.port}/machines/{name}"
            arguments = ["run", str(STAGES), "--config", str(file), "--provider", "azure", "--endpoint", endpoint]
            journal = ["--journal", str(self.folder / f"{name}.db")]
            self.actors.append(Actor(name, [*arguments, *journal], {}, database, cloud))

    def audit(self) -> None:
        """Have each claim written down."""
        self.make(_AUDIT)

    async def play(self) -> None:
        """Announce an event, move one or call one off."""
        self.watch()
        active = self.active()
        self.calm()
        draw = self.chance.random()
        if len(active) < MOST and draw < 0.5:
            names = self.chance.sample(MACHINES, self.chance.choice([1, 2, 2, 3]))
            event = self.cloud.schedule(
                Impact.REBOOT, resources=names, notice=timedelta(hours=1), started_for=timedelta(seconds=1)
            )
            at = next(each["not_before"] for each in self.cloud.events() if each["id"] == event)
            self.record.events[event] = Event(id=event, machines=tuple(names), times=[(time.monotonic(), _plain(at))])
        elif active and draw > 0.93:
            self._move(self.chance.choice(active))
        elif active and draw > 0.88:
            self.call_off(self.chance.choice(active))

    def gather(self) -> None:
        """The simulator's log, and what the trigger has written down."""
        for request in self.cloud.requests():
            at = self.at(datetime.fromisoformat(request["at"]))
            if "scheduledevents" in request["path"] and request["status"]:
                for event in _approved(request):
                    known = next((each for each in self.record.events if each.lower() == event.lower()), "")
                    said_yes = request["status"] == HTTPStatus.OK
                    self.record.asks.append(Ask(at=at, by=request["machine"], approves=known, answered=said_yes))
        with psycopg.connect(self.server.url()) as connection:
            members = connection.execute("SELECT id, name FROM stormcone_fleet.members").fetchall()
            rows = connection.execute("SELECT at, event, epoch, holder, until, released FROM walk ORDER BY number")
            ids: dict[str, str] = dict(members)
            for at, event, epoch, holder, until, released in rows.fetchall():
                if epoch and until is not None:
                    self._claimed(self.at(at), event, epoch, ids[holder], self.at(until), released=released)

    def _claimed(self, at: float, event: str, epoch: int, holder: str, until: float, *, released: bool) -> None:
        """What the database has written of a claim: that it was given, or given back."""
        claims = self.record.claims
        which = (event, epoch, holder)
        place = next((n for n, each in enumerate(claims) if (each.what, each.epoch, each.holder) == which), None)
        if place is None:
            claims.append(Claim(what=event, epoch=epoch, holder=holder, since=at, until=until))
        elif released:
            claims[place] = replace(claims[place], until=min(claims[place].until, at))

    def _move(self, event: Event) -> None:
        known = next(each for each in self.cloud.events() if each["id"] == event.id)
        if known["phase"] == "scheduled":
            later = datetime.fromisoformat(known["not_before"]) + FAR
            self.cloud.change(event.id, not_before=later)
            event.times.append((time.monotonic(), _plain(later.isoformat())))


def _approved(request: Mapping[str, str]) -> list[str]:
    """The events that a request approves; one without a name where it only asks."""
    if request["method"] != "POST":
        return [""]
    return [start["EventId"] for start in json.loads(request["body"])["StartRequests"]]


def _plain(time: str) -> str:
    return datetime.fromisoformat(time).isoformat()
