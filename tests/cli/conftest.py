"""The command line in this process: each test has a folder, a home, a journal and a cache of plug-ins of its own."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stevedore import ExtensionManager, _cache

from stormcone.cli import main
from stormcone.clock import ManualClock
from stormcone_simulators.azure import AzureSimulator


@dataclass(frozen=True)
class Said:
    """What a command has said, and its exit status."""

    status: object
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert (self.status, self.err) == (0, ""), self
        assert self.out.isascii()
        assert self.out.isprintable() or "\x1b" not in self.out
        return json.loads(self.out)


@pytest.fixture
def stormcone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    for name in ("STORMCONE_ENDPOINT", "STORMCONE_PROVIDER", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("STORMCONE_JOURNAL", str(tmp_path / "journal.db"))
    monkeypatch.setenv("STORMCONE_LOG", "text")
    monkeypatch.setattr(ExtensionManager, "ENTRY_POINT_CACHE", {})
    monkeypatch.setattr(_cache._c, "_dir", str(tmp_path / "cache"))
    monkeypatch.setattr(_cache._c, "_internal", {})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())

    def run(*arguments: object) -> Said:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Said(ended.value.code, captured.out, captured.err)

    return run


@pytest.fixture
def simulator() -> Iterator[AzureSimulator]:
    with AzureSimulator(["web-0", "web-1"], clock=ManualClock()) as simulator:
        yield simulator


COMPUTE: Mapping[str, Any] = {"name": "web-0", "vmId": "1", "location": "westeurope"}


@pytest.fixture
def hostile(scripted: Any) -> Callable[..., str]:
    """An endpoint that plays Azure: who it says that this machine is, and one answer to a poll for each document."""

    def play(*documents: Any, compute: Mapping[str, Any] = COMPUTE, clock: bool = True) -> str:
        if clock:  # `run` and `events` ask for a simulator's clock first
            scripted.answer(404)
        scripted.answer(200, dict(compute))
        for document in documents:
            scripted.answer(200, document)
        url: str = scripted.url
        return url

    return play
