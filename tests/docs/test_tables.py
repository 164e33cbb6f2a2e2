"""The tables of the pages have what the code has, and every table is on a page."""

import json
import re
import tomllib

import pytest
import requests

from stormcone.cli import COMMANDS
from stormcone.errors import StormconeError
from stormcone.model import CONSEQUENCES, MaintenanceEvent
from stormcone.rules.inferences import INFERENCES
from stormcone.rules.lifecycle import MOVES
from stormcone_alibaba.errors import CODES
from stormcone_alibaba.provider import AlibabaProvider
from stormcone_alibaba.wire import EVENT_TYPES, STATUSES
from stormcone_simulators.azure import AzureSimulator
from stormcone_simulators.http.faults import KINDS


def directives(root, name):
    found = set()
    for page in (root / "docs").glob("*.md"):
        found |= set(re.findall(rf"```\{{{name}\}} ?([^\n]*)\n", page.read_text()))
    return found


def rows(tables, name):
    return tables.markdown(tables.TABLES[name]())[2:]


class TestTables:
    def test_every_table_is_on_a_page_and_every_page_asks_for_tables_that_there_are(self, tables, root):
        assert directives(root, "stormcone-table") == set(tables.TABLES)

    def test_a_table_has_as_many_cells_in_every_row_as_in_its_header(self, tables):
        for name, draw in tables.TABLES.items():
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in tables.markdown(draw())}
            assert len(widths) == 1, name

    def test_a_bar_in_a_cell_does_not_end_it(self, tables):
        assert tables.markdown(tables.Table(("a",), [("x|y",)]))[-1] == r"| x\|y |"

    def test_the_moves_are_all_there(self, tables):
        drawn = rows(tables, "moves")
        assert len(drawn) == len(MOVES)
        for move, line in zip(MOVES, drawn, strict=True):
            assert all(word in line for word in (move.before or "(not known)", move.after, move.kind, move.when))

    def test_the_inferences_are_all_there_in_their_order(self, tables):
        drawn = rows(tables, "inferences")
        assert drawn == [f"| {rule.when} | {rule.outcome} |" for rule in INFERENCES]

    def test_what_is_not_known_of_an_impact_is_said_to_be_so(self, tables):
        drawn = rows(tables, "impacts")
        assert len(drawn) == len(CONSEQUENCES)
        assert "| `stop` | yes | not known | not known |" in drawn

    def test_every_approval_decision_is_there(self, tables, root):
        decided = tomllib.loads((root / "docs" / "data" / "approval-decisions.toml").read_text())["row"]
        drawn = rows(tables, "approval-decisions")
        assert len(drawn) == len(decided)
        for row, line in zip(decided, drawn, strict=True):
            conditions = [f"*{value}*" for name, values in row.items() if isinstance(values, list) for value in values]
            assert all(words in line for words in (*conditions, f"| {row['decision']} |", row["why"]))

    def test_every_field_of_the_event_is_described(self, tables):
        drawn = rows(tables, "event-fields")
        assert len(drawn) == len(MaintenanceEvent.model_fields)
        assert not [line for line in drawn if line.endswith("|  |")]

    def test_every_error_has_its_exit_status(self, tables):
        drawn = "\n".join(rows(tables, "exit-statuses"))
        kinds = [StormconeError]
        for kind in kinds:
            kinds += [child for child in kind.__subclasses__() if child.__module__ == "stormcone.errors"]
            assert f"| {kind.exit_code} | `{kind.__name__}` |" in drawn


class TestHelp:
    def test_every_command_is_on_the_page(self, root):
        shown = directives(root, "stormcone-help")
        assert {words.split()[0] for words in shown if words} == set(COMMANDS)

    def test_what_is_asked_for_can_be_drawn(self, tables, root):
        for words in directives(root, "stormcone-help"):
            assert tables.help_text(words.split()).startswith(f"Usage: stormcone {words}".rstrip())

    def test_a_command_that_is_not_there_is_an_error(self, tables):
        with pytest.raises(ValueError, match="there is no command stormcone simulate rebot"):
            tables.help_text(["simulate", "rebot"])

    def test_the_text_does_not_depend_on_the_terminal(self, tables, monkeypatch):
        monkeypatch.setenv("COLUMNS", "40")
        assert max(map(len, tables.help_text(["run"]).splitlines())) > 60


class TestTheControlApi:
    def test_every_call_is_on_the_page(self, root):
        page = re.sub(r"\s+", " ", (root / "docs" / "simulators.md").read_text())
        with AzureSimulator() as simulator:
            calls = requests.get(f"{simulator.url}/_simulator/", timeout=30).json()["calls"]
        assert [call for call in calls if call != "GET /_simulator/" and f"`{call}`" not in page] == []

    def test_every_kind_of_fault_is_on_the_page(self, root):
        page = (root / "docs" / "simulators.md").read_text()
        listed = page[page.index("| `kind` |") : page.index("## Scenarios")]
        assert [kind for kind in KINDS if f"`{kind}`" not in listed] == []


class TestAlibabaCloud:
    def test_every_type_status_and_code_is_there(self, tables):
        for name, known in {"types": EVENT_TYPES, "statuses": STATUSES}.items():
            drawn = "\n".join(rows(tables, f"alibaba-{name}"))
            assert [word for word in known if f"| `{word}` |" not in drawn] == []
        assert len(rows(tables, "alibaba-errors")) == len(CODES)

    def test_the_policy_allows_what_the_provider_needs_and_no_more(self, blocks):
        (policy,) = blocks("docs/alibaba.md", "json")
        (statement,) = json.loads(policy.text)["Statement"]
        assert tuple(statement["Action"]) == AlibabaProvider.capabilities.permissions


class TestClients:
    """The programs that others wrote, which the simulators are tried with."""

    @pytest.fixture
    def programs(self, root):
        return tomllib.loads((root / "docs" / "data" / "clients.toml").read_text())["program"]

    def test_what_is_run_at_every_change_has_a_test_by_that_name(self, programs, root):
        tests = "".join(path.read_text() for path in (root / "clients").glob("test_*.py"))
        assert [each["test"] for each in programs if "test" in each and f"def {each['test']}(" not in tests] == []

    def test_their_versions_are_those_that_are_installed(self, programs, root):
        requirements = re.findall(
            r"^([\w-]+)==(\S+)$", (root / "clients" / "requirements.txt").read_text(), re.MULTILINE
        )
        modules = json.loads((root / "clients" / "package.json").read_text())["dependencies"]
        installed = {*requirements, *modules.items()}
        tried = {(re.split(r"[ ,]", each["name"])[0], each["version"]) for each in programs if "test" in each}
        from_registries = {(name, version) for name, version in tried if name in dict(installed)}
        assert len(from_registries) >= len(installed) - 2  # one is there for others, another for the fence agent
        assert from_registries <= installed
