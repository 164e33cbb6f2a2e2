"""The list of requests is bounded in number and in bytes, and always has the last one."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from stormcone_simulators.http.messages import Request
from stormcone_simulators.request_log import LARGEST, MOST, LoggedRequest, RequestLog

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def logged(number, size=0):
    return LoggedRequest(NOW, None, Request("POST", f"/{number}", body=bytes(size)), f"/{number}", 200, None)


def kept(log):
    return [int(one.path[1:]) for one in log]


def test_small_requests_are_kept_up_to_a_number():
    log = RequestLog()
    for number in range(MOST + 5):
        log.add(logged(number))
    assert kept(log) == list(range(5, MOST + 5))


@settings(deadline=None)
@given(st.lists(st.sampled_from([0, 1, LARGEST // 3, LARGEST // 2, LARGEST, LARGEST * 2]), min_size=1, max_size=30))
def test_large_ones_up_to_their_bytes_and_the_last_one_in_any_case(sizes):
    log = RequestLog()
    for number, size in enumerate(sizes):
        log.add(logged(number, size))
    last = [one.size for one in log]
    assert kept(log) == list(range(len(sizes)))[-len(last) :]
    assert sum(last) <= LARGEST or len(last) == 1
    if len(last) < len(sizes):  # no fewer than there is room for
        assert sum(last) + logged(0, sizes[-len(last) - 1]).size > LARGEST


def test_a_client_that_sends_megabytes_costs_no_more(azure, machine):
    for number in range(40):
        machine.ask("POST", f"/{number}", body=bytes(1024 * 1024))
    paths = [request["path"] for request in azure.requests()]
    assert paths == [f"/{number}" for number in range(25, 40)]
