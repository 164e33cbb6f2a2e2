"""Each row of the fleet's table gives the figures that the table names, here for a fleet of five; none is judged."""

import re
import threading
import tomllib
from importlib import import_module

import pytest

SMALL = {
    "heartbeats": {"agents": (5,), "seconds": 0.2, "idle": 2},
    "agreement": {"agents": 5, "rate": 2.0, "seconds": 0.5, "kept": (0, 3), "pace": 0.01},
    "limits": {"sizes": (5,), "seconds": 0.2, "waiting": 3},
    "month": {"days": 2, "done": 2, "agents": 6},
    "workers": {"runs": 5, "workers": (1,), "works": {"no time": 0.0}},
    "takeover": {"regions": 1, "kills": 1, "lease": 1.0},
}


@pytest.fixture
def table(root):
    return {row["name"]: row for row in tomllib.loads((root / "benchmarks" / "fleet.toml").read_text())["row"]}


@pytest.mark.timeout(300)  # some start real programs, which takes long on a busy machine
@pytest.mark.parametrize("name", SMALL)
def test_a_row_measures_what_the_table_names(benchmarks, monkeypatch, table, name):
    fleets = import_module("fleets")
    monkeypatch.setattr(fleets, "START", threading.Thread)  # processes are slow to start
    monkeypatch.setattr(fleets, "SETTINGS", {**fleets.SETTINGS, "fsync": "off"})
    measured = import_module(f"rows.{name}").measure(**SMALL[name])
    named = {line[which] for line in table[name]["lines"] for which in ("figure", "beside") if which in line}
    few = {re.sub("50 ms, [124] workers?|no time, [24] workers", "no time, 1 worker", each) for each in named}
    few = {re.sub(r"1[0,]+(?= agents|: )", "5", each) for each in few}
    assert few <= {figure.name for figure in measured.figures}
    assert all(points for curve in measured.curves for points in curve.series.values())


def test_every_row_is_measured_here(table):
    assert set(SMALL) == set(table)
