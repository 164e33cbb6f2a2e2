"""The settings in force, as TOML that says where each comes from, or as values for JSON. No secret is in either."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from stormcone.config.load import Configuration
from stormcone.config.positions import KeyPath
from stormcone.postgresql.address import DatabaseAddress
from stormcone.recording.secrets import is_secret
from stormcone.text import printable, written

REDACTED = "(secret)"

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def document(configuration: Configuration) -> dict[str, Any]:
    """The settings in force, as values for JSON."""
    return {
        "file": str(configuration.file) if configuration.file else None,
        "settings": [
            {
                "key": ".".join(map(str, path)),
                "value": plain(value),
                "from": origin.kind,
                "name": origin.name or None,
                "line": origin.place.line if origin.place else None,
                "column": origin.place.column if origin.place else None,
            }
            for path, value in configuration.leaves()
            for origin in (configuration.origin(path),)
        ],
    }


def lines(configuration: Configuration) -> Iterator[str]:
    """The settings in force as TOML, each with where it comes from behind it; what is not set is a comment."""
    table: KeyPath = ()
    for path, value in _tables_last(configuration.leaves()):
        if path[:-1] != table:
            table = path[:-1]
            yield ""
            yield heading(table)
        shown = plain(value)
        set_ = "# " if shown is None else ""
        text = "is not set" if shown is None else f"= {toml(shown)}"
        yield printable(f"{set_}{bare(path[-1])} {text}  # {configuration.origin(path)}")


def _tables_last(leaves: Iterable[tuple[KeyPath, Any]]) -> list[tuple[KeyPath, Any]]:
    return sorted(leaves, key=lambda leaf: len(leaf[0]) > 1)


def heading(table: KeyPath) -> str:
    """The heading of a table."""
    many = isinstance(table[-1], int)
    name = ".".join(bare(part) for part in table if not isinstance(part, int))
    return f"[[{name}]]" if many else f"[{name}]"


def bare(key: str | int) -> str:
    """A key as TOML has it."""
    text = str(key)
    return text if _BARE.fullmatch(text) else toml(text)


def toml(value: Any) -> str:
    """A value as TOML has it."""
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def plain(value: Any) -> Any:
    """A value for people and programs: lengths of time with their unit, no secrets, no order where there is none."""
    if isinstance(value, SecretStr):
        return REDACTED
    if isinstance(value, timedelta):
        return written(value)
    if isinstance(value, DatabaseAddress):
        return value.text
    if isinstance(value, frozenset | set):
        return sorted(map(plain, value))
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, bool | int | float) or value is None:
        return value
    return _without_secret(str(value))


def _without_secret(text: str) -> str:
    """A text without the secret that it may have: of NAME=VALUE, as `set` has them, and of a URL."""
    name, separator, value = text.partition("=")
    if separator and name.replace(".", "").replace("-", "").isalnum():
        return f"{name}={REDACTED if is_secret(name) else _without_password(value)}"
    return _without_password(text)


def _without_password(text: str) -> str:
    """A URL without the name and the password that it may have."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    if parts.scheme and "@" in parts.netloc:
        return text.replace(parts.netloc, f"{REDACTED}@{parts.netloc.rpartition('@')[2]}", 1)
    return text
