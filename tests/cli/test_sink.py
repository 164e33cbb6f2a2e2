"""`stormcone sink`, and sinks in the file, in the environment and on the command line."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stormcone.journal import Delivery, Journal
from stormcone.testing.conformance.outboxes import tell

Run = Callable[..., Any]

HOOK = ("--sink", "ops=webhook", "--sink", "ops.url=http://127.0.0.1:1/a-key-in-the-path")


@pytest.fixture
def log(tmp_path: Path) -> tuple[str, ...]:
    return ("--sink", "log=log", "--sink", f"log.file={tmp_path / 'told.jsonl'}")


class TestTest:
    def test_says_that_it_was_taken(self, stormcone: Run, log: tuple[str, ...], tmp_path: Path) -> None:
        said = stormcone("sink", "test", "log", *log)
        assert (said.status, said.err) == (0, "")
        line = json.loads((tmp_path / "told.jsonl").read_text())
        assert said.out.startswith(f"log has accepted the notification {line['id']} in 0.")
        assert line["type"] == "dev.stormcone.sink.test"

    def test_says_so_for_programs(self, stormcone: Run, log: tuple[str, ...]) -> None:
        document = stormcone("sink", "test", "log", "--json", *log).json
        assert document.keys() == {"sink", "id", "taken", "seconds"}

    def test_says_why_it_was_not_without_a_secret(self, stormcone: Run) -> None:
        said = stormcone("sink", "test", "ops", *HOOK)
        assert (said.status, said.out) == (76, "")
        assert said.err == "stormcone: the sink ops cannot be told: POST 127.0.0.1:1 failed: connection refused\n"

    def test_takes_a_sink_of_the_file(self, stormcone: Run, tmp_path: Path) -> None:
        file = tmp_path / "stormcone.toml"
        file.write_text(f'[sinks.log]\ntype = "log"\nfile = "{tmp_path / "told.jsonl"}"\n')
        assert stormcone("sink", "test", "log", "--config", file).status == 0

    def test_takes_one_of_the_environment(
        self, stormcone: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("STORMCONE_SINKS__LOG__TYPE", "log")
        monkeypatch.setenv("STORMCONE_SINKS__LOG__FILE", str(tmp_path / "told.jsonl"))
        assert stormcone("sink", "test", "log").status == 0

    @pytest.mark.parametrize(
        ("given", "status", "why"),
        [
            ((), 64, "no sink is called ops; there are: none"),
            (("--sink", "ops"), 64, "--sink takes NAME=TYPE, or NAME.SETTING=VALUE"),
            (("--sink", "ops.url=x"), 64, "the sink ops has no type; add --sink ops=webhook, for example"),
            (("--sink", "ops=webhok"), 78, "no such sink: webhok; there are: fleet, log, notify, otlp, queue, webhook"),
            (("--sink", "ops=webhook"), 64, "the sink ops cannot be used: url: it is missing (flag --sink)"),
            ((*HOOK, "--sink", "ops.ulr=x"), 64, "has no setting ulr; did you mean url? (flag --sink)"),
            ((*HOOK, "--sink", "ops.secret=env:NOT_THERE"), 64, "the environment has no NOT_THERE"),
            ((*HOOK, "--sink", "ops.mode=batch"), 64, "mode: it is structured or binary"),
        ],
    )
    def test_says_what_cannot_be_used(self, stormcone: Run, given: tuple[str, ...], status: int, why: str) -> None:
        said = stormcone("sink", "test", "ops", *given)
        assert (said.status, said.out) == (status, "")
        assert why in said.err
        assert "a-key-in-the-path" not in said.err
        assert said.err.count("\n") == 1

    def test_names_the_line_of_the_file(self, stormcone: Run, tmp_path: Path) -> None:
        file = tmp_path / "stormcone.toml"
        file.write_text('[sinks.log]\ntype = "log"\nfiel = "/tmp/x"\n')
        said = stormcone("sink", "test", "log", "--config", file)
        assert f"the sink log has no setting fiel; did you mean file? ({file}, line 3, column 1)" in said.err


class TestList:
    def test_shows_how_far_each_has_come(self, stormcone: Run, tmp_path: Path) -> None:
        with Journal.open(tmp_path / "journal.db") as journal:
            journal.outbox.subscribe(["ops", "gone"])
            tell(journal, "1", "2", "3")
            ((number, _), *_) = journal.outbox.waiting("ops", 1)
            failed = Delivery(
                position=number, sent=1, attempt=4, again=datetime(2026, 1, 1, tzinfo=UTC), error="no answer"
            )
            journal.outbox.settle("ops", failed)
        said = stormcone("sink", "list", *HOOK)
        assert (said.status, said.err) == (0, "")
        gone, ops = said.out.splitlines()
        assert gone.startswith("gone (not in the configuration): 3 waiting, the oldest for ")
        assert ops.startswith("ops (webhook): 2 waiting, the oldest for ")
        assert ops.endswith("; 1 sent; failed 4 time(s) in a row: no answer")
        document = stormcone("sink", "list", "--json", *HOOK).json
        assert document["sinks"][1] == {
            "type": "webhook",
            "name": "ops",
            "waiting": 2,
            "oldest": "2026-01-01T00:01:00+00:00",
            "sent": 1,
            "refused": 0,
            "dropped": 0,
            "attempt": 4,
            "again": "2026-01-01T00:00:00+00:00",
            "error": "no answer",
        }

    def test_of_none_says_how_to_have_one(self, stormcone: Run) -> None:
        said = stormcone("sink", "list")
        assert said.out == "No sink is configured; give [sinks.NAME] in the configuration, or --sink NAME=TYPE.\n"

    def test_reads_a_journal_from_before_there_were_sinks(self, stormcone: Run, tmp_path: Path) -> None:
        old = Path(__file__).parents[1] / "core" / "schemas" / "5.sql"
        with closing(sqlite3.connect(tmp_path / "journal.db")) as book:
            book.executescript(old.read_text(encoding="utf-8"))
        assert stormcone("sink", "list", "--json").json == {"sinks": []}


class TestTypes:
    def test_lists_what_is_installed_with_each_setting(self, stormcone: Run) -> None:
        document = stormcone("sink", "types", "--json").json
        assert document.keys() == {"fleet", "log", "notify", "otlp", "queue", "webhook"}
        assert document["webhook"].keys() == {"only", "url", "mode", "headers", "secret"}
        assert "webhook (stormcone " in stormcone("sink", "types").out


class TestConfig:
    def test_shows_no_secret_of_a_sink(self, stormcone: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "stormcone.toml"
        file.write_text(
            '[sinks.ops]\ntype = "webhook"\nurl = "http://127.0.0.1:1/a-key"\nsecret = "env:HOOK"\nmode = "binary"\n'
            '[sinks.ops.headers]\nAuthorization = "Bearer t0ken"\n'
            '[sinks.people]\ntype = "notify"\nurls = ["json://u:hunter2@127.0.0.1/"]\n'
        )
        file.chmod(0o600)
        monkeypatch.setenv("HOOK", "a-key")
        said = stormcone("config", "--config", file, "--sink", "more=webhook", "--sink", "more.url=http://x/a-key")
        assert (said.status, said.err) == (0, "")
        assert not [secret for secret in ("a-key", "t0ken", "hunter2") if secret in said.out]
        assert 'secret = "env:HOOK"' in said.out
        assert 'mode = "binary"' in said.out

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ('type = "not-installed"\npassword = "hunter2"\n', "no such sink: not-installed"),
            ('type = "webhook"\nulr = "http://u:hunter2@x/"\n', "has no setting ulr; did you mean url?"),
            ('type = "queue"\nurl = "hunter2"\n', "it is not an amqp:// or amqps:// address"),
            ('url = "hunter2"\n', "sinks.ops: it lacks type"),
        ],
    )
    def test_tells_a_mistake_and_not_what_was_written(
        self, stormcone: Run, tmp_path: Path, text: str, why: str
    ) -> None:
        file = tmp_path / "stormcone.toml"
        file.write_text(f"[sinks.ops]\n{text}")
        file.chmod(0o600)
        said = stormcone("config", "--config", file)
        assert (said.status in {64, 78}, said.out) == (True, "")
        assert why in said.err
        assert "hunter2" not in said.err

    def test_refuses_a_secret_in_a_file_that_anybody_may_read(self, stormcone: Run, tmp_path: Path) -> None:
        file = tmp_path / "stormcone.toml"
        file.write_text('[sinks.ops]\ntype = "webhook"\nurl = "http://127.0.0.1:1/a-key"\n')
        file.chmod(0o644)
        said = stormcone("config", "--config", file)
        assert said.status == 64
        assert "sinks.ops.url is a secret and anybody may read it" in said.err


def test_an_agent_of_the_command_line_tells_its_sink(
    stormcone: Run, simulator: Any, log: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a dry run the sink is looked at and told nothing."""
    simulator.schedule("reboot", resources=["web-0"])
    from stormcone.agent.loop import Agent

    monkeypatch.setattr(Agent, "run", lambda agent: agent.step())
    given = ("--provider", "azure", "--endpoint", simulator.url, "--on-prepare", "true", "--lead", "7d", *log)
    assert stormcone("run", *given, "--dry-run").status == 0
    assert not (tmp_path / "told.jsonl").exists()
    said = stormcone("run", *given)
    assert said.status == 0, said.err
    assert "sinks: log" in said.out
    first = json.loads((tmp_path / "told.jsonl").read_text().splitlines()[0])
    assert first["type"] == "dev.stormcone.maintenance.scheduled"
