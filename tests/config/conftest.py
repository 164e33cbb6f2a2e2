"""A configuration's file, and what comes of reading it."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from stormcone.agent.workers import attempt_stage
from stormcone.clock import SystemClock
from stormcone.config.load import Configuration, load
from stormcone.errors import SettingsError
from stormcone.handlers import Handler, Stage
from stormcone.handlers.context import Context, StageLog
from stormcone.handlers.control import RunControl
from stormcone.model import Machine, MaintenanceEvent
from stormcone.rules.runs import Verdict


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "stormcone.toml"


@pytest.fixture
def configuration(file: Path) -> Callable[..., Configuration]:
    """Reads a text as the configuration's file, with an environment and flags of its own."""

    def read(
        text: str = "", *, mode: int = 0o644, flags: Mapping[str, Any] | None = None, **variables: str
    ) -> Configuration:
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)
        return load(file=file, flags=flags, environment=variables)

    return read


@pytest.fixture
def mistake(configuration: Callable[..., Configuration]) -> Callable[..., str]:
    """The sentence that refuses a text."""

    def read(text: str = "", **given: Any) -> str:
        with pytest.raises(SettingsError) as refused:
            configuration(text, **given)
        said = str(refused.value)
        assert "\n" not in said
        return said

    return read


@pytest.fixture
def run_stage() -> Callable[..., None]:
    """Runs a handler's stage to its end."""

    def run(handler: Handler, stage: Stage, event: MaintenanceEvent) -> None:
        machine = Machine(provider="azure", id="1", name="web-0")
        log = StageLog(logging.getLogger(), {"event": event.id, "handler": handler.label, "stage": stage.value})
        control = RunControl(SystemClock(), None)
        attempt = attempt_stage(handler, stage, event, Context(machine, 1, log, control))
        assert attempt.verdict is Verdict.SUCCEEDED, attempt

    return run
