"""All that a scenario can do can be done in steps: by the control API, and by `stormcone simulate`."""

import click
import pytest
from requests import Session

from stormcone.cli.commands.simulate import command as simulate
from stormcone.clock import SystemClock
from stormcone.model import Impact
from stormcone_simulators.control import ChangedEvent, ClockStep, EndedEvent, NewEvent
from stormcone_simulators.http.faults import FaultRule
from stormcone_simulators.scenarios.format import STEPS

# What a step does: its subcommand, its call of the control API, and that call's body.
STEPWISE = {
    "schedule": ("reboot", "POST /_simulator/events", NewEvent),
    "change": ("change", "PATCH /_simulator/events/EVENT", ChangedEvent),
    "cancel": ("cancel", "DELETE /_simulator/events/EVENT", None),
    "start": ("start", "POST /_simulator/events/EVENT/start", None),
    "complete": ("complete", "POST /_simulator/events/EVENT/complete", EndedEvent),
    "fault": ("fault", "POST /_simulator/faults", FaultRule),
    "clear-faults": ("clear-faults", "DELETE /_simulator/faults", None),
    "clock": ("clock", "POST /_simulator/clock", ClockStep),
}

# What a key of a step is called there, where it is called otherwise.
OPTIONS = {"resources": "machines", "event": "identifier"}
FIELDS = {"notice": "notice_seconds", "duration": "duration_seconds", "started_for": "started_for_seconds"}
BY_PLACE = {"at", "do"}


@pytest.mark.parametrize("do", STEPS)
class TestEveryStep:
    def test_has_a_subcommand_with_an_option_for_each_of_its_keys(self, do):
        subcommand = simulate.commands[STEPWISE[do][0]]
        options = {parameter.name for parameter in subcommand.params}
        keys = set(FaultRule.model_fields) if do == "fault" else set(STEPS[do].model_fields) - BY_PLACE
        if do == "schedule":
            keys -= {"event", "impact"}
            assert {impact.value for impact in Impact} <= set(simulate.commands)
        if do == "cancel":
            options.add("identifier")
            assert "ids" in options
        assert {OPTIONS.get(key, key) for key in keys} <= options
        assert {"endpoint", "as_json"} <= options
        assert subcommand.help
        assert [
            option.name for option in subcommand.params if isinstance(option, click.Option) and not option.help
        ] == []

    def test_has_a_call_with_a_field_for_each_of_its_keys(self, do, azure):
        _, call, body = STEPWISE[do]
        with Session() as session:
            assert call in session.get(f"{azure.url}/_simulator/", timeout=30).json()["calls"]
        keys = set(STEPS[do].model_fields) - BY_PLACE - {"event", "fault"}
        assert {FIELDS.get(key, key) for key in keys} <= set(body.model_fields if body else ())


def test_every_step_is_in_the_table():
    assert set(STEPWISE) == set(STEPS)


HEAD = 'title = "x"\n'


def step(at, do, more=""):
    return f'[[step]]\nat = "{at}"\ndo = "{do}"\n{more}\n'


class TestFaults:
    def test_begin_and_end_at_their_time_for_the_very_first_request(self, azure, machine, clock, tmp_path):
        path = tmp_path / "x.toml"
        path.write_text(HEAD + step("1m", "fault", "fault = { status = 503 }") + step("2m", "clear-faults"))
        azure.play(path)
        statuses = [machine.ask().status]
        for _ in range(2):
            clock.advance(minutes=1)
            statuses.append(machine.ask().status)
        assert statuses == [200, 503, 200]

    def test_that_are_due_are_listed(self, azure, control, clock, tmp_path):
        path = tmp_path / "x.toml"
        path.write_text(HEAD + step("1m", "fault", '[step.fault]\nkind = "reset"\ntimes = 2'))
        azure.play(path)
        clock.advance(minutes=1)
        assert control("GET", "faults").json["faults"] == [{"id": "1", "kind": "reset", "times": 2}]


class TestTheClock:
    def test_changes_its_pace_at_its_time(self, azures, tmp_path, asking):
        clock = SystemClock()
        simulator = azures(clock=clock)
        path = tmp_path / "x.toml"
        path.write_text(HEAD + step("1m", "clock", "speed = 60"))
        simulator.play(path)
        assert clock.speed == 1
        clock.advance(60)
        assert asking(simulator.url, "GET", "/_simulator/clock").json["speed"] == 60

    def test_stands_still_where_it_is_moved_by_hand(self, azure, clock, tmp_path):
        path = tmp_path / "x.toml"
        path.write_text(HEAD + step("0s", "clock", "speed = 60") + step("1m", "schedule", 'impact = "reboot"'))
        azure.play(path)
        clock.advance(minutes=1)
        assert len(azure.events()) == 1
