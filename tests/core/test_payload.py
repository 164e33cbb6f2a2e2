"""A list loses its bad items and no others."""

import json
import sys

import pytest
from pydantic import BaseModel

from stormcone.clouds.payload import DEEPEST, TOO_DEEP, read_fields, read_json


class Item(BaseModel):
    name: str
    size: int


class Listing(BaseModel):
    items: list[Item] = []


def test_an_item_with_two_errors_is_one_item():
    good = {"name": "a", "size": 1}
    bad = {"name": 7, "size": "x"}
    listing, problems = read_fields(Listing, {"items": [good, bad, {"name": "b", "size": 2}, bad]})
    assert [item.name for item in listing.items] == ["a", "b"]
    assert len(problems) == 4


class TestNesting:
    @pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"a":', "}")])
    def test_that_would_take_the_whole_stack_is_refused_before_it_is_read(self, opens, closes, monkeypatch):
        monkeypatch.setattr("json.loads", lambda *_args, **_how: pytest.fail("it was read"))
        for text in (opens * (DEEPEST + 1) + "1" + closes * (DEEPEST + 1), opens * sys.getrecursionlimit()):
            with pytest.raises(ValueError, match=r"^is nested too deep$"):
                read_json(text.encode())

    def test_that_hides_behind_brackets_in_strings_is_refused_too(self):
        with pytest.raises(ValueError, match=r"^is nested too deep$"):
            read_json(b'["' + b"]" * 10_000 + b'",' + b"[" * 5000)

    def test_further_down_than_anybody_needs_is_kept_as_a_word(self):
        assert TOO_DEEP in str(read_json(b"[" * DEEPEST + b"]" * DEEPEST))

    def test_is_not_what_a_string_holds(self):
        value = {"Description": '[{"' * 5000 + "\\", "Events": []}
        assert read_json(json.dumps(value).encode()) == value
