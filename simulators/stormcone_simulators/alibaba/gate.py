"""The API's gateway: who calls, whether it is really them, and whether they call too often.

The clients sign with their own clocks, and no client can be told to sign with the simulator's; so how old a signature
is, is measured on `signing_clock`, which is the real time even where the simulator's clock stands still or runs fast.

Source, unless a line says otherwise: the vendor's documentation of signatures and its list of common errors. The order
of the checks is unverified.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Self

from stormcone.clock import Clock
from stormcone_simulators.alibaba import signature
from stormcone_simulators.alibaba.errors import ApiError, invalid, missing
from stormcone_simulators.http.messages import Request, form_of
from stormcone_simulators.settings import AccessKey

API_VERSION = "2014-05-26"
SKEW = timedelta(minutes=15)
"""How far a client's clock may be off."""

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

GATE_PARAMETERS = frozenset(
    {
        "Action",
        "Version",
        "Format",
        "AccessKeyId",
        "SecurityToken",
        "Signature",
        "SignatureMethod",
        "SignatureVersion",
        "SignatureNonce",
        "SignatureType",
        "Timestamp",
    }
)
"""What a call says to the gateway and not to the operation."""

_ACS3_HEADERS = (
    "host",
    "x-acs-action",
    "x-acs-version",
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-content-sha256",
)


@dataclass(frozen=True)
class Call:
    """A request as a call of the API.

    Attributes:
        request: as it came.
        path: the request's, without a machine's prefix.
        parameters: those of the query and of a form in the body.
    """

    request: Request
    path: str
    parameters: Mapping[str, str]

    @classmethod
    def of(cls, request: Request, path: str) -> Self:
        """The call that a request is."""
        return cls(request, path, {**request.query, **form_of(request)})

    @property
    def by_header(self) -> bool:
        """Whether it says in headers what it is and who signs, as the newer SDK does."""
        return (self.request.header("authorization") or "").startswith("ACS3-")

    @property
    def action(self) -> str:
        """The operation that it calls, or ""."""
        return self.parameters.get("Action") or self.request.header("x-acs-action") or ""

    @property
    def version(self) -> str:
        """The version of the API that it means, or ""."""
        return self.parameters.get("Version") or self.request.header("x-acs-version") or ""

    @property
    def as_json(self) -> bool:
        """Whether it wants JSON: XML is the usual answer, and JSON that to calls by header."""
        wanted = self.parameters.get("Format", "JSON" if self.by_header else "XML")
        return wanted.upper() == "JSON"


class Gate:
    """Lets calls in.

    Args:
        keys: who may call.
        signing_clock: the clients' time.
        throttle: how many calls a minute of one operation are let in; None: any number.
    """

    def __init__(self, keys: Iterable[AccessKey], signing_clock: Clock, throttle: int | None) -> None:
        self._keys = {key.id: key for key in keys}
        self._clock = signing_clock
        self._throttle = throttle
        self._nonces: set[tuple[str, str]] = set()
        self._oldest_nonces: list[tuple[datetime, tuple[str, str]]] = []
        self._minute: datetime | None = None
        self._calls: Counter[str] = Counter()

    def admit(self, call: Call, now: datetime) -> None:
        """Check who calls.

        Args:
            call: what came.
            now: the simulator's time, by which minutes are counted.

        Raises:
            ApiError: it is not let in.
        """
        if call.request.method not in {"GET", "POST"}:
            raise ApiError("UnsupportedHTTPMethod")
        if not call.action:
            raise missing("Action")
        if not call.version:
            raise missing("Version")
        if call.version != API_VERSION:
            raise invalid("Version")
        if call.parameters.get("Format", "JSON").upper() not in {"JSON", "XML"}:
            raise ApiError("InvalidParameter.Format")
        if call.by_header:
            self._check_header(call)
        else:
            self._check_parameters(call)
        self._count(call.action, now)

    def _check_parameters(self, call: Call) -> None:
        parameters = call.parameters
        for name in ("AccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "SignatureNonce", "Timestamp"):
            if not parameters.get(name):
                raise missing(name)
        key = self._key(parameters["AccessKeyId"], parameters.get("SecurityToken", ""))
        if parameters["SignatureMethod"] != "HMAC-SHA1":
            raise ApiError("InvalidSignatureMethod")
        if parameters["SignatureVersion"] != "1.0":
            raise invalid("SignatureVersion")
        self._check_age(parameters["Timestamp"])
        text = signature.string_to_sign(call.request.method, parameters)
        if not signature.same(parameters["Signature"], signature.sign(key.secret, text)):
            raise ApiError("SignatureDoesNotMatch", text)
        if parameters.get("SignatureType"):
            # It would say that something else than a signature vouches for the call.
            raise invalid("SignatureType")
        self._use(key.id, parameters["SignatureNonce"])

    def _check_header(self, call: Call) -> None:
        request = call.request
        given = signature.read_authorization(request.header("authorization") or "")
        if given is None or not set(_ACS3_HEADERS) <= set(given.signed_headers):
            # Which headers have to be signed is unverified; those without which a call could be changed on its way.
            raise ApiError("IncompleteSignature")
        for name in given.signed_headers:
            if request.header(name) is None:
                raise missing(name)
        key = self._key(given.credential, request.header("x-acs-security-token") or "")
        self._check_age(request.headers["x-acs-date"])
        # The newer SDK takes the path of its endpoint for a part of the host's name, and signs the path without it.
        texts = [
            signature.acs3_string_to_sign(
                request.method, path, request.query, request.headers, given.signed_headers, request.body
            )
            for path in (request.target.partition("?")[0], call.path)
        ]
        unchanged = request.headers["x-acs-content-sha256"] == sha256(request.body).hexdigest()
        fits = any(signature.same(given.signature, signature.acs3_sign(key.secret, text)) for text in texts)
        if not (unchanged and fits):
            raise ApiError("SignatureDoesNotMatch", texts[0])
        self._use(key.id, request.headers["x-acs-signature-nonce"])

    def _key(self, identifier: str, token: str) -> AccessKey:
        key = self._keys.get(identifier)
        if key is None:
            raise ApiError("InvalidAccessKeyId.NotFound")
        if key.token and not token:
            raise missing("SecurityToken")
        if not signature.same(token, key.token):
            raise ApiError("InvalidSecurityToken.MismatchWithAccessKey")
        return key

    def _check_age(self, stamp: str) -> None:
        try:
            signed_at = datetime.strptime(stamp, TIME_FORMAT).replace(tzinfo=UTC)
        except ValueError as error:
            raise ApiError("InvalidTimeStamp.Format") from error
        if abs(self._clock.now() - signed_at) > SKEW:
            raise ApiError("InvalidTimeStamp.Expired")

    def _use(self, identifier: str, nonce: str) -> None:
        now = self._clock.now()
        # A signature is too old after the skew; one from ahead of our time can come for twice that.
        while self._oldest_nonces and self._oldest_nonces[0][0] < now - 2 * SKEW:
            self._nonces.discard(heapq.heappop(self._oldest_nonces)[1])
        used = (identifier, nonce)
        if used in self._nonces:
            raise ApiError("SignatureNonceUsed")
        self._nonces.add(used)
        heapq.heappush(self._oldest_nonces, (now, used))

    def _count(self, action: str, now: datetime) -> None:
        minute = now.replace(second=0, microsecond=0)
        if minute != self._minute:
            self._minute, self._calls = minute, Counter()
        self._calls[action] += 1
        if self._throttle is not None and self._calls[action] > self._throttle:
            raise ApiError("Throttling.User")
