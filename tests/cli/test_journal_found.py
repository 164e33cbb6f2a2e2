"""Commands that read an agent's journal find it where the agent does: by its configuration."""

from pathlib import Path

import pytest

from stormcone.journal import Journal


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("STORMCONE_JOURNAL", raising=False)
    place = tmp_path / "kept.db"
    Journal.open(place).close()
    return place


@pytest.fixture
def file(tmp_path: Path, journal: Path) -> Path:
    file = tmp_path / "stormcone.toml"
    file.write_text(f'journal = "{journal}"\n')
    return file


def test_by_the_file(stormcone, file):
    said = stormcone("history", "--config", file)
    assert (said.status, said.out) == (0, "The journal has no events yet.\n")


def test_by_the_file_that_a_variable_names(stormcone, file, journal, monkeypatch):
    monkeypatch.setenv("STORMCONE_CONFIG", str(file))
    said = stormcone("status")
    assert said.status == 1
    assert f"no agent runs with the journal {journal}" in said.err


def test_by_its_own_name_first(stormcone, file, tmp_path):
    said = stormcone("history", "--config", file, "--journal", tmp_path / "another.db")
    assert f"there is no journal at {tmp_path / 'another.db'}" in said.err


def test_although_the_file_is_broken_where_it_is_named(stormcone, file, journal):
    file.write_text("jurnal = 7\n")
    assert stormcone("history", "--config", file, "--journal", journal).status == 0
    broken = stormcone("history", "--config", file)
    assert (broken.status, broken.out) == (64, "")
    assert broken.err == f"stormcone: there is no key jurnal ({file}, line 1, column 1); did you mean journal?\n"
