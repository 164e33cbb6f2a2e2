"""Keeps out of a trace what opens doors, and what only makes every exchange look new.

Headers are kept by a list, so that one that nobody thought of is left out. Parameters, fields and paths are judged by
the words in their names, so that a cloud's new way to say "token" is caught as well.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit, urlunsplit

from stormcone.clouds.exchange import Exchange
from stormcone.clouds.secret_values import SecretValues
from stormcone.clouds.trace import TraceRules
from stormcone.recording.bodies import (
    FORM,
    UNREADABLE,
    WITHHELD,
    Scalar,
    UnreadableBody,
    kind_of,
    rewritten,
    values,
)

COMMON_HEADERS = frozenset({"content-type", "etag", "if-none-match", "retry-after"})
"""Headers that are kept for every cloud, in lower case."""

SECRET_WORDS = (
    "authorization",
    "accesskey",
    "apikey",
    "cookie",
    "credential",
    "customdata",
    "nonce",
    "password",
    "privatekey",
    "receipthandle",
    "secret",
    "signature",
    "token",
    "unsubscribe",
    "userdata",
)
"""A parameter, a field or a path segment with one of these in its name is a secret; `-`, `_` and `.` do not count.

What a queue's message is deleted by, and the address by which anybody ends a subscription, are among them.
"""

HARMLESS = frozenset({"nexttoken", "pagetoken", "continuationtoken", "lifecycleactiontoken"})
"""Names that look secret and only say where the next page begins, or which lifecycle action is meant (AWS)."""

VOLATILE_PARAMETERS = frozenset({"timestamp"})
"""Parameters that differ with every request and mean nothing afterwards; they are left out."""

VOLATILE_FIELDS = frozenset({"requestid"})
"""Fields that differ with every answer; an answer that differs in nothing else is unchanged."""

_PIECE = re.compile(r"[\w+/.-]{16,}={0,2}")  # of an `Authorization`: keys, scopes and signatures
_FILLING = re.compile(r"[-_.\s]")
_WORDS = "|".join(SECRET_WORDS).replace("accesskey", "access[-_]?key").replace("privatekey", "private[-_]?key")
# A value ends where the next parameter begins, which in a quoted request is an encoded "&".
_NAMED = re.compile(
    rf"\b(?!(?:next|page|continuation|lifecycleaction)token)([\w.-]*(?:{_WORDS})[\w.-]*)(\s*(?:=|%3D|%253D))(?:(?!%26|%2526)[^&\s'\",}}])+",
    re.IGNORECASE,
)


def is_secret(name: str) -> bool:
    """Whether a value of that name opens doors."""
    plain = _plain(name)
    return plain not in HARMLESS and any(word in plain for word in SECRET_WORDS)


def scrubbed(exchange: Exchange, rules: TraceRules, known: SecretValues | None = None) -> Exchange:
    """The exchange without secrets, without the headers that no list keeps, and without volatile parameters.

    Args:
        exchange: as it was.
        rules: what the cloud's traces keep.
        known: the secrets of the exchanges before, which this one may repeat; those that it has are learnt.
    """
    known = known or SecretValues()
    known.learn(_secrets_of(exchange))
    clean = _without_named(exchange, rules)
    return replace(
        clean,
        url=known.hidden(clean.url, WITHHELD),
        request_headers=_hidden_in(clean.request_headers, known),
        request_body=None if clean.request_body is None else _hidden_bytes(clean.request_body, known),
        headers=_hidden_in(clean.headers, known),
        body=_hidden_bytes(clean.body, known),
        fault=known.hidden(clean.fault, WITHHELD),
    )


def _hidden_in(headers: Mapping[str, str], known: SecretValues) -> dict[str, str]:
    return {name: known.hidden(value, WITHHELD) for name, value in headers.items()}


def _hidden_bytes(body: bytes, known: SecretValues) -> bytes:
    return known.hidden(body.decode(errors="surrogateescape"), WITHHELD).encode(errors="surrogateescape")


def _secrets_of(exchange: Exchange) -> Iterator[str]:
    """Every value whose name says that it is a secret, and what a header that signs is made of."""
    for name, value in _named_values(exchange):
        if is_secret(name):
            yield value
    for headers in (exchange.request_headers, exchange.headers):
        for name, value in headers.items():
            if is_secret(name):
                yield value
                yield from _PIECE.findall(value)


def _named_values(exchange: Exchange) -> Iterator[tuple[str, str]]:
    """The names and texts in parameters and bodies; those of a body that is called no form may be one all the same."""
    asked = (exchange.request_body or b"").decode(errors="replace")
    for query in (urlsplit(exchange.url).query, asked):
        for part in query.split("&"):
            name, _, value = part.partition("=")
            yield unquote(name), unquote_plus(value)
    yield from values(asked, content_type(exchange.request_headers))
    yield from values(exchange.body.decode(errors="replace"), content_type(exchange.headers))


def _without_named(exchange: Exchange, rules: TraceRules) -> Exchange:
    kept = COMMON_HEADERS | {name.casefold() for name in rules.headers}
    split = urlsplit(exchange.url)
    secret_path = any(is_secret(part) for part in unquote(split.path).split("/"))
    body = WITHHELD.encode() if secret_path and exchange.body else _clean_body(exchange.body, exchange.headers)
    asked = exchange.request_body
    return replace(
        exchange,
        url=_clean_url(exchange.url),
        request_headers=_kept(exchange.request_headers, kept),
        request_body=None if asked is None else _clean_body(asked, exchange.request_headers),
        headers=_kept(exchange.headers, kept),
        body=body,
        fault=_clean_text(exchange.fault),
    )


def essence(body: bytes) -> bytes:
    """What of a body tells whether it is the same as another: all but its volatile fields."""
    if not any(name in body.lower() for name in _VOLATILE):
        return body
    try:
        return json.dumps(_without_volatile(json.loads(body))).encode()
    except (ValueError, RecursionError):
        return _VOLATILE_ELEMENT.sub(b"", body)


_VOLATILE_ELEMENT = re.compile(rf"<({'|'.join(VOLATILE_FIELDS)})>[^<]*</\1>".encode(), re.IGNORECASE)
_VOLATILE = tuple(name.encode() for name in VOLATILE_FIELDS)


def _plain(name: str) -> str:
    return _FILLING.sub("", name).casefold()


def _kept(headers: Mapping[str, str], kept: frozenset[str] | set[str]) -> dict[str, str]:
    return {name: _clean_text(value) for name, value in headers.items() if name.casefold() in kept}


def _clean_url(url: str) -> str:
    split = urlsplit(url)
    return urlunsplit(split._replace(netloc=split.netloc.rpartition("@")[2], query=_clean_query(split.query)))


def _clean_query(query: str) -> str:
    return "&".join(part for part in query.split("&") if not is_dropped(unquote(part.partition("=")[0])))


def is_dropped(parameter: str) -> bool:
    """Whether a trace leaves a parameter of that name out."""
    return is_secret(parameter) or _plain(parameter) in VOLATILE_PARAMETERS


def content_type(headers: Mapping[str, str]) -> str:
    """What the headers say that the body is, or ""."""
    return next((value for name, value in headers.items() if name.casefold() == "content-type"), "")


def _clean_body(body: bytes, headers: Mapping[str, str]) -> bytes:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return body
    said = content_type(headers)
    # A parameter is left out as one of the address is; what stands in a document is only replaced.
    sealed = is_dropped if kind_of(text, said) is FORM else is_secret
    try:
        clean = rewritten(text, _clean_value, sealed, content_type=said)
    except UnreadableBody:
        clean = UNREADABLE if is_secret(text) else _clean_text(text)
    return clean.encode()


def _clean_value(_name: str, value: Scalar) -> Scalar:
    return _clean_text(value) if isinstance(value, str) else value


def _clean_text(text: str) -> str:
    return _NAMED.sub(rf"\1\2{WITHHELD}", text)


def _without_volatile(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_volatile(item) for name, item in value.items() if _plain(name) not in VOLATILE_FIELDS}
    return [_without_volatile(item) for item in value] if isinstance(value, list) else value
