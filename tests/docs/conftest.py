"""What stands in the pages, block by block, and the code that their tables are drawn by."""

import re
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("[!_]*.md")))

GUIDES = frozenset({"docs/tutorial.md", "docs/writing-a-provider.md"})
"""Pages that tests/guides follows step by step, so that their blocks are not run one by one."""

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    return [
        Block(
            page=str(page.relative_to(ROOT)),
            line=text.count("\n", 0, found.start()) + 1,
            language=found["language"],
            text=re.sub(rf"^{found['indent']}", "", found["text"], flags=re.MULTILINE),
        )
        for found in _FENCE.finditer(text)
    ]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
COMMANDS = [
    (f"{block}", line)
    for block in BLOCKS
    if block.language == "sh"
    for line in block.text.splitlines()
    if line.startswith("stormcone ")
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "page" in metafunc.fixturenames:
        metafunc.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
    if "command_line" in metafunc.fixturenames:
        metafunc.parametrize("command_line", [line for _, line in COMMANDS], ids=[place for place, _ in COMMANDS])
    for language in ("python", "toml"):
        if f"{language}_block" in metafunc.fixturenames:
            chosen = [block for block in BLOCKS if block.language == language and block.page not in GUIDES]
            metafunc.parametrize(f"{language}_block", chosen, ids=str)


@pytest.fixture(scope="session")
def blocks():
    """The blocks of a page, of one language."""
    return lambda page, language: [block for block in BLOCKS if (block.page, block.language) == (page, language)]


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture
def tables(monkeypatch):
    """The module that draws the pages' tables."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "docs" / "_ext"), *sys.path])
    return import_module("stormcone_tables")
