"""The docs as a reader follows them: files to write, commands to run, output to expect, in their order."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

DOCS = Path(__file__).parents[2] / "docs"

_PUT_INTO = re.compile(r"Put\s+this\s+into\s+`(?P<name>[^`]+)`:\s*\Z")


class Block(NamedTuple):
    """One fenced block: its language, its text, and the file that it is to be put into, or ""."""

    kind: str
    text: str
    file: str


@pytest.fixture(scope="session")
def guide():
    """The fenced blocks of a page, in their order."""

    def blocks(page):
        text = (DOCS / page).read_text("utf-8")
        found, end = [], 0
        for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            put = _PUT_INTO.search(text[end : match.start()])
            found.append(Block(match[1], match[2], put["name"] if put else ""))
            end = match.end()
        return found

    return blocks
