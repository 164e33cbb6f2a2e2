"""The metadata service of an instance: which machine this is, its role's credentials, and notice of a spot release.

It is asked with a token, as an instance that demands one (`HttpTokens=required`) answers nothing without; where the
service gives none, it is asked without. Source: ECS's documentation of instance metadata. The statuses of its
refusals are not documented: that they are 401 or 403 is unverified.
"""

import re
from collections.abc import Mapping

from stormcone.clock import Clock
from stormcone.clouds.exchange import Tap
from stormcone.clouds.http.client import HttpAnswer, MetadataClient, Timeouts
from stormcone.clouds.token import SessionToken, TokenRules
from stormcone.errors import ProviderError, ProviderUnavailable, RequestRefused, Unreachable
from stormcone.text import printable

ENDPOINT = "http://100.100.100.200"
"""Where it is, on every instance. Source: ECS's documentation of instance metadata."""

TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path

TOKEN_SECONDS = 6 * 3600
"""How long a token lasts; the service allows 1 to 21600 s. Source: ECS's documentation of instance metadata."""

TIMEOUTS = Timeouts(connect=2.0, read=5.0)

REGION = re.compile(r"[a-z0-9-]{1,64}")
"""What a region's name is made of; it becomes a part of a host's name."""

_WORD = re.compile(r"[\w.@-]{1,128}", re.ASCII)
_NOT_FOUND = 404
_DENIED = frozenset({401, 403})

TOKENS = TokenRules(
    path=TOKEN_PATH,
    ttl_header="X-aliyun-ecs-metadata-token-ttl-seconds",
    token_header="X-aliyun-ecs-metadata-token",  # noqa: S106 - a header's name
    seconds=TOKEN_SECONDS,
    none_given=frozenset(range(400, 500)),
    denied=_DENIED,
)
"""How tokens are asked for and sent."""


class MetadataReader:
    """Asks the metadata service; any number of threads may use it.

    Args:
        endpoint: the service's address, an http or https URL without a slash at its end.
        clock: for the age of the token.
        tap: told of every exchange; None tells nobody.
        verify: what a certificate is verified by, where the address is an https one after all.

    Every method that asks raises `ProviderUnavailable` where nothing answers, and `ProviderError` where the answer
    is no answer.
    """

    def __init__(self, endpoint: str, clock: Clock, tap: Tap | None = None, verify: str | bool = True) -> None:
        self._endpoint = endpoint
        self._client = MetadataClient(clock=clock, tap=tap, verify=verify)
        self._token = SessionToken(TOKENS, ask=self._request, clock=clock)

    def instance_id(self) -> str:
        """The instance's id, such as `i-bp67acfmxazb4ph****`."""
        return self._word("meta-data/instance-id")

    def region_id(self) -> str:
        """The region, such as `cn-hangzhou`."""
        return self._word("meta-data/region-id", REGION)

    def zone_id(self) -> str:
        """The zone, such as `cn-hangzhou-i`; "" where the service does not say."""
        return self._word("meta-data/zone-id", needed=False)

    def account(self) -> str:
        """The id of the account that owns the instance; "" where the service does not say."""
        return self._word("meta-data/owner-account-id", needed=False)

    def termination_time(self) -> str | None:
        """When this spot instance is released, as the service writes it; None where that is not scheduled.

        Source: ECS's documentation of spot instances: 404 until then, about 5 minutes ahead.
        """
        return self._get("meta-data/instance/spot/termination-time")

    def role_name(self) -> str:
        """The RAM role of the instance; "" where it has none."""
        return self._word("meta-data/ram/security-credentials/", needed=False)

    def role_credentials(self, role: str) -> str:
        """The role's credentials, a JSON document; "" where there are none."""
        return self._get(f"meta-data/ram/security-credentials/{role}") or ""

    def close(self) -> None:
        """Let go of the connection. Safe to call twice."""
        self._client.close()

    def _word(self, path: str, pattern: re.Pattern[str] = _WORD, *, needed: bool = True) -> str:
        text = self._get(path)
        if text is not None and pattern.fullmatch(text):
            return text
        if not needed and not text:
            return ""
        if text is None:
            raise ProviderUnavailable(f"{self._endpoint} is not Alibaba Cloud's metadata service: it has no {path}")
        raise ProviderUnavailable(
            f"{self._endpoint} is not Alibaba Cloud's metadata service: for {path} it answers {printable(text)[:60]!r}"
        )

    def _get(self, path: str) -> str | None:
        """The text at a path, or None where there is none."""
        answer = self._token.get(f"/latest/{path}", accept=frozenset({_NOT_FOUND}))
        if answer.status == _NOT_FOUND:
            return None
        if answer.status in _DENIED:
            raise RequestRefused(
                f"the metadata service at {self._endpoint} refuses {path} (status {answer.status}); "
                "switch instance metadata on, and let no proxy stand between"
            )
        return answer.body.decode("utf-8", "replace").strip()

    def _request(self, method: str, path: str, headers: Mapping[str, str], accept: frozenset[int]) -> HttpAnswer:
        url = f"{self._endpoint}{path}"
        try:
            return self._client.request(method, url, headers=headers, timeouts=TIMEOUTS, accept=accept)
        except Unreachable as error:
            raise ProviderUnavailable(f"this is not an Alibaba Cloud instance: {error}") from error
        except RequestRefused:
            raise
        except ProviderError as error:
            raise ProviderError(
                f"the metadata service did not answer: {error}", retry_after=error.retry_after
            ) from error
