"""A small part of the attack, on Azure and Alibaba Cloud, with both kinds of handlers; `make chaos` is the whole."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHAOS = Path(__file__).parents[2] / "chaos" / "chaos.py"


def attack(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(CHAOS), "--seed", "1", "--without", "clock", "--without", "disk", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)


@pytest.mark.timeout(180)
def test_a_dozen_kills_break_no_promise():
    done = attack("--kills", "12", "--worlds", "2", "--plan", json.dumps({"handlers": "both"}))
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) kills", done.stdout)[1]) >= 12
    assert "\n0 breaches" in done.stdout
