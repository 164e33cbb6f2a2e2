"""Requests and responses as values, so that a cloud's protocol is a pure function of what was asked."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from datetime import datetime

JSON_TYPE = "application/json; charset=utf-8"
TEXT_TYPE = "text/plain; charset=utf-8"


_TARGETS = 64
"""Targets that are remembered as they were read: most clients ask for the same again and again."""


@lru_cache(_TARGETS)
def _read(target: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The path and the parameters of a request's target.

    Raises:
        ValueError: it is not a URL, or has too many parameters.
    """
    path, _, query = target.partition("?")
    if not path.startswith("/"):
        # The absolute form, which clients send when they take the server for a proxy.
        path = urlsplit(path).path or "/"
    return unquote(path), tuple(parse_qsl(query, keep_blank_values=True))


@dataclass(frozen=True)
class Request:
    """One HTTP request, read whole.

    Attributes:
        method: in upper case.
        target: the request target as it was sent, in origin form or absolute form.
        headers: names in lower case; of repeated headers the values joined with ", ".
        body: the bytes after the head, without transfer encoding.
        peer: the address that it came from.
        path: the target's path, decoded.
        query: the target's parameters, blank ones too; of a repeated one, the last.

    Raises:
        ValueError: the target is not a URL, or has too many parameters.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: str = ""

    path: str = field(init=False)
    query: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        path, pairs = _read(self.target)
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "query", dict(pairs))

    def header(self, name: str) -> str | None:
        """The value of the header, or None; `name` in lower case."""
        return self.headers.get(name)


@dataclass(frozen=True)
class Response:
    """One HTTP response; `Content-Length` is added when it is sent."""

    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def reason(self) -> str:
        """The status in words, "" where it has none."""
        return _REASONS.get(self.status, "")


@dataclass(frozen=True)
class Later:
    """No answer yet: ask again in so many seconds of the simulator's clock.

    Attributes:
        seconds: until then.
        again: what to ask then, with the time, in place of the same once more; it is asked sooner as well, whenever an
            event has changed: so a request waits for news.
    """

    seconds: float
    again: "Callable[[datetime], Response | Later] | None" = None


_REASONS = {status.value: status.phrase for status in HTTPStatus}


_FORM = "application/x-www-form-urlencoded"


def form_of(request: Request) -> Mapping[str, str]:
    """The parameters of a form in the request's body, blank ones too; of a repeated one, the last.

    A body that is no form, or not UTF-8, has none.
    """
    return dict(_form(request))


def repeated_parameters(request: Request, *, in_form: bool = False) -> tuple[str, ...]:
    """The parameters that are given more than once, in their order: in the query, or with those of a form beside it."""
    pairs = (*_read(request.target)[1], *(_form(request) if in_form else ()))
    times = Counter(name for name, _ in pairs)
    return tuple(name for name, count in times.items() if count > 1)


def _form(request: Request) -> Sequence[tuple[str, str]]:
    if (request.header("content-type") or "").partition(";")[0].strip().lower() != _FORM:
        return ()
    try:
        return parse_qsl(request.body.decode(), keep_blank_values=True)
    except ValueError:
        return ()


def json_response(status: int, value: Any, *headers: tuple[str, str]) -> Response:
    """A response with `value` as JSON."""
    return Response(status, json.dumps(value).encode(), headers=headers)


def problem(status: int, sentence: str, *headers: tuple[str, str]) -> Response:
    """The control API's way to say no: `{"error": "one sentence"}`."""
    return json_response(status, {"error": sentence}, *headers)
