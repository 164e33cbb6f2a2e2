"""The published schema of a notification: it is that of the code, and what is sent keeps to it."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from stormcone.sinks.cloudevent import line_of, message_of
from stormcone.sinks.notification import TYPES, schema
from stormcone.testing.conformance.sinks import sample

SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "notification.json"


def test_the_published_schema_is_that_of_the_code():
    assert json.loads(SCHEMA.read_text()) == schema(), f"write stormcone.sinks.notification.schema() to {SCHEMA.name}"


@pytest.mark.parametrize("kind", TYPES)
def test_what_is_sent_keeps_to_it(kind):
    validator = Draft202012Validator(json.loads(SCHEMA.read_text()))
    notification = sample(kind)
    for sent in (line_of(notification), message_of(notification, "structured", "webhook").body):
        validator.validate(json.loads(sent))


def test_what_is_not_one_does_not():
    validator = Draft202012Validator(json.loads(SCHEMA.read_text()))
    whole = json.loads(line_of(sample("run.failed")))
    assert validator.is_valid(whole)
    for name in whole:
        assert not validator.is_valid({key: value for key, value in whole.items() if key != name}), name
    assert not validator.is_valid({**whole, "type": "dev.stormcone.run.exploded"})
    assert not validator.is_valid({**whole, "data": {**whole["data"], "more": 1}})
