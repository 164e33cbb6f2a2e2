"""The session token of a metadata service: asked for by PUT, sent with every GET, and asked for anew when refused.

A token that the service refuses is dropped, and asked for once more and no more; a service that has no tokens is asked
without, and tried again after a while; a token that cannot be renewed is used to its end.

```python
token = SessionToken(rules, ask=client_of_mine, clock=clock)
answer = token.get("/latest/meta-data/instance-id", accept=frozenset({404}))
```
"""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stormcone.clock import Clock
from stormcone.clouds.http.client import HttpAnswer
from stormcone.errors import ProviderError

_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")

Ask = Callable[[str, str, Mapping[str, str], frozenset[int]], HttpAnswer]
"""One exchange: method, path, headers, and the statuses that are answers although they are not 2xx."""


@dataclass(frozen=True, kw_only=True)
class TokenRules:
    """How one service's tokens are asked for and sent.

    Attributes:
        path: where they are asked for.
        ttl_header: of the PUT, how long one is to last; in its answer, how long it does.
        token_header: of every other request.
        seconds: how long one is to last.
        early: how many seconds before its end one is asked for anew.
        none_given: statuses of the PUT of a service that knows no tokens.
        none_for: after how many seconds such a service is asked for one again.
        denied: statuses of a GET whose token is missing, or good no longer.
    """

    path: str
    ttl_header: str
    token_header: str
    seconds: int = 21600
    early: float = 60.0
    none_given: frozenset[int]
    none_for: float = 300.0
    denied: frozenset[int] = frozenset({401})


class SessionToken:
    """One service's token; any number of threads may use it.

    Args:
        rules: how it is asked for.
        ask: makes one exchange; what it raises, the methods here raise.
        clock: for the age of the token.
    """

    def __init__(self, rules: TokenRules, *, ask: Ask, clock: Clock) -> None:
        self._rules = rules
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at: float | None = None
        self._ends_at = 0.0

    def get(self, path: str, *, accept: frozenset[int] = frozenset()) -> HttpAnswer:
        """What is at the path; an answer of a status in `denied` is one that a new token has not changed."""
        token = self.current()
        answer = self._get(path, token, accept)
        if answer.status in self._rules.denied:
            answer = self._get(path, self.current(instead_of=token), accept)
        return answer

    def current(self, *, instead_of: str | None = None) -> str:
        """The token, asked for where there is none or its time is up; "" where the service gives none.

        Args:
            instead_of: a token that was refused; "" is a request without one.
        """
        with self._lock:
            now = self._clock.monotonic()
            if instead_of == self._token:
                self._token, self._renew_at = "", None
            if self._renew_at is None or now >= self._renew_at:
                self._renew(now)
            return self._token

    def _renew(self, now: float) -> None:
        rules = self._rules
        try:
            answer = self._ask("PUT", rules.path, {rules.ttl_header: str(rules.seconds)}, rules.none_given)
        except ProviderError:
            if self._token and now < self._ends_at:
                return  # it is good for a while; the next request asks again
            self._token, self._renew_at = "", None
            raise
        text = answer.body.decode("ascii", "replace").strip()
        given = answer.status not in rules.none_given and _TOKEN.fullmatch(text)
        lasts = _lifetime(answer, rules) if given else rules.none_for
        self._token = text if given else ""
        self._ends_at = now + lasts
        self._renew_at = now + (max(lasts - rules.early, lasts / 2) if given else lasts)

    def _get(self, path: str, token: str, accept: frozenset[int]) -> HttpAnswer:
        headers = {self._rules.token_header: token} if token else {}
        return self._ask("GET", path, headers, accept | self._rules.denied)


def _lifetime(answer: HttpAnswer, rules: TokenRules) -> float:
    said = answer.headers.get(rules.ttl_header, "").strip()
    return min(float(said), rules.seconds) if said.isascii() and said.isdigit() and len(said) < 10 else rules.seconds
