"""A list loses its bad items and no others."""

from pydantic import BaseModel

from stormcone.clouds.payload import read_fields


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
