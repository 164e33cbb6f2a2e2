"""What is nested beyond all measure is refused before a parser sees it; what only looks so is read."""

import json
import tomllib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormcone.errors import SimulationError
from stormcone_simulators.http.bounds import MAX_DEPTH, MAX_NAMES, TooDeep, check_toml, read_json
from stormcone_simulators.http.spoilers import SPOILERS
from stormcone_simulators.scenarios.format import scenario_file, scenario_names

DEEP = {
    "one dotted key": "a." * 100_000 + "a = 1",
    "a dotted key of quoted parts": '"a".' * 40_000 + "a = 1",
    "a dotted key with blanks": "a . " * 40_000 + "a = 1",
    "the name of a table": "[" + "a." * 100_000 + "a]\nb = 1",
    "the name of a list of tables": "[[" + "a." * 100_000 + "a]]",
    "brackets at a line's start": "[" * 100_000,
    "lists": "a = " + "[" * 100_000 + "]" * 100_000,
    "lists on many lines": "a = " + "[\n" * 50_000,
    "inline tables": "a = " + "{a = " * 40_000 + "1" + "}" * 40_000,
    "a dotted key in an inline table": "a = {" + "b." * 50_000 + "b = 1}",
    "a dotted key in a list": "a = [{" + "b." * 50_000 + "b = 1}]",
    "lists and tables in turn": "a = " + "[{b = " * 20_000,
    "a table, a key and an inline table together": f"[{'a.' * 14}a]\n{'b.' * 14}b = {{{'c.' * 14}c = 1}}",
    "after a string that is not closed": 'a = "\n' + "a." * 1000 + "a = 1",
}

SHALLOW = {
    "dots in a string": f'title = "{"a." * 50_000}"',
    "brackets in a string": f"title = '{'[' * 50_000}'",
    "dots in long strings": f'title = """\n{"a.[{" * 9_000}\n"" "x" \\""" """\nb = \'\'\'\n{"a." * 9_000}\'\'\'',
    "a quote that is escaped": f'title = "\\"{"a." * 1000}"',
    "dots in a comment": f'title = "x" # {"a.[" * 10_000}',
    "a key in quotes": f'"{"a." * 1000}" = 1',
    "numbers": f"numbers = [{'1.5, ' * 5000}]",
    "many keys": "".join(f"a{number}.b.c = 1.5\n" for number in range(3000)),
    "many tables": "[[step]]\n[step.fault.query]\na = { b = [1.5, { c.d = 1 }] }\n" * 1000,
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_a_deep_text_is_refused(text):
    with pytest.raises(TooDeep, match=rf"^line \d+: it is nested more than {MAX_DEPTH} deep; take levels out$"):
        check_toml(text)


@pytest.mark.parametrize("text", SHALLOW.values(), ids=SHALLOW)
def test_a_text_that_is_only_long_is_taken(text):
    check_toml(text)
    assert tomllib.loads(text)


@pytest.mark.parametrize("name", scenario_names())
def test_every_scenario_that_there_is_is_taken(name):
    check_toml(scenario_file(name))


def test_the_line_is_named():
    with pytest.raises(TooDeep, match=r"^line 5: "):
        check_toml(f'a = """\n\n"""\n[b]\n{"c." * 100}c = 1\nd = 2')


def test_many_small_tables_are_refused_as_well():
    with pytest.raises(TooDeep, match=f"^line {MAX_NAMES // 2 + 1}: it has more than {MAX_NAMES} tables"):
        check_toml("\n".join(f"a{number}.b.c = 1" for number in range(MAX_NAMES)))


@given(st.integers(1, 200), st.sampled_from(["dots", "lists", "tables"]))
def test_the_bound_lies_where_the_reader_would_nest_as_deep(depth, how):
    text = {
        "dots": "a" + ".a" * depth + " = 1",
        "lists": "a = " + "[" * depth + "]" * depth,
        "tables": "a = " + "{a = " * depth + "1" + "}" * depth,
    }[how]
    if depth <= MAX_DEPTH:
        check_toml(text)
        assert tomllib.loads(text)
    else:
        with pytest.raises(TooDeep):
            check_toml(text)


@pytest.mark.parametrize("part", ['"""\\', '"', "'''", '"\\', "'\"", '"""', "#'", "[", "a.", "={"])
def test_no_text_is_looked_at_twice(part):
    """A quarter of a megabyte takes less than a second of a slow machine; twice over would be hours."""
    with suppress(TooDeep):
        check_toml(part * (250_000 // len(part)))


class TestJson:
    @pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a": '])
    def test_that_is_deep_is_refused(self, opening):
        with pytest.raises(TooDeep, match=r"^line 1: it is nested more than"):
            read_json(opening * 100_000)

    @pytest.mark.parametrize("value", ["[" * 1000, '"[{' * 100, "\\[" * 100, [[]] * 1000, [{"a": "]"}] * 1000])
    def test_that_is_only_long_is_read(self, value):
        assert read_json(json.dumps(value)) == value
        assert read_json(json.dumps(value).encode()) == value

    def test_that_is_none_is_a_value_error(self):
        for text in ("[" * 10, '{"a"', b"\xff", "[}" * 100):
            with pytest.raises(ValueError, match=r"."):
                read_json(text)


class TestWhoReads:
    @pytest.mark.parametrize("text", [DEEP["one dotted key"], '{"title": ' + "[" * 100_000], ids=["TOML", "JSON"])
    def test_a_scenario_that_is_posted_is_answered_with_one_sentence(self, control, text):
        answer = control("POST", "scenarios?name=deep", body=text.encode())
        assert answer.status == 400
        assert answer.json["error"].startswith(f"deep, line 1: it is nested more than {MAX_DEPTH} deep")

    def test_a_scenario_in_a_file_is_refused(self, azure, tmp_path):
        (tmp_path / "deep.toml").write_text(DEEP["the name of a table"])
        with pytest.raises(SimulationError, match=r"deep.toml, line 1: it is nested more than"):
            azure.play(tmp_path / "deep.toml")
        assert azure.events() == []

    @pytest.mark.parametrize("opening", ["[", '{"impact":'])
    @pytest.mark.parametrize("path", ["events", "clock", "faults"])
    def test_a_body_of_the_control_api_is_answered_with_one_sentence(self, control, path, opening):
        answer = control("POST", path, body=opening.encode() * 100_000)
        assert (answer.status, "\n" in answer.json["error"]) == (400, False)

    def test_an_approval_is_refused_as_the_cloud_does(self, machine):
        assert machine.ask("POST", body=b'{"StartRequests": ' + b"[" * 100_000).status == 400

    def test_a_list_in_a_parameter_is_refused_as_the_cloud_does(self, ecs):
        assert ecs.refused("DescribeInstances", InstanceIds="[" * 20_000) == (403, "InvalidParameter")

    @pytest.mark.parametrize("name", ["null_fields", "duplicate_ids", "no_entries"])
    def test_a_fault_leaves_a_deep_answer_as_it_is(self, name):
        body = b"[" * 100_000 + b"]" * 100_000
        assert SPOILERS[name](body) == body
