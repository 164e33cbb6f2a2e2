"""A configuration's file, and what comes of reading it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from stormcone.config.load import Configuration, load
from stormcone.errors import SettingsError


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
