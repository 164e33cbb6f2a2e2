"""The session token: asked for, sent, renewed, refused, and done without."""

import threading
from collections import Counter

import pytest

from stormcone.clock import ManualClock
from stormcone.clouds.http.client import HttpAnswer
from stormcone.clouds.token import SessionToken, TokenRules
from stormcone.errors import ProviderError, RequestRefused

RULES = TokenRules(path="/token", ttl_header="TTL", token_header="Token", seconds=600, none_given=frozenset({404, 405}))


class Service:
    """Gives tokens that last, and answers what is asked with a good one; every request is noted."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.good: set[str] = set()
        self.put = 200
        self.lasts = "600"
        self.needs_token = True
        self.body: str | None = None
        self.fault: ProviderError | None = None

    def __call__(self, method, path, headers, accept):
        self.asked.append((f"{method} {path}", headers))
        if method == "PUT":
            if self.fault is not None:
                raise self.fault
            return self._given(headers)
        fine = not self.needs_token or headers.get("Token") in self.good
        if not fine and 401 not in accept:
            raise RequestRefused("401")
        return HttpAnswer(status=200 if fine else 401, headers={}, body=b"value" if fine else b"")

    def _given(self, headers):
        assert headers == {"TTL": "600"}
        if self.put != 200:
            return HttpAnswer(status=self.put, headers={}, body=b"Not Found")
        token = self.body or f"token-{len(self.asked)}"
        self.good.add(token)
        return HttpAnswer(status=200, headers={"TTL": self.lasts}, body=token.encode())

    @property
    def calls(self):
        return Counter(call for call, _ in self.asked)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def service(clock):
    return Service(clock)


@pytest.fixture
def token(service, clock):
    return SessionToken(RULES, ask=service, clock=clock)


def test_it_is_asked_for_once_and_sent_with_everything(service, token):
    assert [token.get("/a").body, token.get("/b").body] == [b"value", b"value"]
    assert [call for call, _ in service.asked] == ["PUT /token", "GET /a", "GET /b"]
    assert [headers for _, headers in service.asked[1:]] == [{"Token": "token-1"}] * 2


class TestItsEnd:
    def test_it_is_renewed_a_minute_before(self, service, token, clock):
        token.get("/a")
        clock.advance(539)
        token.get("/a")
        assert service.calls["PUT /token"] == 1
        clock.advance(1)
        token.get("/a")
        assert service.calls["PUT /token"] == 2

    def test_the_services_own_word_on_how_long_it_lasts_counts(self, service, token, clock):
        service.lasts = "100"
        token.get("/a")
        clock.advance(51)
        token.get("/a")
        assert service.calls["PUT /token"] == 2

    @pytest.mark.parametrize("said", ["", "long", "-5", "9" * 30, "٣"])
    def test_a_word_that_is_none_does_not(self, service, token, clock, said):
        service.lasts = said
        token.get("/a")
        clock.advance(539)
        token.get("/a")
        assert service.calls["PUT /token"] == 1

    def test_one_that_cannot_be_renewed_is_used_to_its_end(self, service, token, clock):
        token.get("/a")
        service.fault = ProviderError("503")
        clock.advance(599)
        assert token.get("/a").body == b"value"
        clock.advance(1)
        with pytest.raises(ProviderError, match="503"):
            token.get("/a")
        service.fault = None
        assert token.get("/a").body == b"value"


class TestARefusal:
    def test_brings_a_new_token_and_one_more_request(self, service, token):
        token.get("/a")
        service.good.clear()
        assert token.get("/a").status == 200
        assert [call for call, _ in service.asked[2:]] == ["GET /a", "PUT /token", "GET /a"]
        assert service.asked[-1][1] == {"Token": "token-4"}

    def test_of_the_new_token_is_the_answer(self, service, token):
        service.good = frozenset()
        service._given = lambda headers: HttpAnswer(status=200, headers={}, body=b"never-good")
        assert token.get("/a").status == 401
        assert service.calls == {"PUT /token": 2, "GET /a": 2}

    def test_where_no_other_can_be_had_is_an_error_and_the_refused_one_is_sent_no_more(self, service, token):
        token.get("/a")
        service.good.clear()
        service.fault = ProviderError("503")
        for _ in range(2):
            with pytest.raises(ProviderError, match="503"):
                token.get("/a")
        assert service.calls["GET /a"] == 2  # the first one, and the one that was refused

    def test_that_several_threads_meet_brings_one_new_token(self, service, token):
        token.get("/a")
        stale = token.current()
        service.good.clear()
        threads = [threading.Thread(target=token.current, kwargs={"instead_of": stale}) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert service.calls["PUT /token"] == 2


class TestAServiceWithoutTokens:
    @pytest.mark.parametrize("status", sorted(RULES.none_given))
    def test_is_asked_without_and_again_after_a_while(self, service, token, clock, status):
        service.put, service.needs_token = status, False
        token.get("/a")
        clock.advance(RULES.none_for - 1)
        token.get("/a")
        assert service.calls["PUT /token"] == 1
        assert [headers for call, headers in service.asked if call == "GET /a"] == [{}, {}]
        service.put = 200
        clock.advance(1)
        token.get("/a")
        assert service.asked[-1][1] == {"Token": "token-4"}

    @pytest.mark.parametrize("body", ["<html>log in</html>", "two words", "", "x" * 5000])
    def test_is_one_that_answers_what_is_no_token(self, service, token, body):
        service._given = lambda headers: HttpAnswer(status=200, headers={}, body=body.encode())
        service.needs_token = False
        assert token.get("/a").body == b"value"
        assert service.asked[-1][1] == {}

    def test_that_begins_to_demand_one_is_asked_for_it_at_once(self, service, token):
        service.put, service.needs_token = 404, False
        token.get("/a")
        service.put, service.needs_token = 200, True
        assert token.get("/a").status == 200
        assert service.calls["PUT /token"] == 2
