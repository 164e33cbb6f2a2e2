"""The sink `webhook`: each notification is a CloudEvent that is posted to a URL."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from types import MappingProxyType
from typing import Annotated, ClassVar, Self, cast
from urllib.parse import urlsplit

import requests
from pydantic import Field, SecretStr, field_validator

from stormcone import __version__
from stormcone.clock import Clock
from stormcone.clouds.http.api import proxies_for
from stormcone.clouds.http.client import HttpStatusMeaning, retry_after
from stormcone.clouds.http.connection import ClosingAdapter
from stormcone.clouds.http.faults import Timeouts, fault_reason
from stormcone.clouds.http.trust import authorities
from stormcone.errors import SinkError, SinkRefused
from stormcone.sinks.cloudevent import Mode, message_of
from stormcone.sinks.contract import Secret, SinkSettings
from stormcone.sinks.notification import Notification
from stormcone.sinks.parts import part

TIMEOUTS = Timeouts(connect=5.0, read=10.0, slack=5.0)

_MAY_PASS = "the receiver does not let us now"  # noqa: S105 - no password

STATUSES = MappingProxyType(
    {
        **{status: HttpStatusMeaning(_MAY_PASS, passing=True) for status in range(400, 500)},
        400: HttpStatusMeaning("the receiver does not take it", passing=False),
        401: HttpStatusMeaning("the receiver does not know us: look at the headers and the secret", passing=True),
        403: HttpStatusMeaning("the receiver does not let us: look at the headers and the secret", passing=True),
        404: HttpStatusMeaning("the receiver has nothing at this address now", passing=True),
        413: HttpStatusMeaning("it is too large for the receiver", passing=False),
        415: HttpStatusMeaning("the receiver takes no CloudEvents in this mode", passing=False),
        422: HttpStatusMeaning("the receiver does not take it", passing=False),
        429: HttpStatusMeaning("the receiver is told too often", passing=True),
        500: HttpStatusMeaning("the receiver has an internal error", passing=True),
        502: HttpStatusMeaning("what is behind it does not answer properly", passing=True),
        503: HttpStatusMeaning("the receiver is not available now", passing=True),
        504: HttpStatusMeaning("what is behind it does not answer in time", passing=True),
    }
)
"""What a receiver's statuses mean: a notification is dropped only where the status is about that one alone."""

_UNEXPECTED = HttpStatusMeaning("which is not expected here; redirects are not followed", passing=True)


class WebhookSinkSettings(SinkSettings):
    """The settings of the sink `webhook`."""

    url: Secret = Field(description="Where to post; a secret, since for many receivers the address is the password.")
    mode: Mode = Field(
        "structured", description="`structured`: everything is in the body; `binary`: the attributes are headers."
    )
    headers: dict[str, Secret] = Field(
        default_factory=dict, description="More headers, by name, such as `Authorization`."
    )
    secret: Annotated[Secret | None, Field()] = Field(
        None, description="The key to sign each message as in Standard Webhooks: `whsec_...`, or any text."
    )

    @field_validator("url")
    @classmethod
    def _is_http(cls, value: SecretStr) -> SecretStr:
        parts = urlsplit(value.get_secret_value())
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("it is not an http:// or https:// address")
        return value


class _Session(requests.Session):
    """A session that takes nothing from the environment, keeps no cookies, and looks at no redirect."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.headers["User-Agent"] = f"stormcone/{__version__}"
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self.mount(scheme, ClosingAdapter())

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - its face
        """None: of a redirect that is not followed the whole body would be read, however long."""
        return None


class WebhookSink:
    """Posts each notification; what the receiver answers with 2xx it has taken."""

    Settings: ClassVar[type[SinkSettings]] = WebhookSinkSettings

    def __init__(self, settings: WebhookSinkSettings, clock: Clock) -> None:
        part("cloudevents", "webhook")
        self._settings = settings
        self._clock = clock
        self._url = settings.url.get_secret_value()
        self._key = key_of(settings.secret.get_secret_value()) if settings.secret else b""
        self._session = _Session()
        self._session.verify = authorities(self._url)

    @classmethod
    def from_settings(cls, settings: SinkSettings, clock: Clock) -> Self:
        """The sink; nothing is asked yet."""
        return cls(cast(WebhookSinkSettings, settings), clock)

    def send(self, notification: Notification) -> None:
        """Post it."""
        headers, body = message_of(notification, self._settings.mode, "webhook")
        headers |= {name: value.get_secret_value() for name, value in self._settings.headers.items()}
        if self._key:
            headers |= signed(notification.id, int(self._clock.now().timestamp()), body, self._key)
        status, answered = self._post(headers, body)
        if 200 <= status < 300:
            return
        meaning = STATUSES.get(status, _UNEXPECTED)
        sentence = f"{self._what}: status {status}, {meaning.says}"
        if not meaning.passing:
            raise SinkRefused(sentence)
        raise SinkError(sentence, retry_after=retry_after(answered.get("Retry-After"), self._clock.now()))

    def close(self) -> None:
        """Let go of its connections."""
        self._session.close()

    def _post(self, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str]]:
        """The answer's status and headers; its body says nothing to us, so however long it is, it is not read."""
        try:
            with self._session.post(
                self._url,
                headers=dict(headers),
                data=body,
                timeout=(TIMEOUTS.connect, TIMEOUTS.read),
                proxies=dict(proxies_for(self._url, None)),
                allow_redirects=False,
                stream=True,
            ) as response:
                return response.status_code, response.headers
        except (requests.RequestException, OSError, ValueError) as error:
            why = fault_reason(error, TIMEOUTS)
        # Raised out here, since inside the handler the fault would carry the error with the address as its context.
        raise SinkError(f"{self._what}: {why}")

    @property
    def _what(self) -> str:
        """What is done, with no more of the address than the host: what follows it is a key, often."""
        return f"POST {urlsplit(self._url).netloc.rpartition('@')[2]} failed"


def key_of(secret: str) -> bytes:
    """The key that a secret is: the bytes behind `whsec_` in base64, or the text itself."""
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


def signed(identifier: str, seconds: int, body: bytes, key: bytes) -> dict[str, str]:
    """The headers that prove who has sent the body, and when: Standard Webhooks 1.0.0, symmetric.

    Args:
        identifier: the notification's id.
        seconds: since 1970, when it is sent.
        body: as it is sent.
        key: that the receiver has too.
    """
    content = b".".join((identifier.encode(), str(seconds).encode(), body))
    signature = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return {"webhook-id": identifier, "webhook-timestamp": str(seconds), "webhook-signature": f"v1,{signature}"}
