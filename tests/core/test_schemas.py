"""The way up from every version of the journal that is on somebody's disk."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stormcone.journal import Journal
from stormcone.journal.boundaries import watched
from stormcone.journal.sqlite import schema as schema_module
from stormcone.journal.sqlite.schema import VERSION
from stormcone.model import Impact, Machine
from stormcone.rules.runs import RunState

FROZEN = Path(__file__).with_name("schemas")
NOW = datetime(2026, 1, 2, tzinfo=UTC)
MACHINE = Machine(provider="test", id="vm-0", name="web-0", boot_id="boot-2")


def write(path: Path, version: int) -> Path:
    """A journal as that version left it."""
    with closing(sqlite3.connect(path)) as book:
        book.executescript(FROZEN.joinpath(f"{version}.sql").read_text(encoding="utf-8"))
    return path


def shape(path: Path) -> set[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as book:
        return {
            (kind, name, " ".join((text or "").split()))
            for kind, name, text in book.execute("SELECT type, name, sql FROM sqlite_master")
        }


@pytest.fixture(params=range(1, VERSION + 1), ids=lambda version: f"version {version}")
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write(tmp_path / "journal.db", request.param)


def test_each_version_has_a_frozen_copy() -> None:
    assert sorted(int(file.stem) for file in FROZEN.glob("*.sql")) == list(range(1, VERSION + 1)), (
        "freeze a journal of the version that was added: its SQL text goes to tests/core/schemas/VERSION.sql"
    )


def test_a_version_that_was_released_is_not_edited(tmp_path: Path) -> None:
    Journal.open(tmp_path / "new.db").close()
    assert shape(write(tmp_path / "old.db", VERSION)) == shape(tmp_path / "new.db")


def test_an_older_journal_is_brought_to_this_version_and_keeps_everything(old: Path, tmp_path: Path) -> None:
    with Journal.open(old) as journal:
        (episode,) = journal.episodes()
        assert (episode.event.id, episode.event.impact, episode.approved) == ("E-1", Impact.REBOOT, True)
        assert [run.state for run in journal.runs(episode.id)] == [RunState.SUCCEEDED, RunState.PENDING]
        assert len(journal.attempts(1)) == len(journal.approvals(1)) == len(journal.changes(1)) == 1
        journal.begin_life(NOW, MACHINE)
        assert [found.id for found in journal.unfinished(MACHINE)] == [episode.id]
        assert len(journal.lives()) == 2
    Journal.open(tmp_path / "new.db").close()
    assert shape(old) == shape(tmp_path / "new.db")


def test_an_older_journal_is_read_as_it_is_before_its_agent_has_upgraded_it(old: Path) -> None:
    before = old.read_bytes()
    with Journal.read(old) as journal:
        (episode,) = journal.episodes()
        assert (episode.event.id, episode.approved) == ("E-1", True)
        assert [run.state for run in journal.runs(episode.id)] == [RunState.SUCCEEDED, RunState.PENDING]
        assert len(journal.approvals(1)) == len(journal.lives()) == 1
    assert old.read_bytes() == before


def test_an_upgrade_that_is_cut_off_has_not_happened(
    old: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A made-up next version, whose process ends before the commit, and whose next start goes through."""
    monkeypatch.setattr(schema_module, "UPGRADES", (*schema_module.UPGRADES, "ALTER TABLE lives ADD COLUMN mood TEXT;"))
    monkeypatch.setattr(schema_module, "VERSION", VERSION + 1)
    monkeypatch.setattr("stormcone.journal.sqlite.files.VERSION", VERSION + 1)
    before = old.read_bytes()

    def dies(_boundary: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), watched(dies):
        Journal.open(old)
    assert old.read_bytes() == before
    with Journal.open(old) as journal:
        assert len(journal.episodes()) == 1
    with closing(sqlite3.connect(old)) as book:
        assert book.execute("SELECT mood FROM lives").fetchall() == [(None,)]
        assert book.execute("PRAGMA user_version").fetchone() == (VERSION + 1,)
