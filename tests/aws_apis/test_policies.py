"""The policies and rules in the docs can be used: they are JSON, and name what the providers ask for and read."""

import json
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from stormcone.text import folded
from stormcone_aws.messages import GONE, KINDS, STATE, TYPES
from stormcone_aws.queue import PERMISSIONS as OF_QUEUE
from stormcone_aws.region import PERMISSIONS as OF_REGION

FOLDER = Path(__file__).parents[2] / "docs" / "aws"
FILES = sorted(FOLDER.glob("*.json"))
RULES = [path for path in FILES if path.name.startswith("rule-")]


def read(name):
    return json.loads((FOLDER / name).read_text())


def listed(value):
    return [value] if isinstance(value, str) else value


@pytest.mark.parametrize("path", [path for path in FILES if "iam" in path.name or "queue" in path.name], ids=str)
def test_a_policy_is_one(path):
    document = json.loads(path.read_text())
    assert document["Version"] == "2012-10-17"
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow"
        assert {"Sid", "Action", "Resource"} <= set(statement)


@pytest.mark.parametrize(("name", "wanted"), [("iam-region.json", OF_REGION), ("iam-queue.json", OF_QUEUE)])
def test_an_agents_policy_allows_what_it_asks_for_and_no_more(name, wanted):
    allowed = [action for each in read(name)["Statement"] for action in listed(each["Action"])]
    assert sorted(allowed) == sorted(wanted)
    assert not any("*" in action for action in allowed)


def test_the_rules_send_every_type_that_is_read_and_no_other():
    rules = [read(path.name) for path in RULES]
    sent = {(source, folded(kind)) for rule in rules for source in rule["source"] for kind in rule["detail-type"]}
    assert sent == set(KINDS)
    assert {folded(kind) for _, kind in KINDS} == {folded(kind) for kind in TYPES}


def test_the_rule_of_states_sends_those_that_mean_something():
    (rule,) = [read(path.name) for path in RULES if STATE in read(path.name)["detail-type"]]
    assert set(rule["detail"]["state"]) == GONE


def test_the_redrive_policy_is_of_a_queue_of_dead_messages():
    policy = read("redrive-policy.json")
    assert fnmatchcase(policy["deadLetterTargetArn"], "arn:aws:sqs:*-dead")
    assert policy["maxReceiveCount"] > 1
