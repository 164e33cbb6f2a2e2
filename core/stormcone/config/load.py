"""Puts the layers of a configuration together: a file, the environment, flags, each stronger than the one before."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

from stormcone.config.complaints import complaint_of
from stormcone.config.layers import File, Flags, Layer, Provenance, read_file, read_variables
from stormcone.config.model import RunSettings, SinkTable, SourceTable
from stormcone.config.names import fields_of, key_of
from stormcone.config.positions import KeyPath
from stormcone.errors import PluginError, SettingsError
from stormcone.plugins import sink_class
from stormcone.postgresql.address import DatabaseAddress
from stormcone.recording.secrets import is_secret

USUAL_FILE = Path("/etc/stormcone/stormcone.toml")
"""Where the configuration is unless named, if it is there."""

FILE_VARIABLE = "STORMCONE_CONFIG"

_ELSEWHERE = ("file:", "env:")
"""How a secret begins that only says where it stands."""

_ADDRESS = re.compile(r"postgres(ql)?://([^:@/?]*@)?[^@?]*(\?[^@]*)?")
"""A database's address that has a user at the most, and no password."""


@dataclass(frozen=True)
class Configuration:
    """The settings that are in force, and where each comes from.

    Attributes:
        settings: what is in force.
        file: the file that was read; None where there is none.
        layers: from strong to weak.
    """

    settings: RunSettings
    file: Path | None
    layers: tuple[Layer, ...]

    def origin(self, path: KeyPath, *, key: bool = False) -> Provenance:
        """Where the value at a path comes from.

        Args:
            path: of the value.
            key: name the place of its key.
        """
        return next((layer.origin(path, key=key) for layer in self.layers if layer.has(path)), Provenance())

    def placed(self, error: Exception, path: KeyPath, *, key: bool = False) -> SettingsError:
        """An error about what stands at a path, as one sentence that says where that is."""
        return SettingsError(f"{key_of(path)}: {error} ({self.origin(path, key=key)})")

    def leaves(self) -> Iterator[tuple[KeyPath, Any]]:
        """Every setting with its value."""
        yield from _leaves(self.settings, ())

    def variables_named(self) -> frozenset[str]:
        """The variables of the environment in which settings say that their value stands (`env:NAME`)."""
        texts = (text for layer in self.layers for text in _texts(layer.document))
        return frozenset(text.removeprefix("env:") for text in texts if text.startswith("env:"))

    @cached_property
    def secrets(self) -> frozenset[KeyPath]:
        """The settings whose values open doors."""
        return frozenset(path for path, value in self.leaves() if _is_secret(value))


def load(
    *,
    file: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Configuration:
    """The configuration that is in force.

    Args:
        file: as `--config` names it; None takes `STORMCONE_CONFIG`, or `USUAL_FILE` if that is there.
        flags: what the command line says, by the settings' names in the file.
        environment: the variables; None takes the process's.

    Raises:
        SettingsError: the file cannot be read, or something in it, in the environment or among the flags cannot be
            used; the text says what, where it stands, and what to write.
    """
    environment = os.environ if environment is None else environment
    path = _file(file, environment)
    layers = (Flags(flags or {}), read_variables(environment), *([read_file(path)] if path else []))
    try:
        settings = _settings(layers)
    except ValidationError as error:
        raise complaint_of(error, layers) from None
    configuration = Configuration(settings, path, layers)
    _check_modes(configuration)
    return configuration


def _file(named: Path | None, environment: Mapping[str, str]) -> Path | None:
    if named is not None:
        return named
    if said := environment.get(FILE_VARIABLE):
        return Path(said)
    return USUAL_FILE if os.path.lexists(USUAL_FILE) else None


def _settings(layers: tuple[Layer, ...]) -> RunSettings:
    from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

    class Source(PydanticBaseSettingsSource):
        def __init__(self, model: type[BaseSettings], layer: Layer) -> None:
            super().__init__(model)
            self._layer = layer

        def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - its face
            return self._layer.document.get(field_name), field_name, False

        def __call__(self) -> dict[str, Any]:
            return dict(self._layer.document)

    class Loaded(RunSettings, BaseSettings):  # type: ignore[misc]  # both have a `model_config`, and pydantic joins them
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's face
            env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(Source(settings_cls, layer) for layer in layers)

    loaded = Loaded()
    return RunSettings.model_construct(loaded.model_fields_set, **vars(loaded))


def _is_secret(value: Any) -> bool:
    return isinstance(value, SecretStr) or (isinstance(value, DatabaseAddress) and value.has_secret)


def _texts(value: Any) -> Iterator[str]:
    """Every text in a layer's document."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str | SecretStr):
        yield value.get_secret_value() if isinstance(value, SecretStr) else value


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, BaseModel):
        for name, member in fields_of(type(value)).items():
            attribute = next(key for key, each in type(value).model_fields.items() if each is member)
            yield from _leaves(getattr(value, attribute), (*path, name))
        for name, setting in (value.__pydantic_extra__ or {}).items():
            if isinstance(value, SinkTable):
                yield from _leaves(hidden_in(value.type, name, setting), (*path, name))
            else:
                secret = isinstance(value, SourceTable) and is_secret(name)
                yield (*path, name), SecretStr(setting) if secret else setting
    elif isinstance(value, dict) and path:
        for name, member in value.items():
            yield from _leaves(member, (*path, name))
    elif isinstance(value, tuple) and any(isinstance(each, BaseModel) for each in value):
        for number, member in enumerate(value):
            yield from _leaves(member, (*path, number))
    else:
        yield path, value


def hidden_in(kind: str, name: str, setting: Any) -> Any:
    """A setting of a sink's with its secrets marked as such.

    What says where a secret stands, `file:PATH` or `env:NAME`, is none. What no sink can have is refused elsewhere.
    """
    try:
        field = sink_class(kind).Settings.model_fields.get(name)
    except PluginError:
        return setting
    if field is None or "SecretStr" not in repr(field.annotation):
        return setting
    if isinstance(setting, dict):
        return {key: hidden_in(kind, name, each) for key, each in setting.items()}
    if isinstance(setting, list):
        return tuple(hidden_in(kind, name, each) for each in setting)
    text = str(setting)
    return text if text.startswith(_ELSEWHERE) else SecretStr(text)


def _check_modes(configuration: Configuration) -> None:
    """Refuse secrets in a file that anybody on the machine may read."""
    for layer in configuration.layers:
        if isinstance(layer, File) and layer.mode & 0o004:
            for path in sorted(configuration.secrets, key=str):
                if layer.has(path) and not _opens_nothing(layer, path):
                    raise SettingsError(
                        f"{key_of(path)} is a secret and anybody may read it (mode {layer.mode:04o}, "
                        f"{layer.origin(path, key=True)}); chmod o-r {layer.path}, "
                        "or keep it elsewhere: file:PATH or env:NAME"
                    )


def _opens_nothing(layer: Layer, path: KeyPath) -> bool:
    """Whether the layer says only where the secret stands, or a database's address without a password."""
    value: Any = layer.document
    for key in path:
        value = value[key]
    if not isinstance(value, str):
        return False
    return value.startswith(_ELSEWHERE) or (_ADDRESS.fullmatch(value) is not None and "password" not in value)
