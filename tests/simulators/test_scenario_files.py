"""Scenarios as files: where an error is, what is written is read again, the schema, and files sent."""

import json
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormcone.errors import SimulationError
from stormcone_simulators.scenarios.format import (
    MAX_TEXT,
    STEPS,
    Scenario,
    parse_scenario,
    scenario_file,
    scenario_names,
    scenario_text,
)
from stormcone_simulators.scenarios.random import scenarios
from stormcone_simulators.scenarios.toml_lines import lines_of

SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "scenario.json"

LAYOUT = '''\
# [[step]] in a comment, and title = "no"
title = """
[[step]]
at = "not here"
"""

[[step]]
at = "0s" # do = "no"
do = "schedule"
impact = "reboot"
resources = [
  "web-0",
  # native_type = "no"
]
description = 'a = [b'

  [[ step ]]
  at="1m"
  do = "fault"
  [step.fault]
  status = 503
  query.Action = "x"

[[step]]
at = "2m"
do = "fault"
fault = { kind = "reset", times = 2 }
'''


class TestLines:
    def test_each_table_and_key_is_on_its_line_whatever_strings_comments_and_lists_say(self):
        assert isinstance(tomllib.loads(LAYOUT), dict)
        assert lines_of(LAYOUT) == {
            ("title",): 2,
            ("step", 0): 7,
            ("step", 0, "at"): 8,
            ("step", 0, "do"): 9,
            ("step", 0, "impact"): 10,
            ("step", 0, "resources"): 11,
            ("step", 0, "description"): 15,
            ("step", 1): 17,
            ("step", 1, "at"): 18,
            ("step", 1, "do"): 19,
            ("step", 1, "fault"): 20,
            ("step", 1, "fault", "status"): 21,
            ("step", 1, "fault", "query"): 22,
            ("step", 1, "fault", "query", "Action"): 22,
            ("step", 2): 24,
            ("step", 2, "at"): 25,
            ("step", 2, "do"): 26,
            ("step", 2, "fault"): 27,
        }

    @given(scenario=scenarios("alibaba"), data=st.data())
    def test_whichever_key_of_a_scenario_is_spoilt_its_line_is_named(self, scenario, data):
        lines = scenario_text(scenario).splitlines()
        spoilt = data.draw(st.sampled_from([number for number, line in enumerate(lines) if " = " in line]))
        key = lines[spoilt].partition(" ")[0]
        lines[spoilt] = f"{key} = -7"
        with pytest.raises(SimulationError, match=rf"^x.toml, line {spoilt + 1}: (step \d+: )?{key}"):
            parse_scenario("\n".join(lines), "x.toml")


class TestTexts:
    @given(scenario=scenarios("azure"), title=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
    def test_what_is_written_is_read_as_the_same(self, scenario, title):
        titled = scenario.model_copy(update={"title": title})
        assert parse_scenario(scenario_text(titled), "x.toml") == titled

    @pytest.mark.parametrize("name", scenario_names())
    def test_each_of_those_that_there_are_survives_being_written(self, name):
        scenario = parse_scenario(scenario_file(name), name)
        assert parse_scenario(scenario_text(scenario), name) == scenario

    def test_json_says_the_same(self):
        content = tomllib.loads(LAYOUT)
        assert parse_scenario(json.dumps(content), "x.json") == parse_scenario(LAYOUT, "x.toml")

    def test_spans_are_written_in_the_largest_unit_that_fits(self):
        step = {"do": "schedule", "impact": "reboot"}
        spans = {"0s": 0, "90s": 90, "15m": 900, "2h": 7200, "7d": 604800}
        steps = [{**step, "event": written, "at": timedelta(seconds=seconds)} for written, seconds in spans.items()]
        text = scenario_text(Scenario.model_validate({"title": "x", "step": steps}))
        assert [step["at"] for step in tomllib.loads(text)["step"]] == list(spans)


class TestSchema:
    def test_the_published_schema_is_that_of_the_model(self):
        assert json.loads(SCHEMA.read_text()) == Scenario.model_json_schema(), (
            f"the model has changed: write Scenario.model_json_schema() to {SCHEMA.name}"
        )

    def test_every_kind_of_step_and_every_key_is_described(self):
        definitions = json.loads(SCHEMA.read_text())["$defs"]
        for kind in STEPS.values():
            assert definitions[kind.__name__]["description"]
            told = definitions[kind.__name__]["properties"]
            assert [key for key, value in told.items() if key != "do" and not value.get("description")] == []


GOOD = 'title = "mine"\n[[step]]\nat = "0s"\ndo = "schedule"\nimpact = "reboot"\nresources = ["web-1"]\n'


class TestFiles:
    def test_a_path_is_played(self, azure, tmp_path):
        (tmp_path / "mine.toml").write_text(GOOD)
        azure.play(tmp_path / "mine.toml")
        assert [event["resources"] for event in azure.events()] == [["web-1"]]

    def test_a_value_is_played(self, azure):
        azure.play(parse_scenario(GOOD, "mine.toml"))
        assert len(azure.events()) == 1

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (None, "cannot be read: No such file"),
            (b"\xff", "is not UTF-8"),
            ("é".encode() * MAX_TEXT, "at most 262144 bytes"),
        ],
    )
    def test_one_that_cannot_be_read_is_refused_by_its_name(self, azure, tmp_path, content, why):
        path = tmp_path / "mine.toml"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(SimulationError, match=rf"mine\.toml.*{why}"):
            azure.play(path)

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            (("web-1", "web-7"), "mine.toml, line 2: step 1: there is no machine 'web-7'"),
            (("reboot", "stop"), "mine.toml, line 2: step 1: Azure has no event with the impact stop"),
            (('["web-1"]', "[2]"), "mine.toml, line 2: step 1: this scenario needs 3 machines in one group"),
            (("", '[[step]]\nat = "20m"\ndo = "cancel"\n'), "step 2: the event .* cannot be called off: it is started"),
            (("", '[[step]]\nat = "20m"\ndo = "change"\nnotice = "1m"\n'), "step 2: the event .* cannot be moved"),
            (("", '[[step]]\nat = "1m"\ndo = "change"\nresources = ["x"]\n'), "step 2: there is no machine 'x'"),
            (
                ("", '[[step]]\nat = "1m"\ndo = "fault"\nfault = { machine = "x", kind = "reset" }\n'),
                "step 2: there is no machine 'x'",
            ),
        ],
    )
    def test_what_cannot_be_played_is_refused_whole_with_the_step(self, azure, clock, tmp_path, change, why):
        path = tmp_path / "mine.toml"
        path.write_text(GOOD.replace(*change) if change[0] else GOOD + change[1])
        with pytest.raises(SimulationError, match=why):
            azure.play(path)
        clock.advance(hours=2)
        assert (azure.events(), azure.faults.list()) == ([], [])

    def test_on_a_cloud_with_one_event_for_each_machine_another_number_of_machines_is_refused(self, alibaba, tmp_path):
        path = tmp_path / "mine.toml"
        path.write_text(
            GOOD.replace('["web-1"]', '"all"') + '[[step]]\nat = "1m"\ndo = "change"\nresources = "first"\n'
        )
        with pytest.raises(
            SimulationError, match="step 2: the event 'event' is 2 here, one for each machine, and cannot"
        ):
            alibaba.play(path)
        assert alibaba.events() == []


class TestTheControlApi:
    def test_plays_the_file_in_the_body(self, azure, control):
        assert control("POST", "scenarios", body=GOOD.encode()).json == {"scenario": "mine"}
        assert [event["resources"] for event in azure.events()] == [["web-1"]]

    def test_takes_the_same_in_json(self, azure, control):
        assert control("POST", "scenarios", content=tomllib.loads(GOOD)).json == {"scenario": "mine"}
        assert len(azure.events()) == 1

    @pytest.mark.parametrize(
        ("path", "body", "why"),
        [
            ("scenarios", GOOD.replace("reboot", "boom").encode(), "the scenario, line 5: step 1: impact: "),
            ("scenarios?name=a.toml", GOOD.replace("reboot", "stop").encode(), "a.toml, line 2: step 1: Azure has no"),
            ("scenarios", b"\xff", "the body is not UTF-8"),
            ("scenarios", b"", "the scenario: title: field required"),
            ("scenarios", b"#" * (MAX_TEXT + 1), "the scenario: a scenario has at most 262144 bytes"),
        ],
    )
    def test_refuses_what_cannot_be_played_with_the_place(self, azure, control, path, body, why):
        answer = control("POST", path, body=body)
        assert answer.status == 400
        assert answer.json["error"].startswith(why)
        assert azure.events() == []
