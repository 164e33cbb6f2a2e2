"""A journal whose file is changed under the agent: told, set aside, begun anew; and one that others may use."""

import sqlite3
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stormcone.clock import Instant
from stormcone.errors import JournalDamaged
from stormcone.journal import Journal
from stormcone.model import Machine
from stormcone.rules.changes import Change, ChangeKind

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MACHINE = Machine(provider="test", id="vm-0", name="web-0", boot_id="boot-1")


def emptied(path):
    path.write_bytes(b"")


def filled_with_rubbish(path):
    path.write_bytes(b"rubbish " * 1000)


def replaced_by_another_database(path):
    other = path.with_name("other.db")
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()
    path.write_bytes(other.read_bytes())


def cut_to_one_page(path):
    path.write_bytes(path.read_bytes()[:4096])


def cut_in_the_middle(path):
    path.write_bytes(path.read_bytes()[:6000])


@pytest.mark.parametrize(
    "change",
    [emptied, filled_with_rubbish, replaced_by_another_database, cut_to_one_page, cut_in_the_middle],
)
@pytest.mark.parametrize("asks", ["reads", "writes"])
def test_what_was_changed_while_it_is_in_use_is_damaged_and_set_aside(path, change, asks):
    with Journal.open(path) as journal:
        journal.begin_life(NOW, MACHINE)
        change(path)
        with pytest.raises(JournalDamaged) as caught:
            journal.unfinished(MACHINE) if asks == "reads" else journal.begin_life(NOW, MACHINE)
        loss = journal.set_aside(NOW, str(caught.value))
    assert "it is kept as" in loss
    with Journal.open(path) as journal:
        assert journal.lives() == []


@pytest.mark.parametrize(
    ("mode", "said"), [(0o644, "be read"), (0o640, "be read"), (0o660, "be written"), (0o602, "be written")]
)
def test_it_says_where_others_may_use_its_file(path, mode, said):
    Journal.open(path).close()
    path.chmod(mode)
    with Journal.open(path) as journal:
        assert journal.exposure == (
            f"the journal {path} can {said} by others (mode {mode:04o}); if that is not meant: chmod 600 {path}"
        )
    path.chmod(0o600)
    with Journal.open(path) as journal:
        assert journal.exposure == ""


def test_a_large_journal_is_looked_through_without_being_kept_in_memory(path, event):
    many, each = 200, 50_000
    with Journal.open(path) as journal, journal.transaction():
        for number in range(many):
            large = event(id=f"E-{number}", description="x" * each)
            journal.save_change(
                Change(kind=ChangeKind.ANNOUNCED, event=large, before=None, episode=1), Instant.of(NOW), MACHINE
            )
    tracemalloc.start()
    try:
        Journal.open(path).close()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert Path(path).stat().st_size > many * each
    assert peak < 20 * each
