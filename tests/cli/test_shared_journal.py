"""The command line with a journal in a database: what it reads there, what it says, and that it shows no password."""

import pytest

from stormcone.postgresql.address import JOURNAL_OPTIONS, DatabaseAddress
from stormcone.testing.conformance.journals import announce

store = pytest.importorskip("stormcone.journal.postgresql.store")
SECRET = "s3cret"


@pytest.fixture
def journal(journal_address):
    with store.PostgresqlJournal.open(DatabaseAddress.parse(journal_address, own=JOURNAL_OPTIONS)) as journal:
        yield journal


@pytest.fixture
def with_password(journal_address):
    return journal_address.replace("postgres@", f"postgres:{SECRET}@")


class TestReading:
    def test_history_is_read_beside_the_watcher(self, stormcone, journal, with_password):
        announce(journal)
        told = stormcone("history", "--journal", with_password, "--json").json
        assert [each["event"]["id"] for each in told["events"]] == ["E-1"]

    def test_a_journal_that_is_not_there_is_a_sentence(self, stormcone, with_password):
        said = stormcone("history", "--journal", with_password)
        assert said.status == 74
        assert "there is no journal at postgresql://postgres@127.0.0.1:" in said.err
        assert SECRET not in said.err

    def test_status_says_who_has_it_where_nobody_answers_here(self, stormcone, journal, journal_address):
        said = stormcone("status", "--journal", journal_address)
        assert said.status == 1
        assert f"no agent runs with the journal {journal.path}" in said.err
        assert "holds the lease until" in said.err

    def test_doctor_looks_at_it(self, stormcone, journal, journal_address):
        said = stormcone("doctor", "--journal", journal_address, "--provider", "azure")
        assert f"{journal.path}, 0 event(s); " in said.out


class TestThePassword:
    @pytest.mark.parametrize("more", [(), ("--json",)])
    def test_is_not_in_the_configuration_that_is_shown(self, stormcone, more):
        said = stormcone("config", "--journal", f"postgresql://me:{SECRET}@h/db?journal=eu", *more)
        assert said.status == 0
        assert "postgresql://me@h/db?journal=eu" in said.out
        assert SECRET not in said.out

    def test_in_a_file_that_everybody_may_read_is_refused(self, stormcone, tmp_path, monkeypatch):
        file = tmp_path / "stormcone.toml"
        file.write_text(f'journal = "postgresql://me:{SECRET}@h/db"\n')
        file.chmod(0o644)
        monkeypatch.delenv("STORMCONE_JOURNAL")
        said = stormcone("config", "--config", file)
        assert said.status == 64
        assert "journal is a secret and anybody may read it" in said.err
        assert SECRET not in said.err
        file.write_text('journal = "postgresql://me@h/db"\n')
        assert stormcone("config", "--config", file).status == 0

    @pytest.mark.parametrize("way", ["flag", "file", "variable"])
    def test_is_not_quoted_from_an_address_that_cannot_be_read(self, stormcone, tmp_path, way, monkeypatch):
        url = f"postgresql://me:{SECRET}/x@h/db"
        file = tmp_path / "stormcone.toml"
        words = ["config"]
        if way == "flag":
            words += ["--journal", url]
        elif way == "variable":
            monkeypatch.setenv("STORMCONE_JOURNAL", url)
        else:
            monkeypatch.delenv("STORMCONE_JOURNAL")
            file.write_text(f'journal = "{url}"\n')
            file.chmod(0o600)
            words += ["--config", file]
        said = stormcone(*words)
        assert said.status == (2 if way == "flag" else 64)
        assert "the address of the database cannot be read; write postgresql://USER@HOST" in said.err
        assert SECRET not in said.out + said.err
