"""Replaces whatever names somebody by a pseudonym: the same one for the same name, all through one trace.

It is the unknown that is replaced: a field is kept only where the cloud's rules say that it names nobody. Pseudonyms
are made with a salt that is never written down, since a name of few letters could be found again by trying.
"""

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from stormcone.clouds.exchange import Exchange
from stormcone.clouds.trace import TraceRules
from stormcone.recording.bodies import FORM, UNREADABLE, WITHHELD, Scalar, UnreadableBody, rewritten
from stormcone.recording.secrets import content_type
from stormcone.recording.times import is_time
from stormcone.text import folded

_GUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_MAC = r"(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}"
_IPV4 = r"(?:\d{1,3}\.){3}\d{1,3}"
_IPV6 = r"(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}"
_SHAPE = rf"(?<![\w.:-])(?:{_GUID}|{_MAC}|{_IPV4}|{_IPV6})(?![\w:-]|\.\d)"
_SHAPES = re.compile(_SHAPE)
_ADDRESS = re.compile(r"https?://\S+", re.IGNORECASE)
_HEXADECIMAL = re.compile(r"[0-9a-f]{8,}")
_LETTERED = re.compile(r"(?P<kind>[a-z])-(?P<rest>[0-9a-z]{8,}\**)", re.IGNORECASE)
_NUMBERED = re.compile(r"(?P<base>.*[^_])_(?P<number>\d{1,5})")
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_FEW_DIGITS = 6
_OPAQUE_HEADERS = frozenset({"etag", "if-none-match"})


class Anonymiser:
    """Gives pseudonyms, and remembers what it gave them for: texts for people are searched for all of it.

    Args:
        rules: what names nobody.
        salt: what the pseudonyms are made with; None for a random one.
    """

    def __init__(self, rules: TraceRules, salt: bytes | None = None) -> None:
        self._salt = salt or secrets.token_bytes(32)
        self._plain = {folded(name) for name in rules.plain_fields}
        self._texts = {folded(name) for name in rules.text_fields}
        self._words = ("localhost", "true", "false", *(folded(word) for word in rules.plain_words))
        self._forms = tuple(map(re.compile, rules.forms))
        self._known: set[str] = set()
        self._search: re.Pattern[str] | None = None

    def exchange(self, exchange: Exchange) -> Exchange:
        """The exchange, scrubbed already, with pseudonyms throughout; the marks of caches are left out."""
        # A bare value is named by the last part of its path, as metadata services do.
        name = unquote(urlsplit(exchange.url).path).rstrip("/").rpartition("/")[2]
        # Bodies first, since they tell which words of the other parts are names; and twice, since a text may come
        # before the names that it holds.
        for _ in range(2):
            asked = exchange.request_body
            if asked is not None:
                asked = self._body(asked, exchange.request_headers)
            body = self._body(exchange.body, exchange.headers, name)
        return replace(
            exchange,
            url=self._url(exchange.url),
            request_headers=_without_marks(exchange.request_headers),
            request_body=asked,
            headers=_without_marks(exchange.headers),
            body=body,
            reason="",
            fault=self.text(exchange.fault),
        )

    def name(self, value: str) -> str:
        """The pseudonym of a name or an id, in its form; what says nothing (a time, a small number) stays."""
        if not value or value == WITHHELD or is_time(value) or self._is_plain(value):
            return value
        if value.isascii() and value.isdigit():
            return value if len(value) < _FEW_DIGITS else self._remember(value, self._digits(value))
        for form in self._forms:
            match = form.fullmatch(value)
            if match and match.span(1) != match.span():
                return self._formed(match)
        if _ADDRESS.fullmatch(value):
            return self._url(value)
        if "/" in value:
            return "/".join(self.name(part) for part in value.split("/"))
        if _SHAPES.fullmatch(value):
            return self._shaped(value)
        if value.startswith("_"):
            return f"_{self.name(value[1:])}"
        return self._remember(value, self._worded(value))

    def text(self, value: str) -> str:
        """A text for people with pseudonyms for every id in it that has the form of one, and for every known name."""
        if self._search is None:
            longest_first = sorted(self._known, key=len, reverse=True)
            names = "|".join(re.escape(name) for name in longest_first)
            known = (rf"(?<![A-Za-z0-9])(?i:{names})(?![A-Za-z0-9])",) if names else ()
            forms = (rf"(?<![\w-])(?:{form.pattern})(?![\w-])" for form in self._forms)
            self._search = re.compile("|".join((_SHAPE, *forms, *known)))
        # All at once, or else what stands for one thing could be taken for another.
        return self._search.sub(lambda match: self.name(match[0]), value)

    def _url(self, url: str) -> str:
        split = urlsplit(url)
        host = split.hostname or ""
        try:
            ipaddress.ip_address(host)
            name = self._shaped(host)
        except ValueError:
            name = self.name(host)
        netloc = (f"[{name}]" if ":" in name else name) + (f":{split.port}" if split.port else "")
        path = "/".join(quote(self.name(unquote(part)), safe="") for part in split.path.split("/"))
        query = FORM.rewritten(split.query, self._value, _nothing) if split.query else ""
        return urlunsplit((split.scheme, netloc, path, query, ""))

    def _body(self, body: bytes, headers: Mapping[str, str], name: str = "") -> bytes:
        if body == UNREADABLE.encode():
            return body
        try:
            text = body.decode()
            return rewritten(text, self._value, _nothing, content_type=content_type(headers), name=name).encode()
        except (UnicodeDecodeError, UnreadableBody):
            return UNREADABLE.encode()

    def _value(self, name: str, value: Scalar) -> Scalar:
        if folded(name) in self._plain or value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, int):
            return int(self.name(str(value))) if value >= 0 else value
        return self.text(value) if folded(name) in self._texts else self.name(value)

    def _is_plain(self, value: str) -> bool:
        return any(fnmatchcase(folded(value), word) for word in self._words)

    def _shaped(self, value: str) -> str:
        """A GUID, a MAC or an IP address; what only looks like an address, or is nobody's, stays."""
        digest = self._digest(value)
        if re.fullmatch(_GUID, value):
            return self._remember(value, "-".join(digest[at:to] for at, to in _GUID_PARTS))
        if re.fullmatch(_MAC, value):
            separator = value[2]
            return self._remember(value, separator.join(["02", *(digest[at : at + 2] for at in range(0, 10, 2))]))
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            return value
        if address.is_loopback or address.is_link_local or address.is_unspecified or self._is_plain(value):
            return value
        number = int(digest, 16)
        if address.version == 4:
            return self._remember(value, str(ipaddress.IPv4Address((10 << 24) | number % (1 << 24))))
        return self._remember(value, str(ipaddress.IPv6Address((0xFD << 120) | number % (1 << 120))))

    def _worded(self, value: str) -> str:
        numbered = _NUMBERED.fullmatch(value)
        if numbered:
            return f"{self.name(numbered['base'])}_{numbered['number']}"
        digest = self._digest(value)
        if _HEXADECIMAL.fullmatch(value):
            return self._hexadecimal(digest, len(value))
        lettered = _LETTERED.fullmatch(value)
        if lettered:
            return f"{lettered['kind']}-{_base36(int(digest, 16), len(lettered['rest']))}"
        return f"name-{digest[:10]}"

    def _hexadecimal(self, digest: str, length: int) -> str:
        return (digest * (length // len(digest) + 1))[:length]

    def _formed(self, match: re.Match[str]) -> str:
        """A composite id with a pseudonym for each of its groups."""
        value, parts, written = match[0], [], 0
        for group in range(1, match.re.groups + 1):
            start, end = match.span(group)
            if start >= written:
                parts += [value[written:start], self.name(value[start:end])]
                written = end
        return "".join((*parts, value[written:]))

    def _digits(self, value: str) -> str:
        smallest = 10 ** (len(value) - 1)
        return str(smallest + int(self._digest(value), 16) % (9 * smallest))

    def _remember(self, value: str, pseudonym: str) -> str:
        if folded(value) not in self._known:
            self._known.add(folded(value))
            self._search = None
        return pseudonym.upper() if value.isupper() else pseudonym

    def _digest(self, value: str) -> str:
        return hmac.new(self._salt, folded(value).encode("utf-8", "replace"), hashlib.sha256).hexdigest()


_GUID_PARTS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))


def _base36(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, rest = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[rest])
    return "".join(digits)


def _nothing(_name: str) -> bool:
    """What is sealed: what is secret was left out before."""
    return False


def _without_marks(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if folded(name) not in _OPAQUE_HEADERS}
