"""HTTP as clients speak it, well and badly, on real sockets."""

import socket
import threading
from contextlib import suppress
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from stormcone.clock import ManualClock
from stormcone.errors import SimulationError
from stormcone_simulators.azure import AzureSimulator

TARGET = "/metadata/scheduledevents?api-version=2020-07-01"
GET = f"GET {TARGET} HTTP/1.1\r\nHost: x\r\nMetadata: true\r\n"
NOTHING = b'{"DocumentIncarnation": 1, "Events": []}'


class TestConnections:
    def test_a_connection_carries_many_requests(self, azure):
        split = urlsplit(azure.url)
        connection = HTTPConnection(split.hostname, split.port, timeout=10)
        local_ports = set()
        for _ in range(3):
            connection.request("GET", TARGET, headers={"Metadata": "true"})
            local_ports.add(connection.sock.getsockname())
            assert connection.getresponse().read() == NOTHING
        connection.close()
        assert len(local_ports) == 1

    def test_a_client_that_asks_for_close_sees_the_end_at_once(self, connect):
        connection = connect()
        connection.send(GET + "Connection: close\r\n\r\n")
        received = connection.until_closed()
        assert received.endswith(NOTHING)
        assert b"connection: close" in received.lower()

    def test_an_http_1_0_client_is_answered_and_let_go(self, connect):
        connection = connect()
        connection.send(f"GET {TARGET} HTTP/1.0\r\nMetadata: true\r\n\r\n")
        assert connection.until_closed().endswith(NOTHING)

    def test_requests_sent_ahead_are_answered_in_their_order(self, connect):
        connection = connect()
        other = "GET /nowhere HTTP/1.1\r\nHost: x\r\nMetadata: true\r\n\r\n"
        connection.send(GET + "\r\n" + other + GET + "Connection: close\r\n\r\n")
        assert [int(part[:3]) for part in connection.until_closed().split(b"HTTP/1.1 ")[1:]] == [200, 404, 200]

    def test_a_request_may_arrive_in_small_pieces(self, connect):
        connection = connect()
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for character in GET + "Connection: close\r\n\r\n":
            connection.send(character)
        assert connection.until_closed().endswith(NOTHING)

    def test_a_client_that_leaves_in_the_middle_disturbs_nobody(self, connect, machine):
        connection = connect()
        connection.send("POST /metadata/scheduledevents HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        connection.socket.close()
        assert machine.incarnation == 1


class TestRequests:
    def test_the_absolute_form_of_the_target_is_understood(self, azure, connect):
        connection = connect()
        connection.send(
            f"GET http://169.254.169.254{TARGET} HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n"
            "Connection: close\r\n\r\n"
        )
        assert connection.until_closed().endswith(NOTHING)
        assert azure.requests()[0]["path"] == "/metadata/scheduledevents"
        assert azure.requests()[0]["query"] == {"api-version": "2020-07-01"}

    def test_head_has_the_headers_of_get_and_no_body(self, alibaba, connect_to):
        answers = []
        for method in ("GET", "HEAD"):
            connection = connect_to(alibaba.url)
            connection.send(f"{method} /latest/meta-data/instance-id HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answers.append(connection.until_closed().split(b"\r\n\r\n", 1))
        (get, body), (head, nothing) = answers
        assert (head, body, nothing) == (get, b"i-aaa", b"")
        assert b"content-length: 5" in head.lower()

    def test_a_body_in_chunks_is_put_together(self, azure, connect):
        event_id = azure.schedule("reboot", resources=["web-0"])
        part, rest = '{"StartRequests": [{"Eve', f'ntId": "{event_id}"}}]}}'
        connection = connect()
        connection.send(GET.replace("GET", "POST") + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        connection.send(f"{len(part):x}\r\n{part}\r\n{len(rest):x}\r\n{rest}\r\n0\r\n\r\n")
        assert connection.until_closed().startswith(b"HTTP/1.1 200")
        assert azure.events()[0]["approved_by"] == ["web-0"]

    def test_a_client_that_waits_for_100_continue_gets_it(self, connect):
        connection = connect()
        connection.send(
            GET.replace("GET", "POST") + "Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
        )
        assert connection.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        connection.send("{}")
        assert connection.until_closed().startswith(b"HTTP/1.1 400")

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "CONNECT", "BREW"])
    def test_a_method_that_the_service_lacks_is_refused_and_the_connection_lives(self, connect, method):
        connection = connect()
        connection.send(GET.replace("GET", method) + "\r\n" + GET + "Connection: close\r\n\r\n")
        assert [int(part[:3]) for part in connection.until_closed().split(b"HTTP/1.1 ")[1:]] == [405, 200]

    @pytest.mark.parametrize(
        ("sent", "status"),
        [
            ("GARBAGE\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: x\r\nno colon here\r\n\r\n", 400),
            ("GET http://[bad/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: x\r\nLong: " + "x" * 200_000 + "\r\n\r\n", 431),
            ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n" + "x" * 1_048_577, 413),
        ],
        ids=["no request", "no host", "no header", "no URL", "no length", "long head", "long body"],
    )
    def test_what_cannot_be_read_is_refused_in_one_sentence_and_the_connection_ends(self, connect, sent, status):
        connection = connect()
        connection.send(sent)
        received = connection.until_closed()
        assert received.startswith(f"HTTP/1.1 {status} ".encode())
        assert b'{"error": "' in received


class TestLife:
    def test_closing_drops_open_connections_and_leaves_no_thread(self, clock):
        before = threading.active_count()
        with AzureSimulator(clock=clock) as simulator:
            split = urlsplit(simulator.url)
            idle = socket.create_connection((split.hostname, split.port), timeout=10)
            busy = socket.create_connection((split.hostname, split.port), timeout=10)
            simulator.faults.add(kind="hang")
            busy.sendall((GET + "\r\n").encode())
        with idle, busy:
            assert idle.recv(1) == b""
            with suppress(ConnectionResetError):
                assert busy.recv(1) == b""
        assert threading.active_count() == before

    def test_closing_while_clients_arrive_loses_no_socket(self, clock):
        for _ in range(30):
            with AzureSimulator(clock=clock) as simulator:
                split = urlsplit(simulator.url)
                arriving = [socket.create_connection((split.hostname, split.port), timeout=10) for _ in range(3)]
            for client in arriving:
                with client, suppress(ConnectionResetError):
                    assert client.recv(1) == b""

    def test_closing_twice_and_closing_before_the_start_are_harmless(self, clock):
        simulator = AzureSimulator(clock=clock)
        simulator.close()
        simulator.start_server()
        simulator.start_server()
        simulator.close()
        simulator.close()

    def test_a_port_in_use_is_named(self, azure):
        taken = urlsplit(azure.url).port
        with pytest.raises(
            SimulationError, match=f"cannot listen on port {taken} of 127.0.0.1: Address already in use"
        ):
            AzureSimulator(port=taken).start_server()

    @pytest.mark.parametrize("options", [{"port": 99999}, {"bind": "203.0.113.1"}])
    def test_an_address_that_cannot_be_bound_is_named(self, options):
        with pytest.raises(SimulationError, match="cannot listen on port"):
            AzureSimulator(**options).start_server()

    def test_before_it_listens_there_is_no_url(self):
        with pytest.raises(SimulationError, match="does not listen yet"):
            _ = AzureSimulator().url

    def test_it_listens_on_loopback_only_unless_told_otherwise(self, azure):
        assert azure.url.startswith("http://127.0.0.1:")

    def test_bound_to_every_address_it_names_one_that_can_be_called(self, azures):
        assert azures(bind="0.0.0.0").url.startswith("http://127.0.0.1:")  # noqa: S104

    @pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
    def test_an_ipv6_address_stands_in_brackets(self, azures, machine_of):
        try:
            simulator = azures(bind="::1")
        except SimulationError:
            pytest.skip("this machine has no IPv6 loopback address")
        assert simulator.url.startswith("http://[::1]:")
        assert machine_of(simulator, "web-0").incarnation == 1

    def test_a_fault_of_the_simulator_itself_is_a_500_and_the_next_request_works(self, azure, machine, monkeypatch):
        def broken(*_args):
            raise LookupError("oops")

        with monkeypatch.context() as patch:
            patch.setattr(azure._azure, "view", broken)
            assert machine.ask().status == 500
        assert machine.ask().status == 200

    def test_many_threads_at_once_are_all_answered(self, azure, machine):
        statuses = []
        threads = [threading.Thread(target=lambda: statuses.append(machine.ask().status)) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 40


def test_a_simulator_on_the_systems_clock_answers_too():
    with AzureSimulator() as simulator:
        assert simulator.events() == []


def test_a_manual_clock_given_to_two_simulators_moves_both():
    clock = ManualClock()
    with AzureSimulator(clock=clock) as one, AzureSimulator(clock=clock) as other:
        for simulator in (one, other):
            simulator.schedule("reboot", resources=["web-0"])
        clock.advance(minutes=15)
        assert {simulator.events()[0]["phase"] for simulator in (one, other)} == {"started"}
