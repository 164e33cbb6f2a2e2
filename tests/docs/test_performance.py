"""The pages on performance show the last tables and every plot, and the README quotes what the table says."""

import re
import sys
import tomllib
from importlib import import_module
from xml.etree import ElementTree

import pytest


@pytest.fixture
def performance(monkeypatch, root):
    monkeypatch.setattr(sys, "path", [str(root / "docs" / "_ext"), *sys.path])
    return import_module("stormcone_performance")


PAGES = {"performance": "performance.md", "fleet": "fleet-performance.md"}


@pytest.fixture(params=PAGES)
def name(request):
    return request.param


@pytest.fixture
def table(root, name):
    return {row["name"]: row for row in tomllib.loads((root / "benchmarks" / f"{name}.toml").read_text())["row"]}


class TestATable:
    def test_has_every_row_with_each_of_its_lines(self, performance, table, name):
        results = performance.results(name)
        assert list(results) == list(table)
        for row_name, row in table.items():
            shown = [(line["figure"], line.get("beside")) for line in results[row_name]["lines"]]
            assert shown == [(line["figure"], line.get("beside")) for line in row["lines"]]

    def test_says_of_every_aim_whether_it_is_met(self, performance, name):
        for row in performance.results(name).values():
            for line in row["lines"]:
                aim = line.get("at_most", line.get("at_least"))
                value = line["value"] if line["ratio"] is None else line["ratio"]
                assert (line["met"] is None) is (aim is None)
                if aim is not None:
                    assert line["met"] is (value <= aim if "at_most" in line else value >= aim)

    def test_has_as_many_cells_in_every_row(self, performance, name):
        rows = [line for line in performance.performance(name) if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1

    def test_says_with_which_command_it_was_measured(self, performance, name):
        said = [line for line in performance.performance(name) if line.startswith("- ")]
        assert said
        assert all(f"`{performance.COMMANDS[name]}`" in line for line in said)

    def test_is_one_of_those_that_there_are(self, performance, root):
        assert set(PAGES) == set(performance.COMMANDS) == {path.stem for path in (root / "benchmarks").glob("*.toml")}


class TestThePlots:
    def test_are_all_on_the_page(self, performance, root, name):
        page = (root / "docs" / PAGES[name]).read_text()
        assert set(re.findall(r"```\{stormcone-curve\} ([\w-]+)\n", page)) == set(performance.curves(name))

    def test_have_every_point_within_their_axes(self, performance):
        for name, curve in performance.curves().items():
            drawn = ElementTree.fromstring(performance.plot(name))  # noqa: S314 - our own
            circles = [each for each in drawn.iter() if each.tag.endswith("circle") and each.get("r") == "3"]
            assert len(circles) == sum(map(len, curve["series"].values())) > 1
            assert all(60 <= float(each.get("cx")) <= 586 for each in circles)
            assert all(28 <= float(each.get("cy")) <= 238 for each in circles)


def test_the_readme_quotes_the_table(performance, root):
    page = (root / "README.md").read_text()

    def value(row, figure):
        lines = performance.results()[row]["lines"]
        return next(line["value"] for line in lines if line["figure"] == figure)

    assert f"{value('idle', 'the agent') / 1e3:.1f} ms of a processor" in page
    assert f"| {value('memory', 'the agent'):.0f} MB |" in page
    assert f"| {value('notice', 'p50'):.1f} ms, p99 {value('notice', 'p99'):.1f} ms" in page
    assert f"| {value('user-test', 'a test with the plug-in'):.0f} ms |" in page
