"""The sinks that a configuration names, made: each of its plug-in, with settings that its plug-in has checked."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from pydantic import SecretStr, ValidationError

from stormcone.clock import Clock
from stormcone.config.complaints import why
from stormcone.config.load import Configuration
from stormcone.config.names import nearest
from stormcone.config.positions import KeyPath
from stormcone.errors import PluginError, SettingsError
from stormcone.plugins import sink_class
from stormcone.sinks.contract import NamedSink, Sink, SinkSettings, secrets_of

TABLES = "sinks"

_CLOSE = 0.6  # the names are few, and some are short


@contextmanager
def open_sinks(configuration: Configuration, clock: Clock) -> Iterator[tuple[NamedSink, ...]]:
    """All of them, open until the end of the block.

    Raises:
        SettingsError: a setting cannot be used; the text says which, and where it stands.
        PluginError: there is no such type of sink, or a part that it needs is not installed.
    """
    with ExitStack() as stack:
        sinks = []
        for name, table in tables_of(configuration).items():
            sinks.append(made(configuration, name, table, clock))
            stack.callback(sinks[-1].sink.close)
        yield tuple(sinks)


def tables_of(configuration: Configuration) -> dict[str, dict[str, Any]]:
    """What is said of each sink, by its name: `sink`, as flags and variables have it, before `[sinks.NAME]`.

    Raises:
        SettingsError: one of `sink` is not of the form NAME=TYPE or NAME.SETTING=VALUE, or of no sink.
    """
    settings = configuration.settings
    tables = {name: {"type": table.type, **table.settings} for name, table in settings.sinks.items()}
    own: dict[str, dict[str, Any]] = {}
    for given in settings.sink:
        text = given.get_secret_value() if isinstance(given, SecretStr) else given
        key, separator, value = text.partition("=")
        name, *path = key.strip().split(".")
        if not separator or not all((name, *path)):
            raise SettingsError("--sink takes NAME=TYPE, or NAME.SETTING=VALUE")
        _put(own.setdefault(name, {}), path or ["type"], value)
    for name, table in own.items():
        tables[name] = {**tables.get(name, {}), **table}
        if "type" not in tables[name]:
            raise SettingsError(f"the sink {name} has no type; add --sink {name}=webhook, for example")
    return tables


def _put(table: dict[str, Any], path: list[str], value: str) -> None:
    """Put a value where its keys say; one that comes again makes a list."""
    *outer, last = path
    for key in outer:
        inner = table.setdefault(key, {})
        if not isinstance(inner, dict):
            raise SettingsError(f"--sink says {key} and something within it; leave one out")
        table = inner
    before = table.get(last)
    table[last] = value if before is None else [*(before if isinstance(before, list) else [before]), value]


def made(configuration: Configuration, name: str, table: Mapping[str, Any], clock: Clock) -> NamedSink:
    """One sink.

    Raises:
        SettingsError: a setting cannot be used.
        PluginError: there is no such type of sink, or a part that it needs is not installed.
    """
    plugin, settings = checked(configuration, name, table)
    try:
        return NamedSink(
            name=name, sink=plugin.from_settings(settings, clock), only=settings.only, secrets=secrets_of(settings)
        )
    except (SettingsError, PluginError) as error:
        raise type(error)(f"the sink {name} cannot be used: {error}") from error


def checked(configuration: Configuration, name: str, table: Mapping[str, Any]) -> tuple[type[Sink], SinkSettings]:
    """The plug-in of one sink, and its settings as that has them.

    Raises:
        SettingsError: a setting cannot be used.
        PluginError: there is no such type of sink.
    """
    given = dict(table)
    kind = str(given.pop("type"))
    try:
        plugin = sink_class(kind)
    except PluginError as error:
        raise PluginError(f"the sink {name} cannot be used: {error}") from error
    table_of = plugin.Settings.inherits
    above = getattr(configuration.settings, table_of, None) if table_of else None
    if above is not None:
        inherited = plugin.Settings.model_fields.keys() & type(above).model_fields.keys()
        given = {**{field: getattr(above, field) for field in inherited}, **given}
    try:
        return plugin, plugin.Settings.model_validate(given)
    except ValidationError as error:
        raise _complaint(configuration, name, plugin.Settings.model_fields, error) from None


def _complaint(
    configuration: Configuration, name: str, known: Mapping[str, Any], error: ValidationError
) -> SettingsError:
    """The first mistake, without what was written: it may be a secret."""
    found = error.errors(include_url=False, include_input=False)
    first = min(found, key=lambda each: each["type"] != "extra_forbidden")  # a misspelt one explains a missing one
    path: KeyPath = (TABLES, name, *first["loc"])
    lengths = range(len(path), 1, -1)
    placed = next((path[:length] for length in lengths if _has(configuration, path[:length])), ("sink",))
    key = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        near = nearest(key, known, _CLOSE)
        hint = f"did you mean {near}?" if near else f"there are {', '.join(known)}"
        said = f"the sink {name} has no setting {key}; {hint}"
    else:
        what = "it is missing" if first["type"] == "missing" else why({"input": "what is given", **first})
        said = f"the sink {name} cannot be used: {key}: {what}" if key else f"the sink {name} cannot be used: {what}"
    return SettingsError(f"{said} ({configuration.origin(placed, key=True)})")


def _has(configuration: Configuration, path: KeyPath) -> bool:
    return any(layer.has(path) for layer in configuration.layers)
