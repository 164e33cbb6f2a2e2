"""The HTTP client of the providers: whatever a server does, the caller gets an answer or one sentence in time."""

import contextlib
import errno
import gc
import gzip
import os
import socket
import threading
import time
from datetime import UTC, datetime

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from stormcone.clock import ManualClock
from stormcone.clouds.http.client import (
    BODY_LIMIT,
    RETRY_AFTER_LIMIT,
    STATUSES,
    HttpStatusMeaning,
    MetadataClient,
    Timeouts,
    fault_reason,
    retry_after,
)
from stormcone.errors import ProviderError, RequestRefused, Unreachable

QUICK = Timeouts(connect=0.2, read=0.2, slack=0.1)
DRIPPING = Timeouts(connect=0.1, read=0.4, slack=0)
PATIENT = Timeouts(connect=5, read=30, slack=5)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def client():
    client = MetadataClient(clock=ManualClock(NOW))
    yield client
    client.close()


def fails(client, url, timeouts=PATIENT, **kwargs):
    with pytest.raises(ProviderError) as caught:
        client.request("GET", f"{url}/some/path?secret=1", timeouts=timeouts, **kwargs)
    return caught.value


class TestAnAnswer:
    def test_has_status_headers_and_body(self, client, scripted):
        scripted.answer(200, b"hello", {"ETag": '"7"'})
        answer = client.request("GET", scripted.url)
        assert (answer.status, answer.headers["etag"], answer.body) == (200, '"7"', b"hello")

    def test_of_an_accepted_status_is_an_answer(self, client, scripted):
        scripted.raw(b"HTTP/1.1 304 Not Modified\r\n\r\n")
        assert client.request("GET", scripted.url, accept=frozenset({304})).status == 304

    def test_that_is_compressed_all_the_same_is_understood(self, client, scripted):
        scripted.answer(200, gzip.compress(b"hello"), {"Content-Encoding": "gzip"})
        assert client.request("GET", scripted.url).body == b"hello"

    def test_in_chunks_is_put_together(self, client, scripted):
        scripted.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")
        assert client.request("GET", scripted.url).body == b"hello"

    def test_that_ends_with_its_connection_is_whole(self, client, scripted):
        scripted.raw(b"HTTP/1.1 200 OK\r\n\r\nhello", hang_up=True)
        assert client.request("GET", scripted.url).body == b"hello"

    def test_leaves_the_connection_for_the_next_request(self, client, scripted):
        scripted.answer().answer()
        client.request("GET", scripted.url)
        client.request("GET", scripted.url)
        assert scripted.connections == 1

    def test_that_sets_a_cookie_changes_no_later_request(self, client, scripted):
        scripted.answer(headers={"Set-Cookie": "a=b"}).answer()
        client.request("GET", scripted.url)
        client.request("GET", scripted.url)
        assert "cookie" not in scripted.asked[1].headers


class TestARequest:
    def test_carries_method_target_headers_and_body(self, scripted):
        scripted.answer()
        client = MetadataClient(headers={"Metadata": "true"})
        client.request("PUT", f"{scripted.url}/latest/api/token?a=b", headers={"TTL": "60"}, body=b"x")
        client.close()
        (asked,) = scripted.asked
        assert (asked.method, asked.target, asked.body) == ("PUT", "/latest/api/token?a=b", b"x")
        assert (asked.headers["metadata"], asked.headers["ttl"]) == ("true", "60")

    def test_without_a_body_says_so(self, client, scripted):
        scripted.answer()
        client.request("PUT", scripted.url)
        assert scripted.asked[0].headers["content-length"] == "0"

    def test_asks_for_no_compression_and_names_stormcone(self, client, scripted):
        scripted.answer()
        client.request("GET", scripted.url)
        assert scripted.asked[0].headers["accept-encoding"] == "identity"
        assert scripted.asked[0].headers["user-agent"].startswith("stormcone/")

    @pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"])
    def test_goes_through_no_proxy_of_the_environment(self, client, scripted, dead_url, monkeypatch, name):
        monkeypatch.setenv(name, dead_url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        scripted.answer()
        client.request("GET", f"{scripted.url}/path")
        assert scripted.asked[0].target == "/path"

    def test_takes_no_password_from_netrc(self, client, scripted, tmp_path, monkeypatch):
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login me password secret\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        scripted.answer()
        client.request("GET", scripted.url)
        assert "authorization" not in scripted.asked[0].headers


TRANSPORT_FAULTS = {
    "hangs up at once": (lambda s: s.hang_up(), "it hung up without an answer"),
    "resets the connection": (lambda s: s.reset(), "the connection was reset"),
    "sends half a body": (lambda s: s.half(b"hello"), "its answer broke off halfway"),
    "hangs up in a chunk": (
        lambda s: s.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhe", hang_up=True),
        "its answer broke off halfway",
    ),
    "sends chunks without lengths": (
        lambda s: s.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n", hang_up=True),
        "the chunks of its answer are malformed",
    ),
    "sends a junk status line": (lambda s: s.raw(b"\x00\xffjunk\r\n\r\n", hang_up=True), "what came back is not HTTP"),
    "sends a status that is no number": (
        lambda s: s.raw(b"HTTP/1.1 abc OK\r\n\r\n", hang_up=True),
        "what came back is not HTTP",
    ),
    "sends a header that is too long": (
        lambda s: s.raw(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000 + b"\r\n\r\n", hang_up=True),
        "what came back is not HTTP",
    ),
    "sends too many headers": (
        lambda s: s.raw(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", hang_up=True),
        "what came back is not HTTP",
    ),
    "sends what does not decompress": (
        lambda s: s.answer(200, b"hello", {"Content-Encoding": "gzip"}),
        "its answer cannot be decoded",
    ),
}


class TestAFaultOfTheTransport:
    @pytest.mark.parametrize("name", TRANSPORT_FAULTS)
    def test_is_one_passing_sentence_in_plain_words_when_it(self, client, scripted, name):
        script, words = TRANSPORT_FAULTS[name]
        script(scripted)
        error = fails(client, scripted.url)
        assert str(error) == f"GET {scripted.url.removeprefix('http://')}/some/path failed: {words}"
        assert error.passing
        assert not isinstance(error, Unreachable)

    @pytest.mark.parametrize("name", TRANSPORT_FAULTS)
    def test_leaves_the_client_fit_for_the_next_request_when_it(self, client, scripted, name):
        TRANSPORT_FAULTS[name][0](scripted)
        fails(client, scripted.url)
        scripted.answer(200, b"hello")
        assert client.request("GET", scripted.url).body == b"hello"

    def test_is_told_in_the_same_words_of_anybodys_session(self, dead_url):
        with requests.Session() as session, pytest.raises(requests.RequestException) as caught:
            session.get(f"{dead_url}/?secret=1")
        assert fault_reason(caught.value, PATIENT) == "connection refused"

    def test_where_nothing_listens_is_unreachable(self, client, dead_url):
        error = fails(client, dead_url)
        assert isinstance(error, Unreachable)
        assert str(error).endswith("failed: connection refused")

    def test_of_a_name_that_does_not_resolve_is_unreachable(self, client):
        error = fails(client, "http://no-such-host.invalid")
        assert isinstance(error, Unreachable)
        assert str(error).endswith("failed: the host's name does not resolve")

    def test_of_a_host_that_takes_no_connection_is_unreachable(self, client):
        with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as waiting:
            for _ in range(4):
                filler = waiting.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
            error = fails(client, f"http://127.0.0.1:{listener.getsockname()[1]}", QUICK)
        assert isinstance(error, Unreachable)
        assert str(error).endswith("failed: no connection within 0.2 s")

    def test_that_the_system_has_words_for_is_told_in_them(self, client):
        error = fails(client, "http://224.0.0.1:9", QUICK)
        assert isinstance(error, Unreachable)
        assert str(error).endswith(f"failed: {os.strerror(errno.ENETUNREACH).lower()}")

    def test_of_tls_is_a_fault_as_any_other(self, client):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            asks = threading.Thread(target=self.speak_no_tls, args=(listener,))
            asks.start()
            error = fails(client, f"https://127.0.0.1:{listener.getsockname()[1]}")
            asks.join()
        assert str(error).endswith("failed: the TLS handshake failed")

    @staticmethod
    def speak_no_tls(listener):
        connection, _ = listener.accept()
        with connection:
            connection.recv(1)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    @pytest.mark.filterwarnings("ignore:unclosed")
    def test_of_two_lengths_is_not_http(self, client, scripted):
        scripted.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nhe", hang_up=True)
        assert str(fails(client, scripted.url)).endswith("failed: what came back is not HTTP")
        # urllib3 leaves the socket of such an answer to the garbage collector: have it collected here.
        gc.collect()

    def test_keeps_query_and_password_of_the_address_to_itself(self, client, dead_url):
        error = fails(client, dead_url.replace("//", "//user:hidden@"))
        assert "secret" not in str(error)
        assert "hidden" not in str(error)

    def test_has_nothing_of_an_error_that_the_caller_is_handling(self, client, scripted, dead_url):
        scripted.half(b"hello")
        try:
            socket.create_connection(("127.0.0.1", int(dead_url.rpartition(":")[2])))
        except ConnectionRefusedError:
            error = fails(client, scripted.url)
        assert str(error).endswith("its answer broke off halfway")


class TestTime:
    def test_without_an_answer_ends_at_the_read_time_out(self, client, scripted):
        scripted.hang()
        assert str(fails(client, scripted.url, QUICK)).endswith("failed: no answer within 0.2 s")

    def test_in_the_middle_of_a_body_ends_at_the_read_time_out(self, client, scripted):
        scripted.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhe").hang()
        assert str(fails(client, scripted.url, QUICK)).endswith("failed: no answer within 0.2 s")

    @pytest.mark.parametrize(
        "head",
        [
            b"",
            b"HTTP/1.1 200 OK\r\nX-Drip: ",
            b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
        ],
        ids=["status line", "header", "body of known length", "chunk", "body without an end"],
    )
    def test_of_an_answer_that_drips_in_ends_at_the_deadline_of_the_whole(self, client, scripted, head):
        scripted.drip(head)
        assert str(fails(client, scripted.url, DRIPPING)).endswith("failed: no whole answer within 0.5 s")

    def test_of_one_request_is_no_other_requests_time(self, client, scripted):
        scripted.hang().answer(200, b"approved")
        polls = threading.Thread(target=lambda: fails(client, scripted.url))
        polls.start()
        while not scripted.asked:
            time.sleep(0.001)
        assert client.request("POST", scripted.url).body == b"approved"
        assert polls.is_alive()
        client.close()
        polls.join()

    def test_ends_in_time_beside_a_request_that_has_more_of_it(self, client, scripted):
        scripted.hang().drip(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        polls = threading.Thread(target=lambda: fails(client, scripted.url))
        polls.start()
        while not scripted.asked:
            time.sleep(0.001)
        assert str(fails(client, scripted.url, DRIPPING)).endswith("failed: no whole answer within 0.5 s")
        assert polls.is_alive()
        client.close()
        polls.join()

    def test_is_watched_again_after_a_while_without_a_request(self, client, scripted):
        scripted.answer().drip(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        client.request("GET", scripted.url, timeouts=QUICK)
        while any(thread.name == "stormcone-http-deadline" for thread in threading.enumerate()):
            time.sleep(0.001)
        assert str(fails(client, scripted.url, DRIPPING)).endswith("failed: no whole answer within 0.5 s")


class TestABodyBeyondTheLimit:
    def test_is_refused(self, client, scripted):
        scripted.answer(200, b"x" * (BODY_LIMIT + 1))
        assert str(fails(client, scripted.url)).endswith("failed: its answer is larger than 1024 KiB")

    def test_is_refused_however_small_it_was_on_the_wire(self, client, scripted):
        scripted.answer(200, gzip.compress(bytes(BODY_LIMIT * 8)), {"Content-Encoding": "gzip"})
        assert str(fails(client, scripted.url)).endswith("failed: its answer is larger than 1024 KiB")

    def test_at_the_limit_is_an_answer(self, client, scripted):
        scripted.answer(200, b"x" * BODY_LIMIT)
        assert len(client.request("GET", scripted.url).body) == BODY_LIMIT

    def test_of_a_redirect_is_not_even_read(self, client, scripted):
        scripted.raw(b"HTTP/1.1 302 Found\r\nLocation: http://198.51.100.1/\r\nContent-Length: 9\r\n\r\n")
        assert "status 302" in str(fails(client, scripted.url, QUICK))


class TestAStatus:
    @pytest.mark.parametrize("status", [404, 410, 429, 500, 502, 503, 504, 301, 302, 307, 308, 304, 599, 700])
    def test_that_may_pass_is_a_passing_error(self, client, scripted, status):
        scripted.answer(status, headers={"Location": "http://198.51.100.1/"})
        error = fails(client, scripted.url)
        assert error.passing
        assert f"/some/path failed: status {status}, " in str(error)
        assert len(scripted.asked) == 1

    @pytest.mark.parametrize("status", [400, 401, 403, 405, 409, 418, 499])
    def test_that_blames_the_request_is_a_refusal(self, client, scripted, status):
        scripted.answer(status)
        error = fails(client, scripted.url)
        assert isinstance(error, RequestRefused)
        assert not error.passing

    def test_means_what_the_providers_table_says(self, scripted):
        scripted.answer(403)
        client = MetadataClient(statuses={**STATUSES, 403: HttpStatusMeaning("the token is old", passing=True)})
        error = fails(client, scripted.url)
        client.close()
        assert error.passing
        assert str(error).endswith("status 403, the token is old")

    def test_brings_the_time_to_wait_for(self, client, scripted):
        scripted.answer(429, headers={"Retry-After": "7"})
        assert fails(client, scripted.url).retry_after == 7.0

    def test_without_a_time_to_wait_for_has_none(self, client, scripted):
        scripted.answer(503)
        assert fails(client, scripted.url).retry_after is None


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("0", 0.0),
            (" 70 ", 70.0),
            ("Thu, 01 Jan 2026 00:01:10 GMT", 70.0),
            ("Thu, 01 Jan 2026 00:01:10 -0000", 70.0),
            ("Wed, 31 Dec 2025 23:00:00 GMT", 0.0),
            ("99999999999999999999", RETRY_AFTER_LIMIT),
            ("Thu, 01 Jan 2099 00:00:00 GMT", RETRY_AFTER_LIMIT),
            (None, None),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ],
    )
    def test_is_read_as_seconds_or_as_a_date(self, value, seconds):
        assert retry_after(value, NOW) == seconds

    @given(st.text() | st.from_regex(r"\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ [-+]?\w+"))
    def test_is_never_an_exception(self, value):
        seconds = retry_after(value, NOW)
        assert seconds is None or 0 <= seconds <= RETRY_AFTER_LIMIT


class TestClosing:
    def test_twice_does_no_harm(self, client):
        client.close()
        client.close()

    def test_refuses_what_is_asked_afterwards(self, client, scripted):
        client.close()
        error = fails(client, scripted.url)
        assert (str(error).rpartition("failed: ")[2], error.passing) == ("the client was closed", False)
        assert not scripted.asked

    def test_ends_a_request_that_hangs(self, client, scripted):
        scripted.hang()
        errors = []
        polls = threading.Thread(target=lambda: errors.append(fails(client, scripted.url)))
        polls.start()
        while not scripted.asked:
            time.sleep(0.001)
        client.close()
        polls.join()
        assert (str(errors[0]).rpartition("failed: ")[2], errors[0].passing) == ("the client was closed", False)

    def test_closes_its_connections_whoever_still_knows_them(self, client, scripted):
        scripted.answer()
        client.request("GET", scripted.url)
        pool = client._idle[0].adapter.pool  # as the frames of an error that is kept know it
        assert pool.connection.sock is not None
        client.close()
        assert pool.connection.sock is None

    def test_leaves_no_thread_behind(self, client, scripted):
        scripted.answer()
        client.request("GET", scripted.url)
        client.close()
        assert not [thread for thread in threading.enumerate() if thread.name == "stormcone-http-deadline"]
