"""`stormcone scenarios`, and scenarios and their steps by `stormcone simulate`."""

import shlex
import tomllib

import pytest

from stormcone.clock import SystemClock
from stormcone_simulators.scenarios.format import scenario_file, scenario_names

STEPS = """\
title = "All that there is"

[[step]]
at = "0s"
do = "schedule"
event = "a"
impact = "reboot"
resources = ["web-1", "web-0"]
notice = "15m"
duration = "9s"
started_for = "1h"
cause = "user"
description = "words"

[[step]]
at = "1m"
do = "change"
event = "a"
resources = ["web-0"]
notice = "5m"
duration = "8s"
description = "other words"

[[step]]
at = "2m"
do = "start"
event = "a"

[[step]]
at = "3m"
do = "complete"
event = "a"
outcome = "failed"

[[step]]
at = "3m"
do = "schedule"
event = "b"
impact = "freeze"

[[step]]
at = "4m"
do = "cancel"
event = "b"

[[step]]
at = "4m"
do = "fault"

[step.fault]
method = "GET"
path = "/x"
machine = "web-0"
query = { a = "b", c = "d" }
times = 3
delay_seconds = 90
status = 503
retry_after = 7
body = "out"
content_type = "text/plain"
kind = "reset"
"""

BY_HAND = (
    "reboot --machine web-1 --machine web-0 --in 15m --duration 9s --started-for 1h --cause user --description words",
    "advance 1m",
    "change {id} --machine web-0 --in 5m --duration 8s --description 'other words'",
    "advance 1m",
    "start {id}",
    "advance 1m",
    "complete {id} --outcome failed",
    "freeze --machine web-0 --in 15m",
    "advance 1m",
    "cancel {id}",
    "fault --method GET --path /x --machine web-0 --query a=b --query c=d --times 3 --delay 90s --status 503 {rest}",
)


REST = "--retry-after 7 --body out --content-type text/plain --kind reset"


def told(simulator):
    return [{**event, "id": None} for event in simulator.events()], simulator.faults.list()


class TestTheList:
    def test_names_each_scenario_with_the_clouds_that_play_it_and_why_others_do_not(self, stormcone):
        listed = {entry["name"]: entry for entry in stormcone("scenarios", "--json").json["scenarios"]}
        assert tuple(listed) == scenario_names()
        assert listed["redeploy"]["clouds"] == ["alibaba", "azure"]
        assert list(listed["redeploy"]["refused"]) == ["aws", "google"]
        assert listed["live-migration"]["clouds"] == ["azure", "google"]
        assert "silent there" in listed["live-migration"]["refused"]["alibaba"]
        assert listed["host-stop"]["clouds"] == ["alibaba", "aws", "google"]
        assert all(entry["clouds"] for entry in listed.values())

    def test_is_a_table_with_the_refusals_below(self, stormcone):
        lines = stormcone("scenarios").out.splitlines()
        assert lines[0].split() == ["scenario", "clouds", "what", "happens"]
        assert len(lines[1 : lines.index("")]) == len(scenario_names())
        assert any(line.startswith("terminate not on alibaba: Alibaba Cloud has no event with") for line in lines)

    def test_shows_a_file(self, stormcone):
        assert stormcone("scenarios", "show", "terminate").out == scenario_file("terminate")

    def test_tells_of_a_name_that_there_is_not(self, stormcone):
        said = stormcone("scenarios", "show", "tornado")
        assert (said.status, said.out) == (65, "")
        assert "there is no scenario 'tornado'; there are: canceled-maintenance, " in said.err


class TestChance:
    def test_prints_the_same_file_for_the_same_seed(self, stormcone, tmp_path):
        words = ("scenarios", "random", "--cloud", "azure", "--seed", "7", "--steps", "20")
        printed = stormcone(*words).out
        assert len(tomllib.loads(printed)["step"]) == 20
        stormcone(*words, "-o", "chaos.toml")
        assert (tmp_path / "chaos.toml").read_text() == printed

    @pytest.mark.parametrize(
        ("words", "status", "why"),
        [
            (["--cloud", "moon"], 78, "no such simulator: moon;"),
            (["--cloud", "azure", "--steps", "0"], 65, "a scenario has 1 to 1000 steps, not 0"),
            (["--cloud", "azure", "-o", "no/such/folder"], 1, "no/such/folder"),
        ],
    )
    def test_refuses_what_cannot_be(self, stormcone, words, status, why):
        said = stormcone("scenarios", "random", *words)
        assert said.status == status
        assert why in said.err


class TestAFile:
    def test_is_played(self, stormcone, simulator, tmp_path):
        (tmp_path / "mine.toml").write_text(STEPS)
        said = stormcone("simulate", "scenario", "mine.toml", "--endpoint", simulator.url, "--json")
        assert said.json == {"playing": "All that there is"}
        assert [event["resources"] for event in simulator.events()] == [["web-1", "web-0"]]

    def test_that_cannot_be_played_is_refused_with_the_line(self, stormcone, simulator, tmp_path):
        (tmp_path / "mine.toml").write_text(STEPS.replace('"5m"', '"soon"'))
        said = stormcone("simulate", "scenario", "mine.toml", "--endpoint", simulator.url)
        assert said.status == 65
        assert "mine.toml, line 20: step 2: notice: 'soon' is not a length of time" in said.err

    def test_that_is_not_there_is_named(self, stormcone, simulator):
        said = stormcone("simulate", "scenario", "./gone", "--endpoint", simulator.url)
        assert (said.status, said.err) == (
            65,
            "stormcone: the scenario gone cannot be read: No such file or directory\n",
        )

    def test_is_refused_by_the_server_before_it_is_ready(self, stormcone, tmp_path):
        (tmp_path / "mine.toml").write_text(STEPS.replace('"freeze"', '"stop"'))
        said = stormcone("simulator", "azure", "--port", "0", "--machine", "web-0", "--scenario", "mine.toml")
        assert (said.status, said.out) == (65, "")
        assert "mine.toml, line 3: step 1: there is no machine 'web-1'" in said.err


def test_all_that_a_scenario_does_is_done_in_steps(stormcone, simulator, tmp_path):
    (tmp_path / "mine.toml").write_text(STEPS)
    with type(simulator)(["web-0", "web-1"], clock=type(simulator.clock)()) as scripted:
        scripted.play(tmp_path / "mine.toml")
        scripted.clock.advance(minutes=4)
        for line in BY_HAND:
            events = simulator.events()
            made = {"id": events[-1]["id"] if events else "", "rest": REST}
            words = shlex.split(line.format(**made))
            said = stormcone("simulate", *words, "--endpoint", simulator.url, "--json")
            assert isinstance(said.json, dict)
        assert told(simulator) == told(scripted)
    assert stormcone("simulate", "clear-faults", "--endpoint", simulator.url, "--json").json == {"faults": []}
    assert simulator.faults.list() == []


class TestTheClock:
    def test_is_shown_and_told_to_stand_still(self, stormcone, simulator):
        said = stormcone("simulate", "clock", "--endpoint", simulator.url)
        assert said.out == "The simulator's time is 2026-01-01 00:00:00Z: it stands still until it is advanced.\n"
        said = stormcone("simulate", "clock", "--speed", "60", "--endpoint", simulator.url)
        assert said.status == 65

    def test_changes_its_pace(self, stormcone, simulator):
        with type(simulator)(["web-0"], clock=SystemClock()) as running:
            said = stormcone("simulate", "clock", "--speed", "60", "--endpoint", running.url, "--json")
            assert said.json["speed"] == 60
            assert running.clock.speed == 60


def test_a_real_cloud_is_not_told_what_only_simulators_take(stormcone, monkeypatch):
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    words = ("--provider", "alibaba", "--machine", "i-1", "--region", "cn-hangzhou", "--cause", "user")
    said = stormcone("simulate", "reboot", *words, "--endpoint", "http://127.0.0.1:9")
    assert said.status == 65
    assert "alibaba makes simulated events without --cause; leave that out, or use a simulator" in said.err
