"""The metadata of a VM as a tree, and how a part of it is written: as text, or as JSON.

Source: Compute Engine's documentation of predefined metadata keys and of querying metadata.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from stormcone_simulators.google.documents import Document, camel

_TEXT = object()


@dataclass(frozen=True)
class Leaf:
    """One value.

    Attributes:
        text: as it is written.
        value: as it stands in JSON, where that is not the text.
    """

    text: str
    value: Any = _TEXT

    @property
    def json(self) -> Any:
        """The value as it stands in JSON."""
        return self.text if self.value is _TEXT else self.value


@dataclass(frozen=True)
class Folder:
    """A part with more below it.

    Attributes:
        parts: by name.
        whole: what it is in JSON, where that is not its parts by their names.
        is_list: whether its parts are numbered, and are a list in JSON.
        is_named: whether somebody chose the names of its parts, which are then spelt so in JSON, too.
    """

    parts: Mapping[str, "Leaf | Folder"] = field(default_factory=lambda: MappingProxyType({}))
    whole: Document | None = None
    is_list: bool = False
    is_named: bool = False

    @property
    def json(self) -> Any:
        """What is below it, as it stands in JSON."""
        if self.whole is not None:
            return self.whole
        told = {name: part.json for name, part in self.parts.items()}
        if self.is_list:
            return list(told.values())
        return told if self.is_named else {camel(name): value for name, value in told.items()}

    def find(self, names: list[str]) -> "Leaf | Folder | None":
        """What is below it by those names, or None."""
        if not names:
            return self
        part = self.parts.get(names[0])
        if part is None or len(names) == 1:
            return part
        return part.find(names[1:]) if isinstance(part, Folder) else None

    def listing(self) -> str:
        """The names of its parts, a line each; those with more below them end with a slash."""
        return "".join(f"{name}{'/' if isinstance(part, Folder) else ''}\n" for name, part in self.parts.items())

    def lines(self, above: str = "") -> Iterator[str]:
        """Every value below it, a line each, after its path."""
        for name, part in self.parts.items():
            if isinstance(part, Folder):
                yield from part.lines(f"{above}{name}/")
            else:
                yield f"{above}{name} {part.text}\n"


def as_json(part: Leaf | Folder) -> str:
    """A part as JSON."""
    return json.dumps(part.json, separators=(",", ":"))
