"""What happened in a round, put in order out of the record: lives, events, deeds and approvals. Nothing judges here."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from kinds import KINDS, Kind, looks

Line = dict[str, Any]
Interval = tuple[float, float]

FOREVER = float("inf")

HANDLERS = {"python": ("First", "Second"), "commands": ("commands",), "both": ("First", "Second", "commands")}
"""The handlers of an agent, in their order."""


def slowness(load: float, *, clock: bool) -> float:
    """How much longer than on an idle machine everything takes.

    Args:
        load: processes that would run, for each processor.
        clock: whether libfaketime moves the clock: threads that wait for one another then do so in a busy loop.
    """
    return max(1.0, load / 3.0) * (2.0 if clock else 1.0)


@dataclass
class Life:
    """One life of an agent.

    Attributes:
        number: in the order of their starts.
        begun: when it was started.
        over: when it ended.
        intruder: whether it was started on another's journal.
        stop: when it was told to stop; `FOREVER` where it was not.
        killed: whether SIGKILL ended it.
        frozen: when it stood still.
        told: when it was told of which events.
    """

    number: int
    begun: float
    over: float = FOREVER
    intruder: bool = False
    stop: float = FOREVER
    killed: bool = False
    frozen: list[Interval] = field(default_factory=list)
    told: list[tuple[float, dict[str, str]]] = field(default_factory=list)


@dataclass(eq=False)
class Event:
    """One event, as the driver and the handlers know it.

    Attributes:
        id: the cloud's, or one that the agent made up.
        kind: what may be done for it; None where the agent made it up.
        name: of the kind.
        announced: when, at the earliest.
        begun: when it began, at the earliest.
        over: when it ended, at the earliest.
        predecessors: the events that it may be taken for. One that has begun when it is first seen, and is of the type
            and the machines of another that is not listed any more, is that one under a new id to the agent.
        deeds: what handlers did for it, in order.
        approvals: what the agent sent for it, in order: when, whether the answer came whole, and when that was.
    """

    id: str
    kind: Kind | None = None
    name: str = "made up"
    announced: float = -FOREVER
    begun: float = FOREVER
    over: float = FOREVER
    predecessors: list["Event"] = field(default_factory=list)
    deeds: list[Line] = field(default_factory=list)
    approvals: list[Line] = field(default_factory=list)

    def lines(self, *does: str, **wanted: str) -> Iterator[Line]:
        """The deeds that say one of `does`, and that are as wanted."""
        for deed in self.deeds:
            if deed["does"] in does and all(deed.get(name) == value for name, value in wanted.items()):
                yield deed


class Story:
    """A round.

    Args:
        plan: what it was made of.
        lines: what the driver wrote.
        deeds: what handlers wrote.
    """

    def __init__(self, plan: Line, lines: Iterable[Line], deeds: Iterable[Line]) -> None:
        self.plan = plan
        self.lines = sorted(lines, key=lambda line: line["at"])
        self.deeds = sorted(deeds, key=lambda deed: deed["at"])
        self.handlers = HANDLERS[plan["handlers"]]
        self.speed = float(plan["speed"])
        self.lives: dict[int, Life] = {}
        self.events: dict[str, Event] = {}
        self.full: list[Interval] = []
        self.faults: list[float] = []
        self.lost = [line["at"] for line in self.of("journal lost")]
        self.calm: float = next((line["at"] for line in self.of("calm")), FOREVER)
        looks = [line["at"] for line in self.of("load")]
        self.stalled: float = max((after - before for before, after in pairwise(looks)), default=0.0)
        load: float = max((line["each"] for line in self.of("load")), default=0.0)
        self.slowness = slowness(load, clock=plan.get("clock", False))
        for line in self.lines:
            self._take(line)
        for deed in self.deeds:
            self.event(deed["event"]).deeds.append(deed)
        if plan["cloud"] == "azure":
            self._find_predecessors()

    @classmethod
    def read(cls, folder: Path) -> "Story":
        """The story of the round whose files are in the folder."""
        plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
        return cls(plan, _lines(folder / "driver.jsonl"), _lines(folder / "deeds.jsonl"))

    def of(self, *what: str) -> Iterator[Line]:
        """The driver's lines of that kind."""
        return (line for line in self.lines if line["what"] in what)

    def event(self, identifier: str) -> Event:
        """The event of that id, as the cloud spells it."""
        return self.events.setdefault(identifier.lower(), Event(identifier))

    def _find_predecessors(self) -> None:
        told: set[str] = set()
        in_full: set[str] = set()
        for line in self.of("told"):
            listed = {name.lower(): state for name, state in line["events"].items()}
            if line.get("whole", True):  # or what it does not list may be what could not be read
                gone = [event for name, event in self.events.items() if name in told and name not in listed]
                for name in listed:
                    event = self.events.get(name)
                    if event is not None and listed[name] == "Started":
                        event.predecessors += [
                            each for each in gone if self._may_precede(each, event, line["at"], in_full)
                        ]
                in_full |= listed.keys()
            told |= listed.keys()

    def _may_precede(self, earlier: Event, event: Event, at: float, in_full: set[str]) -> bool:
        """Whether the agent may take one for the other, which it has not worked for so far; it may skip answers.

        Of one that stood in no list that was whole it may know some of the machines only.
        """
        if earlier.kind is None or event.kind is None or earlier in event.predecessors:
            return False
        (kind, machines), (kind_now, machines_now) = (looks(self.plan["cloud"], each.name) for each in (earlier, event))
        alike = machines == machines_now or (machines_now < machines and earlier.id.lower() not in in_full)
        if kind != kind_now or not alike:
            return False
        recovered = next((deed["at"] for deed in earlier.lines("begins", stage="recover")), FOREVER)
        known = next((deed["at"] for deed in event.deeds), FOREVER)
        return recovered > at and known > at

    def life_at(self, at: float) -> Life | None:
        """The life that an agent had then; an intruder's is none."""
        fitting = (life for life in self.lives.values() if not life.intruder and life.begun <= at <= life.over)
        return next(fitting, None)

    def was_full(self, since: float, until: float) -> bool:
        """Whether the disk was full at some moment of these."""
        return any(start <= until and end >= since for start, end in self.full)

    def forgiven(self, event: Event) -> bool:
        """Whether the agent may have lost what it knew of an event, with its journal."""
        return any(event.announced <= lost + 1.0 for lost in self.lost)

    def undisturbed(self, since: float, until: float) -> bool:
        """Whether one life went on all the time, with room on its disk."""
        life = self.life_at(since)
        quiet = life is not None and life.over >= until and life.stop >= until
        return quiet and not any(a <= until and b >= since for a, b in (*self.full, *(life.frozen if life else ())))

    def quiet(self, margin: float) -> Iterator[Interval]:
        """When nothing kept the agent from its work, but for a while after each disturbance."""
        for life in self.lives.values():
            if life.intruder:
                continue
            disturbed = [(fault, fault) for fault in self.faults] + life.frozen + self.full
            disturbed += [(lost, lost) for lost in self.lost]
            begun = life.begun + margin
            for start, end in sorted(disturbed):
                if end < begun or start > life.over:
                    continue
                if start > begun:
                    yield begun, min(start, life.over, life.stop)
                begun = max(begun, end + margin)
            if begun < min(life.over, life.stop):
                yield begun, min(life.over, life.stop)

    def _take(self, line: Line) -> None:  # noqa: C901 - a table of what the lines mean
        at: float = line["at"]
        life = self.lives.get(line.get("life", 0))
        match line["what"]:
            case "starts":
                self.lives[line["life"]] = Life(line["life"], at, intruder=line.get("intruder", False))
            case "stop" if life:
                life.stop = at
            case "killed" | "stopped" | "ended by itself" | "intruder ended" if life:
                life.over = line.get("over", at)
                life.killed = line["what"] == "killed"
            case "freeze" if life:
                life.frozen.append((at, FOREVER))
            case "thaw" if life:
                life.frozen[-1] = (life.frozen[-1][0], at)
            case "disk full":
                self.full.append((at, FOREVER))
            case "disk free" if self.full and self.full[-1][1] == FOREVER:
                self.full[-1] = (self.full[-1][0], at)
            case "fault":
                self.faults.append(at)
            case "told":
                current = self.life_at(at) or next(reversed(self.lives.values()), None)
                if current is not None:
                    current.told.append((at, {name.lower(): state for name, state in line["events"].items()}))
            case "event":
                event = self.event(line["event"])
                event.name, event.announced = line["kind"], line["begun"]
                event.kind = KINDS[self.plan["cloud"]][line["kind"]]
            case "begun" | "over":
                event = self.event(line["event"])
                setattr(event, line["what"], min(getattr(event, line["what"]), line["begun"]))
            case "approval":
                for identifier in line["ids"]:
                    event = self.event(identifier)
                    event.approvals.append({"at": at, "whole": False, "answered": FOREVER})
                    event.begun = min(event.begun, at)
                self.faults += [at] if line["fault"] else []
            case "approved":
                for identifier in line["ids"]:
                    answer = {"whole": line["whole"] and line["status"] == 200, "answered": at}
                    pending = [sent for sent in self.event(identifier).approvals if sent["answered"] == FOREVER]
                    if pending:
                        pending[-1].update(answer)


def _lines(path: Path) -> list[Line]:
    if not path.exists():
        return []
    with path.open("rb") as file:
        return [json.loads(line) for line in file if line.endswith(b"\n")]
