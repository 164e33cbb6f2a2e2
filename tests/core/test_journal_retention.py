"""What the journal forgets, and that its file does not grow without a bound."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stormcone.clock import Instant
from stormcone.handlers import Stage
from stormcone.journal import Journal
from stormcone.journal.boundaries import watched
from stormcone.model import Machine, MaintenanceEvent, Phase
from stormcone.rules.changes import Change, ChangeKind
from stormcone.rules.runs import Attempt, NewRun, RunState, Settled, Verdict

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MACHINE = Machine(provider="test", id="vm-0", name="web-0", boot_id="boot-1")
TABLES = ("episodes", "changes", "runs", "attempts", "approvals")

MakeEvent = Callable[..., MaintenanceEvent]


@pytest.fixture
def story(event: MakeEvent) -> Callable[..., int]:
    """Writes an event's whole story down; answers its number."""

    def write(journal: Journal, name: str, at: datetime, *, ends: bool = True, recovers: bool = True) -> int:
        seen = event(id=name)
        with journal.transaction():
            change = Change(kind=ChangeKind.ANNOUNCED, event=seen, before=None, episode=1)
            episode = journal.save_change(change, Instant.of(at), MACHINE).id
            journal.add_run(episode, NewRun("lb", Stage.PREPARE, 0, None))
        work(journal, episode, at)
        journal.answer_approval(
            journal.ask_approval(episode, at, "prepared by lb"), at, accepted=True, final=False, note=""
        )
        if ends:
            with journal.transaction():
                over = Change(kind=ChangeKind.ENDED, event=event(id=name, phase=Phase.ENDED), before=seen, episode=1)
                journal.save_change(over, Instant.of(at), MACHINE)
                journal.add_run(episode, NewRun("lb", Stage.RECOVER, 0, None))
            if recovers:
                work(journal, episode, at)
        return episode

    return write


def work(journal: Journal, episode: int, at: datetime) -> None:
    run = next(run for run in journal.runs(episode) if run.state is RunState.PENDING)
    journal.end_attempt(
        journal.begin_run(run, at), Attempt(Verdict.SUCCEEDED), Settled(RunState.SUCCEEDED, None, ""), at
    )


def rows(journal: Journal) -> dict[str, int]:
    return {table: journal._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}


def test_what_ended_before_then_is_gone_with_all_that_belongs_to_it(journal: Journal, story: Any) -> None:
    story(journal, "E-1", NOW)
    story(journal, "E-2", NOW + DAY)
    before = rows(journal)
    assert journal.forget(NOW + DAY) == 1
    assert rows(journal) == {table: number // 2 for table, number in before.items()}
    assert [episode.event.id for episode in journal.episodes()] == ["E-2"]


def test_what_goes_on_and_what_has_work_left_stays_however_old(journal: Journal, story: Any) -> None:
    kept = [story(journal, "E-1", NOW, ends=False), story(journal, "E-2", NOW, recovers=False)]
    assert journal.forget(NOW + 1000 * DAY) == 0
    work(journal, kept[1], NOW)
    assert journal.forget(NOW + 1000 * DAY) == 1
    assert [episode.id for episode in journal.episodes()] == kept[:1]


def test_the_agents_own_lives_go_but_for_the_last(journal: Journal) -> None:
    for number in range(5):
        journal.begin_life(NOW + number * DAY, MACHINE)
    journal.forget(NOW + 2 * DAY)
    assert [life.begun for life in journal.lives()] == [NOW + number * DAY for number in (2, 3, 4)]
    journal.forget(NOW + 1000 * DAY)
    assert [life.begun for life in journal.lives()] == [NOW + 4 * DAY]


def test_nothing_is_written_where_there_is_nothing_to_forget(tmp_path: Path, story: Any) -> None:
    seen: list[str] = []
    with Journal.open(tmp_path / "journal.db") as journal, watched(seen.append):
        story(journal, "E-1", NOW)
        seen.clear()
        assert journal.forget(NOW) == 0
    assert seen == []


def test_a_great_many_go_in_several_transactions_and_the_file_shrinks(tmp_path: Path, story: Any) -> None:
    path, seen = tmp_path / "journal.db", list[str]()
    with Journal.open(path) as journal, watched(seen.append):
        journal._connection.execute("PRAGMA synchronous = OFF")
        size = path.stat().st_size
        for number in range(1200):
            story(journal, f"E-{number}", NOW)
        assert path.stat().st_size > 10 * size
        seen.clear()
        assert journal.forget(NOW + DAY) == 1200
        assert len(seen) == 2 * 3
        assert path.stat().st_size < 2 * size
        assert set(rows(journal).values()) == {0}


def test_the_file_stays_as_large_as_what_it_keeps_needs(tmp_path: Path, story: Any) -> None:
    path = tmp_path / "journal.db"
    with Journal.open(path) as journal:
        journal._connection.execute("PRAGMA synchronous = OFF")
        sizes = []
        for day in range(40):
            for number in range(20):
                story(journal, f"E-{day}-{number}", NOW + day * DAY)
            journal.forget(NOW + (day - 5) * DAY)
            sizes.append(path.stat().st_size)
        assert max(sizes[20:]) <= 1.1 * max(sizes[6:20])
        assert len(journal.episodes()) == 6 * 20


def test_what_is_unfinished_is_found_without_a_look_at_what_has_ended(journal: Journal, story: Any) -> None:
    journal._connection.execute("PRAGMA synchronous = OFF")
    steps: list[int] = []
    journal._connection.set_progress_handler(lambda: steps.append(1), 1)
    needed = []
    for number in range(400):
        if number in {10, 399}:
            steps.clear()
            assert journal.unfinished(MACHINE) == []
            needed.append(len(steps))
        story(journal, f"E-{number}", NOW)
    assert needed[0] == needed[1]
