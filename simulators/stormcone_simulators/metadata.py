"""What the metadata services of several clouds have in common: a tree of values, and tokens that expire."""

import hmac
import json
from base64 import b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_bytes

LONGEST = 21600
"""How many seconds a token may be valid."""


class MetadataTree:
    """Values by their paths.

    Unverified: that a listing has one name a line, folders with a slash, in the order of the alphabet.

    Args:
        leaves: the values.
    """

    def __init__(self, leaves: Mapping[str, str]) -> None:
        self._leaves = {path.strip("/"): value for path, value in leaves.items()}

    def at(self, path: str) -> str | None:
        """The value of a path, the names in a folder, or None where there is nothing."""
        place = path.strip("/")
        if place in self._leaves:
            return self._leaves[place]
        start = f"{place}/" if place else ""
        inside = [each.removeprefix(start) for each in self._leaves if each.startswith(start)]
        names = {name + slash for name, slash, _ in (each.partition("/") for each in inside)}
        return "\n".join(sorted(names)) or None


class SealedTokens:
    """Tokens that say what they are good for, signed, so that any number of them needs no memory."""

    def __init__(self) -> None:
        self._key = token_bytes(32)

    def issue(self, machine: str, seconds: str | None, now: datetime) -> str | None:
        """A token for that machine; None where it cannot last so long.

        Args:
            machine: its name.
            seconds: how long it is to last, as it was asked for: 1 to `LONGEST`.
            now: the time.
        """
        ttl = seconds or ""
        if not (ttl.isascii() and ttl.isdigit() and len(ttl) <= len(str(LONGEST)) and 1 <= int(ttl) <= LONGEST):
            return None
        said = json.dumps([machine, (now + timedelta(seconds=int(ttl))).timestamp()]).encode()
        return urlsafe_b64encode(self._seal(said) + said).decode()

    def is_good(self, token: str, machine: str, now: datetime) -> bool:
        """Whether the token is one of these, that machine's, and valid still."""
        try:
            raw = b64decode(token, altchars=b"-_", validate=True)
        except (NotBase64, ValueError):
            return False
        seal, said = raw[: sha256().digest_size], raw[sha256().digest_size :]
        if not hmac.compare_digest(seal, self._seal(said)):
            return False
        name, until = json.loads(said)
        return bool(name == machine and now.timestamp() < until)

    def _seal(self, said: bytes) -> bytes:
        return hmac.new(self._key, said, sha256).digest()
