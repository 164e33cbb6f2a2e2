"""A program in the shape of the vendor's published sample works against the simulator, but for keys and endpoint.

It is `programs/two_restarts.py`, with the SDK as it is installed: its own session, its own signatures.
"""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stormcone import ManualClock, Outcome
from stormcone_simulators.alibaba import AlibabaSimulator

SAMPLE = Path(__file__).with_name("programs") / "two_restarts.py"


@pytest.fixture
def alibaba():
    with AlibabaSimulator(["i-aaa", "i-bbb"], clock=ManualClock()) as simulator:
        yield simulator


@pytest.fixture
def environment(tmp_path):
    return {"HOME": str(tmp_path), "PYTHONWARNINGS": "ignore"}


@pytest.fixture
def sample(alibaba):
    """The sample's text with our keys and the simulator's address."""
    facts = alibaba.facts()
    host = alibaba.url.removeprefix("http://")
    return (
        SAMPLE.read_text("utf-8")
        .replace("<access key id>", facts["access_key_id"])
        .replace("<access key secret>", facts["access_key_secret"])
        .replace("# <endpoint>", f'clt.add_endpoint(REGION, "Ecs", "{host}")')
    )


def run(text, environment):
    return subprocess.run(
        [sys.executable, "-"], input=text, env=environment, capture_output=True, text=True, timeout=30, check=True
    )


def test_only_keys_and_endpoint_are_ours(sample):
    before, after = SAMPLE.read_text("utf-8").splitlines(), sample.splitlines()
    changed = [line.partition(" ")[0] for line, now in zip(before, after, strict=True) if line != now]
    assert changed == ["KEY_ID", "KEY_SECRET", "#"]


def test_two_restarts_are_made_and_one_is_called_off(alibaba, sample, environment):
    created, canceled = run(sample, environment).stdout.splitlines()
    ids = ast.literal_eval(created.removeprefix("Created: "))
    assert re.fullmatch(r"\['e-[a-z0-9]{20}', 'e-[a-z0-9]{20}'\]", created.removeprefix("Created: "))
    assert re.fullmatch(rf"Canceled: \['{ids[0]}'\] request [0-9A-F-]{{36}}", canceled)
    shown = {event["id"]: (event["resources"], event["phase"], event["outcome"]) for event in alibaba.events()}
    assert shown == {ids[0]: (["i-aaa"], "ended", Outcome.CANCELED), ids[1]: (["i-bbb"], "scheduled", None)}


def test_a_notification_is_pushed_for_each_step(alibaba, sample, environment):
    run(sample, environment)
    names = [notification["name"].rpartition(":")[2] for notification in alibaba.notifications()]
    assert names == ["Scheduled", "Scheduled", "Canceled"]
    assert all(json.dumps(notification) for notification in alibaba.notifications())
