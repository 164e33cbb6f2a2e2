"""The metadata service of an instance (IMDS): asked with a token where it gives one, as version 2 wants it.

What is learnt here of how it fails comes from programs in the field: a token may be lost on its way where the service
itself answers, as its packets go fewer hops than those of everything else.

Source: EC2's documentation of the instance metadata service. Unverified: what a service that has no tokens answers to
who asks for one; the statuses are those that other programs take for that.
"""

from collections.abc import Mapping
from types import MappingProxyType

from stormcone.clock import Clock
from stormcone.clouds.exchange import Tap
from stormcone.clouds.http.client import STATUSES, HttpAnswer, HttpStatusMeaning, MetadataClient, Timeouts
from stormcone.clouds.token import SessionToken, TokenRules
from stormcone.errors import ProviderError, ProviderUnavailable, Unreachable

ENDPOINT = "http://169.254.169.254"
"""Where it is, on every instance. Source: EC2's documentation of the instance metadata service."""

TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path

TOKENS = TokenRules(
    path=TOKEN_PATH,
    ttl_header="X-aws-ec2-metadata-token-ttl-seconds",
    token_header="X-aws-ec2-metadata-token",  # noqa: S106 - a header's name
    seconds=21600,
    none_given=frozenset({403, 404, 405, 501}),
)
"""How tokens are asked for and sent; they may last 1 to 21600 seconds."""

QUICK = Timeouts(connect=1.0, read=1.0, slack=0.0)
"""Of one exchange where nobody has said that the service is there: it says no within two seconds."""

PATIENT = Timeouts(connect=2.0, read=5.0)
"""Of one exchange at an address that was named."""

OFF = "access to instance metadata is switched off for this instance: aws ec2 modify-instance-metadata-options \
--http-endpoint enabled switches it on"

IMDS_STATUSES: Mapping[int, HttpStatusMeaning] = MappingProxyType(
    {
        **STATUSES,
        401: HttpStatusMeaning("it demands a token, and takes none that it has given", passing=True),
        403: HttpStatusMeaning(OFF, passing=False),
    }
)
"""What the service's statuses mean. Source: EC2's documentation of the instance metadata service."""

LOST_TOKEN = (
    "the metadata service answers, and the token that it was asked for does not arrive: from within a container it has "  # noqa: S105 - words
    "to go one hop more than it may; aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2 lets it, "
    "or share the host's network"
)

PROBE_PATH = "/latest/meta-data/instance-id"

_REDIRECTS = 300
_MALFORMED = 400
_ANY = frozenset(range(_REDIRECTS, 600))
_NOT_FOUND = frozenset({404})


class Imds:
    """Asks the metadata service; any number of threads may use it.

    Args:
        endpoint: its address, an http or https URL without a slash at its end.
        clock: for the age of the token.
        tap: told of every exchange; None tells nobody.
        verify: what a certificate is verified by, where the address is an https one after all.
        timeouts: of one exchange.
    """

    def __init__(
        self,
        endpoint: str,
        clock: Clock,
        *,
        tap: Tap | None = None,
        verify: str | bool = True,
        timeouts: Timeouts = QUICK,
    ) -> None:
        self._endpoint = endpoint
        self._timeouts = timeouts
        self._client = MetadataClient(statuses=IMDS_STATUSES, clock=clock, tap=tap, verify=verify)
        self._token = SessionToken(TOKENS, ask=self._ask, clock=clock)

    def get(self, path: str) -> bytes | None:
        """What is at a path below `/latest/`; None where nothing is.

        Raises:
            RequestRefused: metadata is switched off.
            Unreachable: nothing answers at that address.
            ProviderUnavailable: what answers is another cloud's.
            ProviderError: it could not be asked.
        """
        full = f"/latest/{path}"
        answer = self._token.get(full, accept=_NOT_FOUND)
        if answer.status in TOKENS.denied:
            raise self._client.refusal("GET", self._endpoint + full, answer)
        return None if answer.status in _NOT_FOUND else answer.body

    def version(self) -> int:
        """2 where the service gives tokens, 1 where it gives none.

        Raises:
            ProviderError: it could not be asked.
        """
        return 2 if self._token.current() else 1

    def close(self) -> None:
        """Let go of connections; what is under way ends. Safe to call twice."""
        self._client.close()

    def _ask(self, method: str, path: str, headers: Mapping[str, str], accept: frozenset[int]) -> HttpAnswer:
        url = self._endpoint + path
        if method != "PUT":
            return self._client.request(method, url, headers=headers, timeouts=self._timeouts, accept=accept)
        try:
            # Of any status, so that what is no answer at all can be told from one that refuses.
            answer = self._client.request(method, url, headers=headers, timeouts=self._timeouts, accept=_ANY)
        except Unreachable:
            raise
        except ProviderError as error:
            if error.passing and self._answers():
                raise ProviderError(f"{error}; {LOST_TOKEN}") from error
            raise
        if answer.status < _REDIRECTS or answer.status in accept:
            return answer
        if answer.status == _MALFORMED:  # AWS's own says that to a time that a token cannot last, and ours can
            raise ProviderUnavailable(
                f"what answers at {self._endpoint} is not AWS's metadata service: it finds the request for a token "
                "malformed"
            )
        raise self._client.refusal(method, url, answer)

    def _answers(self) -> bool:
        """Whether the service answers a request that asks for no token, whatever it says."""
        try:
            self._client.request("GET", f"{self._endpoint}{PROBE_PATH}", timeouts=self._timeouts, accept=_ANY)
        except ProviderError:
            return False
        return True
