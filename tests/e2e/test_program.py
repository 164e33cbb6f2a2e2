"""The program as a whole: how it starts, where it works, and what it is like beside other programs."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

HEAVY = {"pydantic", "requests", "stevedore", "rich", "sqlite3", "asyncio", "tenacity", "h11", "urllib3", "logging"}

# It logs what it was given: text from outside.
LOGGING = """
import logging

from stormcone import App

app = App()


@app.prepare
def drain(event, context):
    context.log.warning("for %s", event.description)
    logging.getLogger("mine").info("aside: %s", event.description)
    context.log.debug("details")
    try:
        raise ValueError(event.description)
    except ValueError:
        context.log.exception("caught")
"""
LINE = "at kind level text event handler stage logger traceback"

# It prints, fails, and logs what cannot be made.
LOUD = """
import logging
import sys

from stormcone import App

print("loaded")
app = App()


@app.prepare(retries=0)
def drain(event, context):
    print("draining")
    print("half a line", end="")
    print(" and its end")
    context.log.info("%d", "three")
    logging.getLogger("mine").warning("%s %s", 1)
    {}["haproxy"]
"""
HOSTILE = "\x1b]0;owned\x07\r\nred\u202e"


class TestHelp:
    def test_imports_nothing_heavy(self, home: Any) -> None:
        done = subprocess.run(
            [home.program[0], "-X", "importtime", *home.program[1:], "--help"],
            capture_output=True,
            env=home.env,
            text=True,
            check=True,
        )
        imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
        assert "click" in imported
        assert imported & HEAVY == set()

    def test_names_every_exit_status_that_an_error_has(self, home: Any) -> None:
        from stormcone import errors

        text = home.run("--help").stdout
        documented = {int(number) for number in re.findall(r"\b\d+\b", text.partition("Exit status:")[2])}
        kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
        raised = {kind.exit_code for kind in kinds if issubclass(kind, errors.StormconeError)}
        assert raised | {0, 2, 130, 143} == documented


class TestTheDemo:
    @pytest.mark.parametrize("cloud", ["alibaba", "aws", "azure", "google"])
    def test_tells_of_one_handler_on_each_cloud(self, home: Any, cloud: str) -> None:
        done = home.run("demo", "--cloud", cloud)
        assert (done.returncode, done.stderr) == (0, "")
        told = re.findall(r"(?:Pool\.\w+ done|has ended: \w+)", done.stdout)
        ended = ["Pool.prepare done", "has ended: completed", "Pool.recover done"]
        assert told[: len(ended)] == ended
        assert told[-1] in {"Pool.recover done", "has ended: canceled"}

    def test_tells_both_stories_to_their_end_from_any_folder_with_an_empty_environment(self, home: Any) -> None:
        folder = home.folder / "tmp"
        folder.mkdir()
        done = home.run("demo", "--cloud", "azure", env={"TMPDIR": str(folder)})
        assert (done.returncode, done.stderr) == (0, "")
        assert "\x1b" not in done.stdout
        line = re.compile(r"^ *\d+:\d\d  . (agent|cloud|handler) +(.*?)(?:, not before .*)?$", re.MULTILINE)
        told = line.findall(done.stdout)
        # The cloud goes ahead while its answer to the approval is on its way; at this speed either may be heard first.
        swapped = [("cloud", "reboot of web-0 has begun"), ("agent", "reboot of web-0 approved: prepared by Pool")]
        if told[5:7] == swapped:
            told[5:7] = reversed(swapped)
        for page in ("README.md", "docs/index.md"):
            shown = line.findall((ROOT / page).read_text())
            assert (page, shown) == (page, told[: len(shown)])
            assert len(shown) > 10
        assert [f"{who}: {text}" for who, text in told] == [
            "agent: watching web-0 on azure",
            "cloud: reboot of web-0 announced",
            "agent: Pool.prepare begins",
            "handler: web-0 leaves the pool, 3 min to drain",
            "agent: Pool.prepare done",
            "agent: reboot of web-0 approved: prepared by Pool",
            "cloud: reboot of web-0 has begun",
            "cloud: reboot of web-0 has ended: completed (inferred)",
            "agent: Pool.recover begins",
            "handler: web-0 is back in the pool (completed)",
            "agent: Pool.recover done",
            "cloud: reboot of web-0 announced",
            "agent: Pool.prepare begins",
            "handler: web-0 leaves the pool, 3 min to drain",
            "cloud: reboot of web-0 has ended: canceled (inferred)",
            "handler: called off: draining stops early",
            "agent: Pool.prepare was cut off: the event was called off",
            "agent: Pool.recover begins",
            "handler: web-0 is back in the pool (canceled)",
            "agent: Pool.recover done",
        ]
        assert re.findall(r"^(reboot of .*?)  ", done.stdout, re.MULTILINE) == ["reboot of web-0 — completed"]
        assert "  stormcone run --provider azure --endpoint http://127.0.0.1:18169 --on-prepare" in done.stdout
        assert list(folder.iterdir()) == []


class TestTheStoryOfRun:
    def test_has_the_lines_of_handlers_in_their_place_and_nothing_raw(self, home: Any, simulator: Any) -> None:
        agent = home.start("run", home.write("h.py", LOGGING), "--endpoint", simulator.url, "--interval", "0.1s")
        agent.says("identified")
        event = simulator.schedule("reboot", resources=["web-0"], description=HOSTILE)
        agent.says("drain.prepare done")
        assert agent.ends_by(signal.SIGTERM) == 0
        begins = next(place for place, line in enumerate(agent.out) if "drain.prepare begins" in line)
        ends = next(place for place, line in enumerate(agent.out) if "drain.prepare done" in line)
        warning, error, first, *trace, ended = agent.out[begins + 1 : ends + 1]
        assert all(line.endswith(f"[{event}]") for line in (warning, error, ended))
        assert [line[22:].removesuffix(f"  [{event}]") for line in (warning, error, ended)] == [
            "log              drain.prepare: warning: for  ]0;owned   red ",
            "log              drain.prepare: error: caught",
            "run ended        drain.prepare done",
        ]
        assert first == "Traceback (most recent call last):"
        assert any(line.startswith("ValueError: ") for line in trace)
        assert agent.err == ["info: mine: aside:  ]0;owned   red "]
        assert all(line.isprintable() for line in (*agent.out, *agent.err))

    def test_is_one_json_document_a_line_with_json(self, home: Any, simulator: Any) -> None:
        handlers = home.write("h.py", LOGGING)
        agent = home.start("run", handlers, "--endpoint", simulator.url, "--interval", "0.1s", "--json", "-v")
        agent.says("identified")
        event = simulator.schedule("reboot", resources=["web-0"], description=HOSTILE)
        agent.says("drain.prepare done")
        assert agent.ends_by(signal.SIGTERM) == 0
        told = [json.loads(line) for line in agent.out]
        assert {tuple(line) for line in told} == {tuple(LINE.split())}
        logged = [line for line in told if line["kind"] == "log"]
        assert [line["level"] for line in logged] == ["warning", "debug", "error"]
        assert {(line["event"], line["handler"], line["stage"]) for line in logged} == {(event, "drain", "prepare")}
        assert logged[0]["text"] == f"for {HOSTILE}"
        assert told[-1]["kind"] == "stopped"

    def test_is_json_to_the_last_line_whatever_a_handler_prints(self, home: Any, simulator: Any) -> None:
        agent = home.start("run", home.write("h.py", LOUD), "--endpoint", simulator.url, "--interval", "0.1s", "--json")
        agent.says("identified")
        event = simulator.schedule("reboot", resources=["web-0"])
        agent.says("drain.prepare failed")
        assert agent.ends_by(signal.SIGTERM) == 0
        told = [json.loads(line) for line in agent.out]
        aside = [json.loads(line) for line in agent.err]
        assert {tuple(line) for line in (*told, *aside)} == {tuple(LINE.split())}
        printed = [line["text"] for line in told if line["kind"] == "print"]
        assert printed == ["loaded", "draining", "half a line and its end"]
        assert [line["logger"] for line in aside] == ["mine"]
        assert "a log line cannot be made" in aside[0]["text"]
        runs = [line for line in told if line["kind"].startswith("run_")]
        assert {(line["event"], line["handler"], line["stage"]) for line in runs} == {(event, "drain", "prepare")}
        first, *_, last = runs[-1]["traceback"].splitlines()
        assert (first, last) == ("Traceback (most recent call last):", "KeyError: 'haproxy'")
        assert 'h.py", line 18, in drain' in runs[-1]["traceback"]
        assert "workers.py" not in runs[-1]["traceback"]

    def test_has_an_error_with_its_traceback_once_for_each_run(self, home: Any, simulator: Any) -> None:
        handlers = home.write("h.py", LOUD.replace("retries=0", "retries=2"))
        agent = home.start("run", handlers, "--endpoint", simulator.url, "--interval", "0.1s")
        agent.says("identified")
        simulator.schedule("reboot", resources=["web-0"])
        agent.says("(tried 3 times)")
        assert agent.ends_by(signal.SIGTERM) == 0
        failed = [place for place, line in enumerate(agent.out) if "drain.prepare failed" in line]
        assert len(failed) == 3
        assert agent.out[failed[0] + 1] == "Traceback (most recent call last):"
        assert agent.out.count("KeyError: 'haproxy'") == 1

    def test_says_first_what_is_run(self, home: Any, simulator: Any) -> None:
        agent = home.start("run", home.write("h.py", LOGGING), "--endpoint", simulator.url)
        agent.says("identified")
        assert agent.ends_by(signal.SIGTERM) == 0
        assert [line[22:] for line in agent.out[:3]] == [
            "identified       azure it is: it says that this is web-0",
            "handler          drain: prepare; impacts all but none; prepares 60 min ahead",
            "handler          approval: once every prepare has succeeded",
        ]

    def test_bears_nothing_raw_from_an_endpoint_that_is_hostile(self, home: Any, scripted: Any) -> None:
        event = {"EventId": f"E{HOSTILE}", "EventStatus": "Scheduled", "EventType": HOSTILE, "Resources": [HOSTILE]}
        scripted.answer(404).answer(200, {"name": f"web-0{HOSTILE}", "vmId": "1"})
        scripted.answer(200, {"DocumentIncarnation": 1, "Events": [event]}).answer(400, HOSTILE.encode())
        agent = home.start("run", "--on-prepare", "true", "--provider", "azure", "--endpoint", scripted.url)
        agent.says("what is scheduled is unknown")
        assert agent.ends_by(signal.SIGTERM) == 0
        assert all(line.isprintable() for line in (*agent.out, *agent.err))


class TestEventsWatched:
    def test_are_one_json_document_for_each_change(self, home: Any, simulator: Any) -> None:
        running = home.start("events", "--watch", "--json", "--interval", "0.05s", "--endpoint", simulator.url)
        running.says('"events": []')
        event = simulator.schedule("reboot", resources=["web-0"])
        running.says(event)
        simulator.cancel(event)
        running.says('"events": []', times=2)
        assert running.ends_by(signal.SIGTERM) == 0
        told = [json.loads(line) for line in running.out]
        assert [list(document) for document in told] == [["at", "events", "problems"]] * 3

    def test_say_once_that_nothing_is_known_while_the_endpoint_fails(self, home: Any, simulator: Any) -> None:
        running = home.start("events", "--watch", "--interval", "0.05s", "--endpoint", simulator.url)
        running.says("Nothing is announced for web-0.")
        simulator.faults.add(path="/metadata/scheduledevents", status=503)
        seen = len(simulator.requests())
        home.until(lambda: len(simulator.requests()) > seen + 3, "some polls that fail")
        simulator.faults.clear()
        simulator.schedule("reboot", resources=["web-0"])
        running.says("reboot of web-0")
        assert running.ends_by(signal.SIGTERM) == 0
        (line,) = running.err
        assert line.startswith("unknown: GET 127.0.0.1:")


class TestAReaderThatGoesAway:
    def test_ends_a_command_without_a_word(self, home: Any) -> None:
        ours, theirs = os.pipe()
        os.close(ours)
        try:
            done = subprocess.run(
                [*home.program, "--help"], stdout=theirs, stderr=subprocess.PIPE, env=home.env, check=False
            )
        finally:
            os.close(theirs)
        assert (done.returncode, done.stderr) == (1, b"")

    def test_does_not_end_the_agent(self, home: Any, simulator: Any) -> None:
        agent = home.start("run", "--on-prepare", "true", "--interval", "0.1s", "--endpoint", simulator.url)
        agent.says("identified")
        agent.stop_reading()
        event = simulator.schedule("reboot", resources=["web-0"])
        home.until(lambda: home.approvals(simulator) == ["web-0"], "the approval")
        simulator.complete(event)
        home.until(lambda: "cloud ended" in home.history(), "the end of the event in the journal")
        assert agent.ends_by(signal.SIGTERM) == 0
        assert agent.err == []


class TestAPlaceThatCannotBeWritten:
    def test_is_one_sentence(self, home: Any) -> None:
        with Path("/dev/full").open("w") as full:
            for words in (["providers"], ["--help"], ["scenarios", "--json"]):
                done = subprocess.run(
                    [*home.program, *words], stdout=full, stderr=subprocess.PIPE, env=home.env, text=True, check=False
                )
                assert done.returncode == 1
                (line,) = done.stderr.splitlines()
                assert "No space left on device" in line

    def test_does_not_end_an_agent(self, home: Any, simulator: Any) -> None:
        with (
            Path("/dev/full").open("w") as full,
            subprocess.Popen(
                [*home.program, "run", "--on-prepare", "true", "--endpoint", simulator.url, "--interval", "0.1s"],
                stdout=full,
                stderr=subprocess.PIPE,
                env=home.env,
                text=True,
            ) as agent,
        ):
            simulator.schedule("reboot", resources=["web-0"])
            home.until(lambda: home.approvals(simulator), "the approval")
            agent.terminate()
            _, told = agent.communicate(timeout=30)
        assert agent.returncode == 0
        (line,) = told.splitlines()
        assert line.startswith("warning: the output cannot be written any more (No space left on device)")

    def test_may_be_a_folder_that_is_gone(self, home: Any) -> None:
        folder = home.folder / "gone"
        folder.mkdir()
        script = f'cd "{folder}" && rmdir "{folder}" && exec "$@"'
        for words in (["doctor"], ["check", "h.py"], ["run", "h.py"], ["record", "-o", "x.yaml"], ["history"]):
            done = subprocess.run(
                ["sh", "-c", script, "sh", *home.program, *words, *(["--endpoint", "http://127.0.0.1:1"] * 0)],
                capture_output=True,
                env={**home.env, "STORMCONE_ENDPOINT": "http://127.0.0.1:1"},
                text=True,
                check=False,
            )
            folder.mkdir(exist_ok=True)
            assert done.returncode != 0, words
            assert "Traceback" not in done.stderr, words


class TestAnEmptyEnvironment:
    def test_is_no_fault(self, home: Any, simulator: Any) -> None:
        done = home.run("doctor", "--journal", "j.db", "--provider", "azure", "--endpoint", simulator.url, env={})
        assert (done.returncode, done.stderr) == (0, "")
        assert not Path(home.folder, "j.db").exists()


class TestDoctorWhereNoCloudIs:
    """Wherever the tests run there may be a cloud, or a network that swallows what is sent to link-local addresses."""

    def test_comes_to_an_end_soon_and_says_of_each_cloud_what_it_found(self, home: Any) -> None:
        done = home.run("doctor")
        lines = done.stdout.splitlines()
        assert [line for line in lines if re.match("[✓✗] cloud (alibaba|azure): ", line)]
        found = any(line.startswith("✓ cloud") for line in lines)
        assert done.returncode == (0 if found else 69)
        assert ("No cloud was found. To see everything without one: stormcone demo" in done.stderr) is not found

    def test_says_that_nothing_answers_at_the_endpoint(self, home: Any, dead_url: str) -> None:
        done = home.run("doctor", "--provider", "azure", "--endpoint", dead_url)
        assert done.returncode == 69
        assert "✗ cloud azure: GET 127.0.0.1:" in done.stdout
        assert "connection refused; run this on an Azure VM, or say where the metadata service is" in done.stdout
