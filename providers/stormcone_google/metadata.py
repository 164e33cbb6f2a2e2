"""The metadata server of a VM: what is announced, which machine this is, and the token of its service account.

Every request says `Metadata-Flavor: Google`, so that none arrives by accident, and every answer that is believed says
so too: other clouds have something else at the same address. Source: Compute Engine's documentation of VM metadata.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlencode

from stormcone.clock import Clock
from stormcone.clouds.exchange import Tap
from stormcone.clouds.http.client import STATUSES, HttpStatusMeaning, MetadataClient, Timeouts
from stormcone.errors import ProviderError, ProviderUnavailable, RequestRefused, Unreachable
from stormcone.text import printable

ENDPOINT = "http://169.254.169.254"
"""Where it is, on every VM: the address of `metadata.google.internal`, which needs no resolver."""

ROOT = "/computeMetadata/v1"

FLAVOR = "Metadata-Flavor"
GOOGLE = "Google"

DETECTION = Timeouts(connect=0.9, read=0.9, slack=0.1)
"""Until it has answered once: whoever looks for the right cloud waits for it, 2 s at the most."""

LATER = Timeouts(connect=2.0, read=3.0)
"""From then on. Answers come within milliseconds; a key that hangs holds the others of a poll up for so long."""

WAIT_SECONDS = 60
"""How long one request waits for a change; after that it is asked anew, so that a server that is gone shows."""

GOOGLE_STATUSES: Mapping[int, HttpStatusMeaning] = MappingProxyType(
    {
        **STATUSES,
        400: HttpStatusMeaning("the metadata server finds a header or a parameter malformed", passing=False),
        403: HttpStatusMeaning(
            "the metadata server is switched off for this, or takes the request for another machine's",
            passing=True,
        ),
        429: HttpStatusMeaning("this VM asks its metadata server too often", passing=True),
        503: HttpStatusMeaning("the metadata server is starting, or does not know it yet", passing=True),
    }
)
"""What its statuses mean. Source: Compute Engine's page on troubleshooting the metadata server; 503 is from clients."""

NOT_FOUND = 404
"""Its status where a VM has no such key."""

UNAVAILABLE = 503
"""Its status where it is starting; of one key, that nothing is announced there."""

_WORD = re.compile(r"[\w.:@/-]{1,256}", re.ASCII)


class KeyAnswer(NamedTuple):
    """What the server says of a key.

    Attributes:
        status: 200, or one of those that the caller accepts.
        body: as it came.
        etag: of this state of the key; "" where it says none.
    """

    status: int
    body: bytes
    etag: str = ""


class KeyReader:
    """Asks the metadata server; any number of threads may use it.

    Args:
        endpoint: the server's address, an http or https URL without a slash at its end.
        clock: for dates in `Retry-After`.
        tap: told of every exchange; None tells nobody.
        verify: what a certificate is verified by, where the address is an https one after all.

    Every method that asks raises `Unreachable` where nothing answers, `ProviderUnavailable` where it is no server of
    Google's, `RequestRefused` where it refuses, and `ProviderError` where the answer is no answer.
    """

    def __init__(self, endpoint: str, clock: Clock, tap: Tap | None = None, verify: str | bool = True) -> None:
        self._endpoint = endpoint
        self._client = MetadataClient(
            statuses=GOOGLE_STATUSES, headers={FLAVOR: GOOGLE}, clock=clock, tap=tap, verify=verify
        )
        self._there = False

    def instance_id(self) -> str:
        """The VM's id, a number that is never used again."""
        return self._word("instance/id")

    def name(self) -> str:
        """The VM's name."""
        return self._word("instance/name")

    def hostname(self) -> str:
        """The VM's host name, whole; "" where the server does not say."""
        return self._word("instance/hostname", needed=False)

    def zone(self) -> str:
        """The zone, such as `us-central1-a`; "" where the server does not say."""
        return self._word("instance/zone", needed=False).rpartition("/")[2]

    def project(self) -> str:
        """The project's id; "" where the server does not say."""
        return self._word("project/project-id", needed=False)

    def scopes(self) -> tuple[str, ...] | None:
        """What the VM's service account may be asked for; None where the VM has none."""
        answer = self.ask("instance/service-accounts/default/scopes", accept=frozenset({NOT_FOUND}))
        return None if answer.status == NOT_FOUND else tuple(answer.body.decode("utf-8", "replace").split())

    def token(self) -> bytes:
        """A token of the VM's service account, a JSON document."""
        return self.ask("instance/service-accounts/default/token").body

    def ask(
        self,
        key: str,
        *,
        accept: frozenset[int] = frozenset(),
        timeouts: Timeouts | None = None,
        query: Mapping[str, str] = MappingProxyType({}),
    ) -> KeyAnswer:
        """What the server says of a key now.

        Args:
            key: its path below `ROOT`.
            accept: statuses that are an answer as well.
            timeouts: None for the usual ones.
            query: its parameters.
        """
        asked = f"?{urlencode(query)}" if query else ""
        timeouts = timeouts or (LATER if self._there else DETECTION)
        url = f"{self._endpoint}{ROOT}/{key}{asked}"
        answer = self._client.request("GET", url, timeouts=timeouts, accept=accept)
        ours = answer.headers.get(FLAVOR, "").strip() == GOOGLE
        if not ours and answer.status not in accept:
            raise ProviderUnavailable(
                f"{self._endpoint} is not Google Cloud's metadata server: its answer for {key} lacks the header "
                f"{FLAVOR}: {GOOGLE}; choose another provider, or say where the metadata server is with --endpoint"
            )
        self._there = self._there or ours
        return KeyAnswer(answer.status, answer.body, answer.headers.get("ETag", "").strip())

    def close(self) -> None:
        """Let go of connections; what waits ends. Safe to call twice."""
        self._client.close()

    def _word(self, key: str, *, needed: bool = True) -> str:
        try:
            answer = self.ask(key, accept=frozenset({NOT_FOUND}))
        except Unreachable as error:
            raise Unreachable(
                f"{error}; run this on a VM of Compute Engine, or say where its metadata server is with --endpoint"
            ) from error
        except RequestRefused as error:
            raise ProviderUnavailable(f"this is not a VM of Compute Engine ({error})", passing=False) from error
        text = "" if answer.status == NOT_FOUND else answer.body.decode("utf-8", "replace").strip()
        if _WORD.fullmatch(text):
            return text
        if not needed and not text:
            return ""
        if answer.status == NOT_FOUND:
            raise ProviderUnavailable(
                f"this is not a VM of Compute Engine: the metadata server at {self._endpoint} has no {key}; "
                "choose another provider, or say where it is with --endpoint"
            )
        raise ProviderError(f"the metadata server at {self._endpoint} answers {printable(text)[:60]!r} for {key}")
