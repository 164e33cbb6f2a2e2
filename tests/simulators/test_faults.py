"""What a test can let go wrong between a client and its cloud."""

import socket
import threading
from http.client import IncompleteRead, RemoteDisconnected

import pytest

from stormcone.clock import ManualClock, SystemClock
from stormcone.errors import SimulationError

GET = "GET /metadata/scheduledevents?api-version=2020-07-01 HTTP/1.1\r\nHost: x\r\nMetadata: true\r\n\r\n"


class TestStatuses:
    def test_a_status_is_answered_as_often_as_asked_and_then_no_more(self, azure, machine):
        azure.faults.add(status=503, times=2)
        assert [machine.ask().status for _ in range(3)] == [503, 503, 200]

    def test_without_times_it_lasts_until_cleared(self, azure, machine):
        azure.faults.add(status=410)
        assert [machine.ask().status for _ in range(5)] == [410] * 5
        azure.faults.clear()
        assert machine.ask().status == 200

    def test_retry_after_is_sent(self, azure, machine):
        azure.faults.add(status=429, retry_after=5)
        assert machine.ask().headers["retry-after"] == "5"

    def test_a_request_with_another_status_has_not_reached_the_cloud(self, azure, machine):
        event_id = azure.schedule("reboot", resources=["web-0"])
        azure.faults.add(status=500)
        assert machine.approve(event_id).status == 500
        assert azure.events()[0]["approved_by"] == []

    def test_a_body_replaces_the_clouds_answer(self, azure, machine):
        azure.faults.add(body="<html>Sign in</html>", content_type="text/html")
        answer = machine.ask()
        assert (answer.status, answer.body) == (200, b"<html>Sign in</html>")
        assert answer.headers["content-type"] == "text/html"

    @pytest.mark.parametrize("status", [204, 304, 418, 599])
    def test_any_status_can_be_had(self, azure, machine, status):
        azure.faults.add(status=status)
        assert machine.ask().status == status


class TestSpoiltAnswers:
    @pytest.mark.parametrize(
        ("kind", "error"),
        [("reset", ConnectionResetError), ("close", RemoteDisconnected), ("half_body", IncompleteRead)],
    )
    def test_a_cut_connection_is_an_error_of_its_own_kind(self, azure, machine, kind, error):
        azure.faults.add(kind=kind, times=1)
        with pytest.raises(error):
            machine.ask()
        assert machine.ask().status == 200

    def test_half_a_body_is_half_of_it(self, azure, machine):
        whole = machine.ask().body
        azure.faults.add(kind="half_body")
        with pytest.raises(IncompleteRead) as caught:
            machine.ask()
        assert caught.value.partial == whole[: len(whole) // 2]

    def test_junk_is_not_http(self, azure, connect):
        azure.faults.add(kind="junk")
        connection = connect()
        connection.send(GET)
        assert not connection.until_closed().startswith(b"HTTP/")

    def test_a_hang_says_nothing_until_the_client_leaves(self, azure, machine, connect):
        azure.faults.add(kind="hang", times=1)
        connection = connect()
        connection.send(GET)
        connection.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.socket.recv(1)
        connection.socket.settimeout(10)
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.until_closed() == b""
        assert machine.ask().status == 200

    @pytest.mark.parametrize(
        ("kind", "check"),
        [
            ("empty", lambda answer: answer.body == b"" and answer.headers["content-length"] == "0"),
            ("invalid_utf8", lambda answer: answer.body.startswith(b"\xff")),
            ("text", lambda answer: answer.headers["content-type"] == "text/plain" and answer.json["Events"] == []),
        ],
    )
    def test_an_answer_may_be_wrong_in_itself(self, azure, machine, kind, check):
        azure.faults.add(kind=kind)
        answer = machine.ask()
        assert answer.status == 200
        assert check(answer)

    def test_a_drip_is_one_byte_a_second_of_the_simulators_clock(self, azure, clock, connect):
        azure.faults.add(kind="drip")
        connection = connect()
        connection.send(GET)
        for expected in b"HTTP":
            assert connection.socket.recv(100) == bytes((expected,))
            clock.advance(1)

    def test_an_approval_whose_answer_is_lost_has_arrived(self, azure, machine):
        event_id = azure.schedule("reboot", resources=["web-0"])
        azure.faults.add(kind="reset")
        with pytest.raises(ConnectionResetError):
            machine.approve(event_id)
        assert azure.events()[0]["approved_by"] == ["web-0"]

    def test_the_log_says_which_answer_was_spoilt(self, azure, machine):
        azure.faults.add(kind="empty", times=1)
        machine.ask()
        machine.ask()
        assert [request["fault"] for request in azure.requests()] == ["empty", None]

    def test_status_and_kind_go_together(self, azure, machine):
        azure.faults.add(status=500, kind="empty")
        answer = machine.ask()
        assert (answer.status, answer.body) == (500, b"")


class TestDelays:
    def wait_for_request(self, azure, machine):
        answers = []
        thread = threading.Thread(target=lambda: answers.append(machine.ask()))
        thread.start()
        return thread, answers

    def test_a_manual_clock_releases_a_delay_by_advancing(self, azure, clock, machine):
        azure.faults.add(delay_seconds=5, times=1)
        thread, answers = self.wait_for_request(azure, machine)
        while azure.faults.list():
            thread.join(0.001)
        clock.advance(4)
        assert machine.ask().status == 200
        assert answers == []
        clock.advance(1)
        thread.join(10)
        assert answers[0].status == 200

    def test_what_is_answered_is_the_state_after_the_delay(self, azure, clock, machine):
        azure.faults.add(delay_seconds=5, times=1)
        thread, answers = self.wait_for_request(azure, machine)
        while azure.faults.list():
            thread.join(0.001)
        azure.schedule("reboot", resources=["web-0"])
        clock.advance(5)
        thread.join(10)
        assert len(answers[0].json["Events"]) == 1

    def test_a_fast_clock_makes_the_delay_short(self, azures, machine_of):
        simulator = azures(clock=SystemClock(speed=10_000))
        simulator.faults.add(delay_seconds=600)
        assert machine_of(simulator, "web-0").ask().status == 200

    def test_a_clock_that_is_hurried_while_somebody_waits_lets_them_go(self, azures, machine_of):
        clock = SystemClock()
        simulator = azures(clock=clock)
        simulator.faults.add(delay_seconds=3600, times=1)
        thread, answers = self.wait_for_request(simulator, machine_of(simulator, "web-0"))
        while simulator.faults.list():
            thread.join(0.001)
        clock.speed = 100_000
        thread.join(10)
        assert answers[0].status == 200

    def test_closing_the_simulator_ends_a_delay(self, azures, machine_of):
        simulator = azures(clock=ManualClock())
        simulator.faults.add(delay_seconds=5)
        machine = machine_of(simulator, "web-0")
        errors = []

        def expect_an_error():
            with pytest.raises(ConnectionError) as caught:
                machine.ask()
            errors.append(caught.value)

        thread = threading.Thread(target=expect_an_error)
        thread.start()
        while not simulator._server._talks:
            thread.join(0.001)
        simulator.close()
        thread.join(10)
        assert len(errors) == 1


class TestWhichRequests:
    @pytest.mark.parametrize(
        ("rule", "statuses"),
        [
            ({}, [503, 503, 503, 503]),
            ({"path": "/metadata/scheduledevents"}, [503, 503, 503, 200]),
            ({"path": "/metadata/instance"}, [200, 200, 200, 503]),
            ({"method": "POST"}, [200, 503, 200, 200]),
            ({"method": "get"}, [503, 200, 503, 503]),
            ({"machine": "WEB-1"}, [200, 200, 503, 200]),
            ({"machine": "web-1", "method": "POST"}, [200, 200, 200, 200]),
            ({"query": {"format": "text"}}, [200, 200, 200, 503]),
            ({"query": {"format": "json"}}, [200, 200, 200, 200]),
        ],
    )
    def test_a_rule_is_for_the_requests_that_it_names(self, azure, machine, machine_of, rule, statuses):
        event_id = azure.schedule("reboot", resources=["web-0"])
        azure.faults.add(status=503, **rule)
        name = "/metadata/instance/compute/name?api-version=2021-02-01&format=text"
        answers = [
            machine.ask(),
            machine.approve(event_id),
            machine_of(azure, "web-1").ask(),
            machine.ask(path=name),
        ]
        assert [answer.status for answer in answers] == statuses

    def test_of_two_rules_the_older_one_goes_first(self, azure, machine):
        azure.faults.add(status=500, times=1)
        azure.faults.add(status=503, times=1)
        assert [machine.ask().status for _ in range(3)] == [500, 503, 200]

    def test_the_control_api_is_never_faulted(self, azure, control):
        azure.faults.add(status=503)
        azure.faults.add(kind="reset")
        assert control("GET", "health").status == 200

    def test_the_list_tells_how_often_a_rule_is_still_applied(self, azure, machine):
        number = azure.faults.add(status=503, times=3, path="/metadata")
        machine.ask()
        assert azure.faults.list() == [{"id": number, "status": 503, "times": 2, "path": "/metadata"}]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({}, "it says nothing to do; give status, body, delay_seconds or kind"),
        ({"path": "/x", "times": 1}, "it says nothing to do"),
        ({"status": 100}, "status: input should be greater than or equal to 200"),
        ({"status": "gone"}, "status: input should be a valid integer"),
        ({"kind": "explode"}, "kind: there is no kind 'explode'; there are: reset, close, hang"),
        ({"status": 500, "times": 0}, "times: input should be greater than or equal to 1"),
        ({"delay_seconds": -1}, "delay_seconds: input should be greater than or equal to 0"),
        ({"delay_seconds": float("nan")}, "delay_seconds: "),
        ({"status": 500, "colour": "red"}, "colour: extra inputs are not permitted"),
        ({"kind": "reset", "retry_after": 3}, "retry_after goes with a status"),
        ({"status": 500, "content_type": "text/html"}, "content_type goes with a body"),
        ({"body": "", "content_type": "a\r\nb"}, "content_type: "),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_in_a_sentence(azure, rule, reason):
    with pytest.raises(SimulationError, match=f"^the fault cannot be added: {reason}"):
        azure.faults.add(**rule)
    assert azure.faults.list() == []
