"""The tokens of a VM's service account: what the metadata server gives, and what the Compute API takes.

A token carries what it is good for, signed, so that any number of them needs no memory. It opens nothing elsewhere.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Collection
from datetime import timedelta
from hashlib import sha256
from secrets import token_bytes

from stormcone.clock import Clock

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
"""What the service account of every VM may be asked for."""

LASTS = timedelta(hours=1)

_PREFIX = "ya29.stormcone."


class Tokens:
    """Gives and knows tokens.

    Args:
        clock: the clients' time, which tokens are measured by: clients count how long theirs last by the real one.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = token_bytes(32)

    def give(self, vm: str, scopes: Collection[str] = SCOPES) -> dict[str, object]:
        """A token of a VM's, as the metadata server writes it."""
        until = self._clock.now() + LASTS
        said = json.dumps([vm, sorted(scopes), until.timestamp()]).encode()
        token = _PREFIX + urlsafe_b64encode(self._seal(said) + said).decode().rstrip("=")
        return {"access_token": token, "expires_in": int(LASTS.total_seconds()), "token_type": "Bearer"}

    def bearer(self, authorization: str) -> str | None:
        """The VM whose token a request's `Authorization` holds; None where it is none of ours, or too old."""
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer" or not token.startswith(_PREFIX):
            return None
        text = token.removeprefix(_PREFIX).strip()
        try:
            raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (NotBase64, ValueError):
            return None
        seal, said = raw[: sha256().digest_size], raw[sha256().digest_size :]
        if not hmac.compare_digest(seal, self._seal(said)):
            return None
        vm, _, until = json.loads(said)
        return str(vm) if self._clock.now().timestamp() < until else None

    def _seal(self, said: bytes) -> bytes:
        return hmac.new(self._key, said, sha256).digest()
