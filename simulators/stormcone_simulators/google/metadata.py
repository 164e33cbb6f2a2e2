"""The metadata server: any part of a VM's tree, as text or JSON, at once or as soon as it has changed.

Source, unless a line says otherwise: Compute Engine's documentation of querying metadata.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from types import MappingProxyType

from stormcone_simulators.google.documents import Nothing, Spelling
from stormcone_simulators.google.errors import (
    FLAVOR,
    FORWARDED,
    NO_FLAVOR,
    SERVER,
    metadata_error,
    nothing_yet,
)
from stormcone_simulators.google.instance import email_of, metadata_tree
from stormcone_simulators.google.model import GoogleModel
from stormcone_simulators.google.tokens import SCOPES, Tokens
from stormcone_simulators.google.tree import Folder, Leaf, as_json
from stormcone_simulators.google.types import MAINTENANCE, UPCOMING
from stormcone_simulators.http.messages import Later, Request, Response, repeated_parameters
from stormcone_simulators.machines import SimulatedMachine

ROOT = "/computeMetadata/v1"

WAITS_AT_MOST = timedelta(days=1)
"""How long a request waits that names no `timeout_sec`; the real server is said to wait for as long as it takes."""

_ABOVE = "/computeMetadata"
_TEXT = "application/text"
_JSON = "application/json"
_PLAIN = "text/plain"
_PARAMETERS = frozenset({"recursive", "alt", "wait_for_change", "last_etag", "timeout_sec"})
_NOT_YET = f"instance/{UPCOMING}"
_TOKEN = "token"  # noqa: S105 - a key's name
_IDENTITY = "identity"


@dataclass(frozen=True)
class _Asked:
    """What a request wants.

    Attributes:
        key: the path below `ROOT`, without slashes at its ends.
        folder: whether it ends with a slash.
        recursive: whether all that is below is wanted.
        json: whether it is wanted as JSON.
        waits: whether an answer is wanted only once something has changed.
        known: the `last_etag`; None where the state at the time of the request counts.
        seconds: how long to wait.
    """

    key: str
    folder: bool
    recursive: bool
    json: bool
    waits: bool
    known: str | None
    seconds: float


class MetadataServer:
    """Answers each VM about itself.

    Args:
        model: the rules.
        tokens: of the VMs' service accounts.
        spelling: how the fields of upcoming maintenance are spelt.
        nothing: how it says that none is scheduled.
    """

    def __init__(self, model: GoogleModel, tokens: Tokens, *, spelling: Spelling, nothing: Nothing) -> None:
        self._model = model
        self._tokens = tokens
        self._spelling = spelling
        self._nothing = nothing

    def answer(self, request: Request, path: str, machine: SimulatedMachine, now: datetime) -> Response | Later:
        """What the server answers to `machine`."""
        refused = _refusal(request)
        if refused is not None:
            return refused
        if path.rstrip("/") in {"", _ABOVE}:
            return _told("computeMetadata/\n" if path.strip("/") == "" else "v1/\n", _TEXT)
        asked = _read(request, path)
        if isinstance(asked, str):
            return metadata_error(400, asked)
        if asked.key == f"instance/{MAINTENANCE}":
            self._model.read(machine.name)
        return self._given(asked, machine.name, now, until=now + timedelta(seconds=asked.seconds))

    def _given(self, asked: _Asked, name: str, now: datetime, *, until: datetime) -> Response | Later:
        """The answer, or later: once it is another one than is known, or its time is up."""
        response = self._value(asked, name)
        etag = dict(response.headers).get("ETag")
        if not asked.waits or response.status != 200 or now >= until:
            return response
        if asked.known is not None and asked.known != etag:
            return response
        known = _Asked(**{**vars(asked), "known": etag})
        return Later((until - now).total_seconds(), lambda at: self._given(known, name, at, until=until))

    def _value(self, asked: _Asked, name: str) -> Response:
        special = self._of_account(asked, name)
        if special is not None:
            return special
        tree = metadata_tree(self._model, name, self._spelling, self._nothing)
        part = tree.find([each for each in asked.key.split("/") if each])
        if part is None:
            if asked.key == _NOT_YET and self._nothing is Nothing.UNAVAILABLE:
                return nothing_yet()
            return metadata_error(404, f"The requested URL <code>{ROOT}/{asked.key}</code> was not found.")
        if isinstance(part, Leaf):
            return _told(as_json(part), _JSON) if asked.json else _told(part.text, _TEXT)
        if not asked.folder and not asked.recursive:
            return _moved(f"{ROOT}/{asked.key}/")
        if asked.recursive:
            # Unverified: the form of text; JSON is the default of what is asked for recursively.
            return _told(as_json(part), _JSON) if asked.json else _told("".join(part.lines()), _TEXT)
        return _told(_listed(part), _JSON if asked.json else _TEXT, as_json=asked.json)

    def _of_account(self, asked: _Asked, name: str) -> Response | None:
        """A token, which stands in no document; None where something else is asked for."""
        names = asked.key.split("/")
        if len(names) != 4 or names[:2] != ["instance", "service-accounts"]:
            return None
        if names[2] not in {"default", email_of(self._model.vms)}:
            return None
        if names[3] == _TOKEN:
            return _told(json.dumps(self._tokens.give(name, SCOPES)), _JSON, etag=False)
        if names[3] == _IDENTITY:
            return metadata_error(404, "The simulator gives no identity tokens: no service would take them.")
        return None


def failure(status: int) -> Response:
    """What the server says where it fails with that status."""
    return metadata_error(status)


def is_metadata(path: str) -> bool:
    """Whether a path is the metadata server's, and not the API's, with which it shares an address here."""
    return path == "/" or f"{path}/".startswith(f"{_ABOVE}/")


def has_flavor(request: Request) -> bool:
    """Whether the request has the header that every one must have."""
    return (request.header("metadata-flavor") or "").strip().lower() == "google"


def _refusal(request: Request) -> Response | None:
    if request.header("x-forwarded-for") is not None:
        return metadata_error(403, FORWARDED)
    if not has_flavor(request) and request.path.strip("/"):
        return metadata_error(403, NO_FLAVOR)
    if request.method not in {"GET", "HEAD"}:
        return metadata_error(405, f"The simulator's metadata is read only, so there is no {request.method}.")
    return None


_SWITCH: Mapping[str, bool] = MappingProxyType({"true": True, "false": False})


def _read(request: Request, path: str) -> _Asked | str:
    """What the request wants, or why that cannot be said."""
    query = request.query
    if repeated := repeated_parameters(request):
        return f"The parameter {repeated[0]} is given more than once."
    unknown = sorted(set(query) - _PARAMETERS - _OF_TOKENS)
    if unknown:
        return f"There is no parameter {unknown[0]}."
    switch = partial(_switch, query)
    recursive, waits = switch("recursive"), switch("wait_for_change")
    form = query.get("alt", "json" if recursive else "text")
    seconds = query.get("timeout_sec", str(int(WAITS_AT_MOST.total_seconds())))
    if recursive is None or waits is None:
        return "The parameters recursive and wait_for_change are true or false."
    if form not in {"json", "text"}:
        return "The parameter alt is json or text."
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 6):
        return "The parameter timeout_sec is a number of seconds."
    key = path[len(ROOT) :]
    return _Asked(
        key=key.strip("/"),
        folder=key.endswith("/") or not key.strip("/"),
        recursive=recursive,
        json=form == "json",
        waits=waits,
        known=query.get("last_etag"),
        seconds=float(seconds),
    )


_OF_TOKENS = frozenset({"scopes", "audience", "format", "licenses"})
"""Parameters of the service accounts' keys."""


def _switch(query: Mapping[str, str], name: str) -> bool | None:
    return _SWITCH.get(query.get(name, "false").lower())


def _listed(folder: Folder) -> str:
    return folder.listing()


def _told(text: str, content_type: str, *, as_json: bool = False, etag: bool = True) -> Response:
    body = json.dumps(text.split()).encode() if as_json else text.encode()
    headers = [FLAVOR, SERVER, ("X-XSS-Protection", "0"), ("X-Frame-Options", "SAMEORIGIN")]
    if etag:
        headers.append(("ETag", sha256(body).hexdigest()[:16]))
    return Response(200, body, content_type, tuple(headers))


def _moved(place: str) -> Response:
    moved = metadata_error(301, "The document has moved.")
    return Response(301, moved.body, moved.content_type, (*moved.headers, ("Location", place)))
