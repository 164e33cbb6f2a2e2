"""The agent is killed at every boundary of its work, in every scenario, on every cloud, and comes up again.

A dry walk counts the boundaries of a story. Then each is walked: a new cloud, a new journal, an agent in a process of
its own that dies there by SIGKILL, a new one on the same journal, and the story goes on to its end. What must hold is
asked of the journal, of the cloud's own log, and of the file in which handlers have written what they really did.

A death leaves nothing but the files and what the cloud was asked. Where several boundaries follow one another and
nothing of that changes between them, the suite dies at the last of them, and `make crash-walk` at each.
"""

import functools
import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.durability.books import book_for
from tests.durability.conftest import deaths, left_by_a_death
from tests.durability.stories import CLOUDS, REBOOTS, STORIES, Story

from stormcone import JournalStore, ManualClock
from stormcone.handlers import Stage
from stormcone.journal import Episode
from stormcone.model import Phase
from stormcone.plugins import simulator_class
from stormcone.rules.lifecycle import MOVES
from stormcone.rules.runs import Run, RunState
from stormcone.simulators.contract import SimulatorOptions

EVERY_STORY = bool(os.environ.get("EVERY_STORY"))
"""Whether the stories are walked too that would make the suite long; `make crash-walk` sets it."""

HANDLERS = ("first", "second")
simulator_of = functools.cache(simulator_class)


@dataclass
class Walk:
    """One walk through a story: a cloud, a journal, and the agent's lives on it.

    Attributes:
        name: of the cloud; see `CLOUDS`.
        kills: at which boundary each life dies, the last ones live on.
        reborn: whether the machine dies with the agent and comes back when all is over, with another boot id and
            nothing left but the journal's file.
        watched: whether it is noted in `left` what a death at each boundary would leave.
        server: the PostgreSQL that has its journal; None: it is a file.
    """

    name: str
    story: Story
    folder: Path
    agents: Any
    kills: tuple[int, ...] = ()
    reborn: bool = False
    watched: bool = False
    server: Any = None

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.cloud = CLOUDS[self.name]
        self.clock = ManualClock()
        self.begun = self.clock.now()
        self.journal = book_for(self.folder, self.server)
        self.lives: list[tuple[int, set[tuple[str, str, str]]]] = []
        self.boot_id = "boot-1"
        self.boundaries: list[str] = []
        self.left: list[tuple[Any, ...]] = []
        self._alive = False

    def go(self) -> "Walk":
        """Walk the story to its end."""
        options = SimulatorOptions(machines=self.cloud.machines, clock=self.clock, settings=self.story.settings)
        with simulator_of(self.cloud.simulator).from_options(options) as self.simulator:
            self.ids = [self.simulator.schedule(event.impact, **event.order) for event in self.story.events]
            if self.story.fault is not None:
                self.simulator.faults.add(**self.story.fault)
            # A new life may ask only at its second poll how an event ended: hence one poll more.
            for second in (*self.story.moments, self.story.moments[-1] + 1):
                self.clock.advance(self.begun + timedelta(seconds=second) - self.clock.now())
                if act := self.story.acts.get(second):
                    act(self.simulator, self.ids)
                self._poll(last=second >= self.story.moments[-1])
            self._end()
            self.asked = self.simulator.requests()
            events = {event["id"]: event for event in self.simulator.events()}
        self.events = {self.known_as(event): events[event] for event in self.ids}
        self.effects = self._effects()
        return self

    def known_as(self, event: str) -> str:
        """The agent's id of the simulator's event."""
        return self.story.events[self.ids.index(event)].known_as.format(id=event, machine=self.cloud.identity)

    def _poll(self, *, last: bool = True) -> None:
        """Let the agent poll, or the one after it where it dies; where the machine dies with it, once all is over."""
        while last or not (self.reborn and self.lives):
            if self._reached(**self._order()) and self._reached(do="step", now=self.clock.now().isoformat()):
                return

    def _end(self) -> None:
        while not self._reached(do="end"):
            self._poll()
        assert self.agents.ended() == 0

    def _reached(self, **order: Any) -> bool:
        """Whether the agent has done it, or has been started already; False where it has died of it."""
        if order["do"] == "start" and self._alive:
            return True
        answer = self.agents.tell(self._look, **order)
        self._alive = "ended" not in answer
        self.boundaries = answer.get("boundaries", [])
        if not self._alive:
            assert answer["ended"] == -signal.SIGKILL
            self._died()
        return self._alive

    def _order(self) -> dict[str, Any]:
        options = replace(self.simulator.provider_options(), **self.cloud.options)
        return {
            "do": "start",
            "provider": self.name,
            "endpoint": options.endpoint,
            "machine": options.machine,
            "region": options.region,
            "settings": dict(options.settings),
            "journal": str(self.journal),
            "effects": str(self.folder / "effects"),
            "now": self.clock.now().isoformat(),
            "boot_id": self.boot_id,
            "lead": self.story.lead,
            "early": self.story.early,
            "gives_up": self.story.gives_up,
            "kill_at": self.kills[len(self.lives)] if len(self.lives) < len(self.kills) else None,
            "pauses": self.watched,
        }

    def _look(self) -> None:
        self.left.append(left_by_a_death(self.folder, self.simulator))

    def _died(self) -> None:
        """Note what the journal knows to have succeeded, and how much had been done by then."""
        if self.reborn:
            self.boot_id = "boot-2"
        self.lives.append((len(self._effects()), self.journal.died(reborn=self.reborn)))

    def _effects(self) -> list[dict[str, Any]]:
        path = self.folder / "effects"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def did(self, event: str, handler: str, stage: str, does: str) -> list[dict[str, Any]]:
        """What a handler really did at a stage of an event."""
        wanted = {"event": event, "handler": handler, "stage": stage, "does": does}
        return [effect for effect in self.effects if wanted.items() <= effect.items()]

    def posts(self, event: str) -> list[dict[str, Any]]:
        """The approvals of an event that have come to the cloud."""
        named = event if self.cloud.named else ""
        said = [(request, f"{request['path']} {request['query']} {request['body']}") for request in self.asked]
        return [request for request, text in said if self.cloud.approval in text and named in text]


def the_journal_is_sound(walk: Walk) -> None:
    walk.journal.is_sound()
    with walk.journal.read() as journal:
        episodes = journal.episodes()
        # Who was away from before the first sight until after the end knows of nothing.
        unseen = walk.reborn and not episodes and not walk.effects
        assert unseen or sorted(episode.event.id for episode in episodes) == sorted(walk.events)
        for episode in episodes:
            the_episode_is_sound(walk, journal, episode)
        assert len(journal.lives()) <= len(walk.lives) + 1
        assert journal.lives()[-1].ended is not None


def the_episode_is_sound(walk: Walk, journal: JournalStore, episode: Episode) -> None:
    planned = walk.story.events[[*walk.events].index(episode.event.id)]
    assert (episode.number, episode.event.phase) == (1, Phase.ENDED)
    assert episode.event.outcome is planned.outcome
    changes = journal.changes(episode.id)
    phases = [None, *(change.event.phase for change in changes)]
    moves = {(move.before, move.after, move.kind) for move in MOVES}
    assert all(
        (before, change.event.phase, change.kind) in moves for before, change in zip(phases, changes, strict=False)
    )
    assert changes[-1].at == episode.ended
    runs = journal.runs(episode.id)
    assert len({(run.handler, run.stage) for run in runs}) == len(runs)
    for run in runs:
        the_run_is_sound(walk, journal, episode, run)


def the_run_is_sound(walk: Walk, journal: JournalStore, episode: Episode, run: Run) -> None:
    """It is over, each attempt was recorded before it began, and it succeeded only if it really came to its end."""
    assert run.state.over
    attempts = journal.attempts(run.id)
    assert [attempt.number for attempt in attempts] == list(range(1, run.attempt + 1))
    began = [effect["attempt"] for effect in walk.did(episode.event.id, run.handler, run.stage, "begins")]
    assert began == sorted(set(began))
    assert set(began) <= {attempt.number for attempt in attempts}
    assert len(attempts) <= 1 + len(walk.lives)
    if run.state is RunState.SUCCEEDED:
        ended = [effect["attempt"] for effect in walk.did(episode.event.id, run.handler, run.stage, "ends")]
        assert run.attempt in ended


def what_the_journal_knew_was_not_repeated(walk: Walk) -> None:
    for done, known in walk.lives:
        later = {(effect["event"].casefold(), effect["handler"], effect["stage"]) for effect in walk.effects[done:]}
        assert not later & known


def whatever_was_begun_was_recovered_after_the_end(walk: Walk) -> None:
    for event, handler in [(event, handler) for event in walk.events for handler in HANDLERS]:
        began = any(walk.did(event, handler, stage, "begins") for stage in ("prepare", "started"))
        recovered = walk.did(event, handler, "recover", "ends")
        assert bool(recovered) or not began
        assert all(effect["at"] >= walk.events[event]["ended_at"][:19] for effect in recovered)
        # Once; and once more for each time that it was done and the journal could not be told.
        repeats = [attempt for attempt in recovered if attempt is not recovered[-1]]
        assert len(repeats) <= len(walk.lives)
        if not walk.lives:
            assert (began, len(recovered)) == (True, 1)


def an_event_is_approved_if_and_only_if_all_prepared(walk: Walk) -> None:
    for event, planned in zip(walk.events, walk.story.events, strict=True):
        posts = walk.posts(event)
        prepared = {
            handler: [effect["at"] for effect in walk.did(event, handler, "prepare", "ends")] for handler in HANDLERS
        }
        if posts:
            assert planned.approved
            assert all(prepared.values())
            assert (
                min(posts, key=lambda post: post["at"])["at"][:19]
                >= max(min(times) for times in prepared.values())[:19]
            )
        elif not walk.reborn and len(walk.kills) <= 1:  # who dies again and again comes to it too late
            assert not planned.approved


def nothing_is_approved_twice_but_where_the_answer_was_lost(walk: Walk) -> None:
    with walk.journal.read() as journal:
        for episode in journal.episodes():
            asked = journal.approvals(episode.id)
            posts = walk.posts(episode.event.id)
            assert len([post for post in posts if post["fault"] is None or not walk.cloud.asks_again]) <= len(asked)
            for earlier, later in pairwise(asked):
                assert earlier.accepted is None
                assert "repeated" in later.note
            assert [approval.accepted for approval in asked[:-1]].count(True) == 0


INVARIANTS = (
    the_journal_is_sound,
    what_the_journal_knew_was_not_repeated,
    whatever_was_begun_was_recovered_after_the_end,
    an_event_is_approved_if_and_only_if_all_prepared,
    nothing_is_approved_twice_but_where_the_answer_was_lost,
)


def must_hold(walk: Walk, boundaries: Sequence[str] = ()) -> None:
    """Every invariant; where one does not hold, it is said where the agent was killed and what was done."""
    for invariant in INVARIANTS:
        try:
            invariant(walk)
        except AssertionError as error:
            where = ", ".join(f"{kill} ({boundaries[kill - 1]})" if boundaries else str(kill) for kill in walk.kills)
            done = "\n".join(str(effect) for effect in walk.effects)
            error.add_note(f"killed at boundary {where or 'none'}; {invariant.__name__}; what handlers did:\n{done}")
            raise


@pytest.fixture
def walked(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Notes a crash point of a scenario that was walked; the run's summary counts them."""
    return lambda scenario: record_property("crash point", scenario)


@dataclass
class Scene:
    """All walks through one story.

    Attributes:
        cloud: on which cloud.
        story: which one.
    """

    cloud: str
    story: Story
    folder: Path
    walkers: Any
    server: Any = None

    def walk(self, *kills: tuple[int, ...], **how: bool) -> list[Walk]:
        """Walk it once for each tuple of boundaries at which its lives die; `how` as `Walk` has it."""

        def one(number: int, dies: tuple[int, ...]) -> Callable[[Any], Walk]:
            folder = self.folder / str(number)
            more = {"kills": dies, "server": self.server, **how}
            return lambda agents: Walk(self.cloud, self.story, folder, agents, **more).go()

        done = list(self.walkers.walk(one(number, dies) for number, dies in enumerate(kills)))
        self.folder = self.folder / "more"
        self.folder.mkdir()
        return done

    def dry(self) -> Walk:
        """Walk it without a death."""
        (walk,) = self.walk((), watched=True)
        must_hold(walk)
        return walk


def every(dry: Walk) -> Iterator[tuple[int, ...]]:
    """A single death at each of the boundaries that leaves something else than the next."""
    return ((number,) for number in deaths(dry.boundaries, dry.left))


@pytest.fixture
def scene(cloud: str, name: str, folder: Path, walkers: Any) -> Scene:
    return Scene(cloud, {**REBOOTS[cloud], **STORIES[cloud]}[name], folder, walkers)


def cases(stories: Mapping[str, Mapping[str, Story]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("cloud", "name"),
        [
            pytest.param(cloud, name, id=f"{cloud}-{name}")
            for cloud in stories
            for name, story in stories[cloud].items()
            if story.always or EVERY_STORY
        ],
    )


@pytest.mark.timeout(300)
@cases(STORIES)
def test_killed_at_every_boundary_it_goes_on_where_it_was(
    cloud: str, name: str, scene: Scene, walked: Callable[[str], None]
) -> None:
    dry = scene.dry()
    assert {Stage(effect["stage"]) for effect in dry.effects} == set(Stage) - scene.story.skips
    for walk in scene.walk(*every(dry)):
        assert len(walk.lives) == 1
        must_hold(walk, dry.boundaries)
        walked(f"{cloud} {name}")


@pytest.mark.timeout(300)
@cases(REBOOTS)
def test_killed_with_its_machine_at_every_boundary_it_recovers_when_the_event_is_gone(
    cloud: str, name: str, scene: Scene, walked: Callable[[str], None]
) -> None:
    dry = scene.dry()
    for walk in scene.walk(*every(dry), reborn=True):
        assert len(walk.lives) == 1
        must_hold(walk, dry.boundaries)
        walked(f"{cloud} machine dies {name}")


@pytest.mark.timeout(300)
@cases({cloud: {"in its time": REBOOTS[cloud]["in its time"]} for cloud in ("azure", "alibaba")})
def test_killed_again_and_again_it_comes_to_the_end_all_the_same(
    cloud: str, name: str, scene: Scene, walked: Callable[[str], None]
) -> None:
    for walk in scene.walk(*((kill,) * 4 for kill in range(1, 25))):
        must_hold(walk)
        for _ in walk.lives:
            walked(f"{cloud} four deaths in a row")


SAMPLE = 1 if EVERY_STORY else 7
"""Of so many boundaries one is walked on PostgreSQL, whose walks take longer."""


@pytest.mark.timeout(900)
@cases({"alibaba": STORIES["alibaba"]} if EVERY_STORY else {"alibaba": {"reboot": STORIES["alibaba"]["reboot"]}})
def test_killed_at_a_boundary_the_one_that_takes_a_shared_journal_over_goes_on_where_it_was(
    cloud: str, name: str, scene: Scene, postgresql: Any, walked: Callable[[str], None]
) -> None:
    scene.server = postgresql
    dry = scene.dry()
    for walk in scene.walk(*((number,) for number in range(1, len(dry.boundaries) + 1, SAMPLE))):
        assert len(walk.lives) == 1
        must_hold(walk, dry.boundaries)
        walked(f"{cloud} {name} on PostgreSQL")
