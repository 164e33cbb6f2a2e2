"""What `pip install stormcone` brings: its requirements without extras, and theirs, as they are installed here."""

from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from figures import Figure, Measured

ROOT = Path(__file__).parents[2]


def _needed(name: str, found: dict[str, Distribution], extras: frozenset[str] = frozenset()) -> None:
    place = canonicalize_name(name)
    if place in found:
        return
    found[place] = distribution(name)
    for text in found[place].requires or ():
        requirement = Requirement(text)
        wanted = (not requirement.marker) or any(requirement.marker.evaluate({"extra": e}) for e in extras or {""})
        if wanted:
            _needed(requirement.name, found, frozenset(requirement.extras))


def _bytes(package: Distribution) -> int:
    """What its files take, without what Python makes of them."""
    paths = (Path(str(package.locate_file(file))) for file in package.files or ())
    return sum(path.stat().st_size for path in paths if path.suffix != ".pyc" and path.is_file())


def _own() -> int:
    """What stormcone itself takes: here it is not installed but looked at where it lies."""
    roots = (ROOT / "core", ROOT / "providers", ROOT / "simulators")
    files = (path for root in roots for path in root.rglob("*") if "__pycache__" not in path.parts)
    return sum(path.stat().st_size for path in files if path.is_file())


def measure() -> Measured:
    found: dict[str, Distribution] = {}
    _needed("stormcone", found)
    others = {name: _bytes(package) for name, package in found.items() if name != "stormcone"}
    figures = [Figure("packages", len(found), ""), Figure("megabytes", (sum(others.values()) + _own()) / 1e6, "MB")]
    figures.append(Figure("stormcone", _own() / 1e6, "MB"))
    return Measured([*figures, *(Figure(name, size / 1e6, "MB") for name, size in sorted(others.items()))])
