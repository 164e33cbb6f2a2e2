"""The file of a trace: a cassette of vcrpy, with times and counts that vcrpy passes over.

It is written as text here, so that recording on a production machine needs nothing more installed, and so that the
last two lines of an entry always have the same length and can be written over in place. Reading takes YAML as anybody
may have edited it, and so needs PyYAML.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from stormcone.clouds.exchange import Exchange
from stormcone.errors import SettingsError, TraceError
from stormcone.model import UtcDatetime
from stormcone.text import printable

FORMAT = 1
"""Version of the keys that are added to vcrpy's; a reader refuses later ones."""

NO_ANSWER = 504
"""The status that stands in for an exchange without an answer, for readers that know of no such thing."""

LARGEST = 256 * 1024 * 1024
"""Bytes above which a file is not read as a trace."""

DEEPEST = 32
"""Lists and mappings within one another above which it is not read; a trace has five."""

Origin = Literal["recorded", "journal"]
"""Recorded from the cloud, or told from an agent's journal."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a trace says of itself.

    Attributes:
        provider: the cloud's name.
        machine: as events name it, or "" where only the exchanges say it.
        begun: when it was begun, aware UTC.
        anonymised: whether identifiers are pseudonyms.
        origin: where it comes from.
    """

    provider: str
    begun: datetime
    machine: str = ""
    anonymised: bool = False
    origin: Origin = "recorded"


@dataclass(frozen=True, kw_only=True)
class TraceEntry:
    """An exchange, and how often the same was asked and answered after it without a change.

    Attributes:
        exchange: the first of them.
        last_seen: when the last of them was answered, aware UTC.
        count: how many there were.
    """

    exchange: Exchange
    last_seen: datetime
    count: int = 1


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A whole trace; `entries` are in the order of their times."""

    header: Header
    entries: tuple[TraceEntry, ...]


def header_text(header: Header) -> str:
    """The beginning of the file."""
    return (
        "# What a cloud was asked and what it answered. vcrpy can play it, stormcone can replay it.\n"
        "version: 1\n"
        "trace:\n"
        f"  format: {FORMAT}\n"
        f"  provider: {_quoted(header.provider)}\n"
        f"  machine: {_quoted(header.machine)}\n"
        f"  begun: {_quoted(_stamp(header.begun))}\n"
        f"  anonymised: {'true' if header.anonymised else 'false'}\n"
        f"  origin: {header.origin}\n"
        "interactions:\n"
    )


def entry_text(entry: TraceEntry) -> str:
    """One entry; it ends with `tail_text`."""
    exchange = entry.exchange
    fault = f"  fault: {_quoted(exchange.fault)}\n" if exchange.fault else ""
    return (
        "- request:\n"
        f"    method: {_quoted(exchange.method)}\n"
        f"    uri: {_quoted(exchange.url)}\n"
        f"    headers: {_headers(exchange.request_headers)}\n"
        f"    body: {_body(exchange.request_body)}\n"
        "  response:\n"
        f"    status: {{code: {exchange.status or NO_ANSWER}, message: {_quoted(exchange.reason)}}}\n"
        f"    headers: {_headers(exchange.headers)}\n"
        f"    body: {{string: {_body(exchange.body)}}}\n"
        f"{fault}"
        f"  recorded_at: {_quoted(_stamp(exchange.at))}\n"
        f"{tail_text(entry.last_seen, entry.count)}"
    )


def tail_text(last_seen: datetime, count: int) -> str:
    """The end of an entry, of the same length always."""
    return f"  last_seen: {_quoted(_stamp(last_seen))}\n  count: {count:<12}\n"


def read_trace(path: str | Path) -> Trace:
    """The trace in a file.

    Raises:
        TraceError: there is no such file, or it is none; the text says which line is at fault.
        SettingsError: PyYAML is not installed; the text names the `pip install`.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except OSError as error:
        raise TraceError(f"the trace {file} cannot be read: {(error.strerror or str(error)).lower()}") from error
    if len(content) > LARGEST:
        raise TraceError(f"{file} is larger than {LARGEST // 1024 // 1024} MiB, so it is not read as a trace")
    document = _load(content, file)
    if not isinstance(document, _Mapping) or not isinstance(document.get("interactions", []), list | None):
        raise _bad(file, 1, "it is not a cassette: it has no list of interactions; record one with `stormcone record`")
    about = document.get("trace")
    if not isinstance(about, _Mapping):
        raise _bad(file, 1, "it says nothing of a trace, so its times are not known; record it with `stormcone record`")
    header = _validated(_TraceModel, about, file)
    if header.format > FORMAT:
        raise _bad(file, about.line, f"it has format {header.format}, of a newer stormcone than this; use that one")
    items = document.get("interactions") or []
    entries = [_validated(_EntryModel, item, file).entry() for item in items]
    return Trace(
        header=Header(
            provider=header.provider,
            machine=header.machine,
            begun=header.begun,
            anonymised=header.anonymised,
            origin=header.origin,
        ),
        entries=tuple(sorted(entries, key=lambda entry: entry.exchange.at)),
    )


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def _quoted(text: str) -> str:
    if text.isascii() and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character.isascii() and character.isprintable():
        return f"\\{character}" if character in '"\\' else character
    return f"\\U{ord(character):08x}"


def _headers(headers: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{_quoted(name)}: [{_quoted(value)}]" for name, value in headers.items()) + "}"


def _body(body: bytes | None) -> str:
    if body is None:
        return "null"
    try:
        return _quoted(body.decode())
    except UnicodeDecodeError:
        return f"!!binary '{base64.b64encode(body).decode()}'"


# reading


_ModelType = TypeVar("_ModelType", bound=BaseModel)


class _Mapping(dict[Any, Any]):
    """A mapping that knows its line."""

    line = 0


def _bad(file: Path, line: int, why: str) -> TraceError:
    return TraceError(f"the trace {file} cannot be used: line {line}: {why}")


def _load(content: bytes, file: Path) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise SettingsError("reading a trace needs PyYAML; run pip install 'stormcone[replay]'") from error
    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        """Safe, and its mappings know their lines."""

    def mapping(loader: Any, node: Any) -> Any:
        data = _Mapping()
        data.line = node.start_mark.line + 1
        yield data
        data.update(loader.construct_mapping(node))

    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    try:
        depth = 0
        for event in yaml.parse(content, base):  # the parser keeps its own stack; what builds the values does not
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise _bad(file, line, f"it is nested more than {DEEPEST} deep")
        return yaml.load(content, Loader)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        why = printable(error.problem or error.context or "it is not YAML")
        raise _bad(file, line, f"{why}; if it was cut off, remove the last entry, from its `- request:` on") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _bad(file, 1, "it is not YAML") from error


def _aware(value: object) -> object:
    # YAML's own times without a zone are UTC.
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _bytes(value: object) -> object:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


def _joined(value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {name: ", ".join(map(str, item)) if isinstance(item, list) else item for name, item in value.items()}


def _or_empty(value: object) -> object:
    return "" if value is None else value


_Time = Annotated[UtcDatetime, BeforeValidator(_aware)]
_Headers = Annotated[dict[str, str], BeforeValidator(_joined)]
_Body = Annotated[bytes | None, BeforeValidator(_bytes)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class _TraceModel(_Model):
    format: int = Field(ge=1)
    provider: str = Field(min_length=1)
    machine: str = ""
    begun: _Time
    anonymised: bool = False
    origin: Origin = "recorded"


class _Request(_Model):
    method: str = Field(min_length=1)
    uri: str = Field(min_length=1)
    headers: _Headers = Field(default_factory=dict)
    body: _Body = None


class _Status(_Model):
    code: int = Field(ge=100, le=599)
    message: Annotated[str, BeforeValidator(_or_empty)] = ""


class _Content(_Model):
    string: _Body = None


class _Response(_Model):
    status: _Status
    headers: _Headers = Field(default_factory=dict)
    body: _Content = Field(default_factory=_Content)


class _EntryModel(_Model):
    request: _Request
    response: _Response
    recorded_at: _Time
    last_seen: _Time | None = None
    count: int = Field(1, ge=1)
    fault: str = ""

    def entry(self) -> TraceEntry:
        """What it says, as a value."""
        asked, answered = self.request, self.response
        exchange = Exchange(
            at=self.recorded_at,
            method=asked.method.upper(),
            url=asked.uri,
            request_headers=asked.headers,
            request_body=asked.body,
            status=0 if self.fault else answered.status.code,
            reason=answered.status.message,
            headers=answered.headers,
            body=answered.body.string or b"",
            fault=self.fault,
        )
        return TraceEntry(exchange=exchange, last_seen=self.last_seen or self.recorded_at, count=self.count)


def _validated(model: type[_ModelType], value: Any, file: Path) -> _ModelType:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        why = first["msg"][:1].lower() + first["msg"][1:]
        line = value.line if isinstance(value, _Mapping) else 1
        raise _bad(file, line, f"{where}: {why}" if where else why) from error
