"""What signs requests, and the error for what cannot."""

from dataclasses import dataclass, field
from datetime import datetime

from stormcone.errors import ProviderError


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What signs requests.

    Attributes:
        access_key_id: who signs.
        access_key_secret: with what.
        security_token: for temporary credentials, else "".
        source: where they come from, for people.
        expires: when they end, aware UTC; None where they do not.
    """

    access_key_id: str = field(repr=False)
    access_key_secret: str = field(repr=False)
    security_token: str = field(default="", repr=False)
    source: str
    expires: datetime | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that no text may hold."""
        return (self.access_key_secret, self.security_token, self.access_key_id)


class CredentialsUnusable(ProviderError):
    """Credentials that somebody named cannot be used. Others are not looked for: they would be another's."""

    def __init__(self, message: str, *, passing: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message, passing=passing, retry_after=retry_after)
