"""The forms in which a body says something, as a table: each is read, and written again with other values in it.

Whoever changes values is told names and values, and sees no syntax; what it leaves alone stays as it was, to the last
blank. A text that holds JSON, such as a message in a queue's answer, is gone into as well.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote, unquote_plus
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

WITHHELD = "(withheld)"
"""What stands in place of a value that is left out."""

UNREADABLE = "(withheld: this body could not be read to its end, so nobody can say what it holds)"
"""What stands in place of a whole body that is left out."""

Scalar: TypeAlias = str | int | float | bool | None

Leaf = Callable[[str, Scalar], Scalar]
"""Given the name of a field and its value, answers what is to stand there."""

Sealed = Callable[[str], bool]
"""Whether what stands under that name is left out, with all that is in it."""


class UnreadableBody(ValueError):
    """A body that looks like one of the kinds and cannot be read as such."""


class BodyKind(NamedTuple):
    """A form of bodies.

    Attributes:
        name: as people call it.
        claims: whether a text with that content type is to be read so.
        rewritten: the text with other values; raises `UnreadableBody`.
    """

    name: str
    claims: Callable[[str, str], bool]
    rewritten: Callable[[str, Leaf, Sealed], str]


def kind_of(text: str, content_type: str = "") -> BodyKind | None:
    """The kind of a body; None: it is a bare text, or empty."""
    return next((kind for kind in KINDS if kind.claims(text, content_type)), None)


def rewritten(text: str, leaf: Leaf, sealed: Sealed, *, content_type: str = "", name: str = "") -> str:
    """The body with what `leaf` answers for each of its values.

    Args:
        text: the body.
        leaf: told of every value.
        sealed: which names are left out.
        content_type: as the header says it.
        name: what a bare text is called.

    Raises:
        UnreadableBody: it cannot be read.
    """
    kind = kind_of(text, content_type)
    if kind is not None:
        return kind.rewritten(text, _into(leaf, sealed), sealed)
    return str(leaf(name, text)) if text else text


def values(text: str, content_type: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a body, with its name; none of one that cannot be read."""
    found: list[tuple[str, str]] = []

    def note(name: str, value: Scalar) -> Scalar:
        if isinstance(value, str):
            found.append((name, value))
        return value

    with suppress(UnreadableBody):
        rewritten(text, note, lambda _name: False, content_type=content_type)
    yield from found


def _into(leaf: Leaf, sealed: Sealed) -> Leaf:
    """The leaf's answer, after a text that is itself JSON has been gone into."""

    def deeper(name: str, value: Scalar) -> Scalar:
        if isinstance(value, str) and _looks_like_json(value):
            with suppress(UnreadableBody):
                return _json(value, deeper, sealed)
        return leaf(name, value)

    return deeper


# JSON


def _looks_like_json(text: str) -> bool:
    return text.lstrip()[:1] in {"{", "["}


_BARE_JSON = re.compile(r'\s*(?:"[^"\\]*"|-?\d+(?:\.\d+)?|true|false|null)\s*')


def _is_json(text: str, _content_type: str) -> bool:
    return _looks_like_json(text) or _BARE_JSON.fullmatch(text) is not None


def _json(text: str, leaf: Leaf, sealed: Sealed) -> str:
    changed = False

    def value(name: str, old: Any) -> Any:
        nonlocal changed
        if isinstance(old, dict):  # has been gone through, since the innermost are read first
            return old
        if isinstance(old, list):
            return [value(name, item) for item in old]
        new = leaf(name, old)
        changed = changed or new != old
        return new

    def fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # Of a key that stands twice both values are seen, though only the last one is written.
        nonlocal changed
        kept = {}
        for name, old in pairs:
            left_out = bool(old) and sealed(name)
            changed = changed or (left_out and old != WITHHELD)
            kept[name] = WITHHELD if left_out else value(name, old)
        return kept

    try:
        document = value("", json.loads(text, object_pairs_hook=fields))
        return json.dumps(document) if changed else text
    except (ValueError, RecursionError):
        raise UnreadableBody("it is JSON that cannot be read") from None


# XML

_LIST_ITEMS = frozenset({"item", "member"})
"""Elements that are called so because they stand in a list; the list's name says what they are."""

_PADDED = re.compile(r"(\s*)(.*?)(\s*)", re.DOTALL)


def _is_xml(text: str, _content_type: str) -> bool:
    return text.lstrip()[:1] == "<"


def _xml(text: str, leaf: Leaf, sealed: Sealed) -> str:
    writer = _XmlWriter(leaf, sealed)
    try:
        writer.read(text)
    except (expat.ExpatError, RecursionError):
        raise UnreadableBody("it is XML that cannot be read") from None
    return "".join(writer.parts) if writer.changed else text


class _XmlWriter:
    """Writes a document while it is read; comments and instructions are left out, and one with a DTD is refused."""

    def __init__(self, leaf: Leaf, sealed: Sealed) -> None:
        self.parts: list[str] = []
        self.changed = False
        self._leaf = leaf
        self._sealed = sealed
        self._names: list[str] = []
        self._text: list[str] = []
        self._opened = False
        self._hidden = 0
        """Elements that stand open from the one on that is left out."""

    def read(self, text: str) -> None:
        parser = expat.ParserCreate("utf-8")
        parser.ordered_attributes = True
        parser.buffer_text = True
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        parser.CommentHandler = parser.ProcessingInstructionHandler = self._left_out
        parser.Parse(text.lstrip().encode(), True)

    def _declaration(self, version: str, _encoding: str | None, _standalone: int) -> None:
        self.parts.append(f'<?xml version="{version}" encoding="UTF-8"?>\n')

    def _doctype(self, *_what: object) -> None:
        raise UnreadableBody("it is XML with a DTD")

    def _left_out(self, *_what: object) -> None:
        self.changed = True

    def _start(self, tag: str, attributes: list[str]) -> None:
        self._flush()
        name = tag.rpartition(":")[2]
        if name in _LIST_ITEMS and self._names:
            name = self._names[-1]
        self._names.append(name)
        if self._hidden or self._sealed(name):
            self._hidden += 1
        if self._hidden > 1:
            return
        if self._hidden and attributes:
            self.changed, attributes = True, []
        self._close_tag()
        written = "".join(
            f" {each}={quoteattr(self._value(each, old))}"
            for each, old in zip(attributes[::2], attributes[1::2], strict=True)
        )
        self.parts.append(f"<{tag}{written}")
        self._opened = True

    def _end(self, tag: str) -> None:
        self._flush()
        self._names.pop()
        self._hidden = max(self._hidden - 1, 0)
        if self._hidden:
            return
        self.parts.append("/>" if self._opened else f"</{tag}>")
        self._opened = False

    def _close_tag(self) -> None:
        if self._opened:
            self.parts.append(">")
            self._opened = False

    def _flush(self) -> None:
        """Write the text that has come since the last tag."""
        text = "".join(self._text)
        self._text.clear()
        if not text:
            return
        if self._hidden:
            self.changed = self.changed or text != WITHHELD
            if self._opened:  # once for all that is left out
                self._close_tag()
                self.parts.append(WITHHELD)
            return
        self._close_tag()
        before, value, after = _PADDED.fullmatch(text).groups()  # type: ignore[union-attr]
        new = self._value(self._names[-1], value) if value else ""
        self.parts.append(escape(before + new + after, {"\r": "&#13;"}))

    def _value(self, name: str, old: str) -> str:
        new = WITHHELD if self._sealed(name) and old else str(self._leaf(name, old))
        self.changed = self.changed or new != old
        return new


# forms

_FORM_TYPE = "form-urlencoded"
_PLACE = re.compile(r"\.\d+")


def _is_form(_text: str, content_type: str) -> bool:
    return _FORM_TYPE in content_type.casefold()


def _form(text: str, leaf: Leaf, sealed: Sealed) -> str:
    return "&".join(_pairs(text, leaf, sealed))


def _pairs(text: str, leaf: Leaf, sealed: Sealed) -> Iterator[str]:
    """The pairs that are left: one under a sealed name is left out whole."""
    for part in text.split("&"):
        given, mark, value = part.partition("=")
        name = unquote_plus(given)
        if sealed(name):
            continue
        old = unquote_plus(value)
        new = leaf(_PLACE.sub("", name), old) if mark else old
        yield part if new == old else f"{given}={quote(str(new), safe='')}"


JSON = BodyKind("JSON", _is_json, _json)
XML = BodyKind("XML", _is_xml, _xml)
FORM = BodyKind("a form", _is_form, _form)

KINDS = (JSON, XML, FORM)
"""The kinds of bodies; the first that claims one reads it. JSON comes before forms: some clients call JSON a form."""
