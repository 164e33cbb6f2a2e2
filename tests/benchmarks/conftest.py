"""Rows of the benchmarks are modules beside the program that runs them."""

import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def root():
    return Path(__file__).parents[2]


@pytest.fixture
def benchmarks(monkeypatch, root):
    """Where they are found while a test runs."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", [str(root / "benchmarks"), *sys.path])
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in {"rows", "fleets", "figures", "processes", "bench"}:
            del sys.modules[name]
