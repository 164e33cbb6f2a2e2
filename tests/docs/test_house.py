"""The map of the house is true: its rooms, its arrows, its order, and the places that it names."""

import ast
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

SOURCES = {
    "stormcone": "core",
    "stormcone_azure": "providers",
    "stormcone_alibaba": "providers",
    "stormcone_aws": "providers",
    "stormcone_google": "providers",
    "stormcone_simulators": "simulators",
}


def imported(tree: ast.AST) -> Iterator[str]:
    """What a module imports when it runs, as full names; what only a type checker reads is left out."""
    if isinstance(tree, ast.Import):
        yield from (each.name for each in tree.names)
    elif isinstance(tree, ast.ImportFrom) and tree.module:
        yield from (f"{tree.module}.{each.name}" for each in tree.names)
    checking = isinstance(tree, ast.If) and isinstance(tree.test, ast.Name) and tree.test.id == "TYPE_CHECKING"
    for child in tree.orelse if checking and isinstance(tree, ast.If) else ast.iter_child_nodes(tree):
        yield from imported(child)


@pytest.fixture(scope="session")
def house(root: Path) -> Any:
    sys.path.insert(0, str(root / "docs" / "_ext"))
    try:
        return import_module("stormcone_house")
    finally:
        sys.path.pop(0)


@pytest.fixture(scope="session")
def modules(root: Path) -> dict[str, ast.Module]:
    found = {}
    for package, folder in SOURCES.items():
        for path in (root / folder / package).rglob("*.py"):
            name = ".".join(path.relative_to(root / folder).with_suffix("").parts).removesuffix(".__init__")
            found[name] = ast.parse(path.read_text("utf-8"))
    return found


def rooms_of(house: Any, name: str) -> list[str]:
    return [
        room.name
        for room in house.rooms()
        for module in room.modules
        if name == module or name.startswith(f"{module}.")
    ]


class TestTheMap:
    def test_every_module_is_in_one_room(self, house, modules):
        fronts = {"stormcone", "stormcone_simulators"}  # packages that hold rooms, and nothing else of their own
        assert [name for name in modules if name not in fronts and len(rooms_of(house, name)) != 1] == []

    def test_every_room_is_there(self, house, modules):
        named = [module for room in house.rooms() for module in room.modules]
        assert sorted(module for module in named if module not in modules) == []

    def test_a_room_stands_on_those_that_it_imports_from(self, house, modules):
        stands_on: dict[str, set[str]] = {room.name: set() for room in house.rooms()}
        for name, tree in modules.items():
            for room in rooms_of(house, name):
                stands_on[room].update(*(rooms_of(house, other) for other in imported(tree)))
                stands_on[room].discard(room)
        assert {room.name: set(room.stands_on) for room in house.rooms()} == stands_on

    def test_rooms_stand_in_no_circle(self, house):
        floors = house.floors(house.rooms())
        for room in house.rooms():
            assert all(floors[other] < floors[room.name] for other in room.stands_on)

    def test_the_order_is_that_of_the_contracts(self, house, root):
        contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
        (contract,) = [each for each in contracts if each.get("containers") == ["stormcone"]]
        height = {
            f"stormcone.{name.strip()}": -number
            for number, layer in enumerate(contract["layers"])
            for name in layer.split("|")
        }
        rooms = {room.name: room for room in house.rooms() if room.modules[0] in height}
        assert {module for room in rooms.values() for module in room.modules} == set(height)
        for room in rooms.values():
            for other in room.stands_on:
                assert height[rooms[other].modules[0]] < height[room.modules[0]]

    def test_what_is_to_be_changed_is_there(self, house, root):
        assert len(house.changes()) >= 10
        assert [where for _, where in house.changes() if not (root / where).exists()] == []

    def test_the_picture_has_every_room(self, house):
        drawn = house.picture()
        assert all(f">{room.name}</tspan></text>" in drawn for room in house.rooms())


def test_no_two_public_classes_have_one_name(modules):
    names = Counter(
        node.name
        for tree in modules.values()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, times in names.items() if times > 1] == []
