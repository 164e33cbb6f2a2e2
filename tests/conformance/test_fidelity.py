"""The fidelity sheets: whatever a simulator is said to do is pinned by a test that exists and runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from stormcone.plugins import SIMULATORS, load_plugins
from stormcone_simulators.fidelity import SHEETS, Fidelity, sheet

ROOT = Path(__file__).parents[2]
TIED = sorted({f"tests/simulators/{test}" for name in SHEETS for feature in sheet(name) for test in feature.tests})


def test_every_simulator_has_a_sheet():
    assert set(SHEETS) == set(load_plugins(SIMULATORS).found)


@pytest.mark.parametrize("name", SHEETS)
def test_a_sheet_says_what_it_does_what_not_and_what_is_unverified(name):
    lines = sheet(name)
    assert {feature.verdict for feature in lines} == set(Fidelity)
    assert len({feature.what for feature in lines}) == len(lines)
    assert all(feature.source for feature in lines)


@pytest.mark.parametrize("name", SHEETS)
def test_whatever_it_does_is_tied_to_a_test(name):
    assert [feature.what for feature in sheet(name) if feature.verdict is Fidelity.DOES and not feature.tests] == []


def test_every_tied_test_is_collected():
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *TIED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    collected = {line.partition("[")[0] for line in done.stdout.splitlines() if "::" in line}
    assert sorted(set(TIED) - collected) == []
    assert done.returncode == 0, done.stdout
