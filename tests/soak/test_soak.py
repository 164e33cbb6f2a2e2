"""A few days of the soak, on Azure and Alibaba Cloud: it works, and it would tell."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "soak" / "soak.py"


@pytest.mark.parametrize("cloud", ["azure", "alibaba"])
def test_a_few_days_leave_the_agent_as_sound_as_it_was(cloud):
    command = [sys.executable, str(SOAK), "--cloud", cloud, "--days", "3", "--minutes", "240"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{cloud}: 198 polls, 3 events" in done.stdout


@pytest.fixture
def module():
    return runpy.run_path(str(SOAK))


@pytest.fixture
def soak(module):
    """A soak that has ended well."""
    soak = module["Soak"].__new__(module["Soak"])
    soak.handler = module["Counting"]()
    soak.scheduled = soak.handler.done = 3
    return soak


@pytest.fixture
def measure(module):
    def measure(**larger):
        usual = {"at": "", "resident": 0, "objects": 0, "threads": 0, "journal": 0, "events": 0}
        return module["Measure"](**{**usual, **larger})

    return measure


class TestItsVerdict:
    def test_is_good_where_nothing_has_grown(self, soak, measure):
        assert soak.faults(measure(), measure(resident=100, objects=10, journal=1000), measure()) == []

    @pytest.mark.parametrize(
        ("larger", "word"),
        [
            ({"resident": 9 * 2**20}, "memory"),
            ({"objects": 2001}, "objects"),
            ({"threads": 1}, "threads"),
            ({"journal": 65 * 1024}, "journal"),
        ],
    )
    def test_names_what_has(self, soak, measure, larger, word):
        (wrong,) = soak.faults(measure(), measure(**larger), measure())
        assert word in wrong

    @pytest.mark.parametrize(("count", "value"), [("done", 2), ("twice", 1), ("open", {"E-1": True})])
    def test_names_events_that_were_missed_or_handled_twice(self, soak, measure, count, value):
        setattr(soak.handler, count, value)
        (wrong,) = soak.faults(measure(), measure(), None)
        assert wrong.startswith("of 3 events")
