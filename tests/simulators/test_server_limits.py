"""A simulator that cannot serve says so, and clients that speak no HTTP leave no traceback."""

import gc
import resource
import socket
import struct
import threading
import time
from urllib.parse import urlsplit

import pytest

from stormcone.clock import ManualClock
from stormcone.errors import SimulationError
from stormcone_simulators.azure import AzureSimulator

TLS_HELLO = bytes.fromhex("16030100a5010000a10303") + bytes(200)


@pytest.fixture
def no_more_files():
    """No file descriptor is left but two: enough for the port, too few for a loop."""
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as probe:
        next_free = probe.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_free + 2, usual[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, usual)


# asyncio does not close a loop of its own that it could not make.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_one_without_file_descriptors_says_so_and_does_not_hang(no_more_files):
    simulator = AzureSimulator(["web-0"], clock=ManualClock())
    with pytest.raises(SimulationError, match=r"cannot serve on port 0: OSError: .*Too many open files"):
        simulator.start_server()
    simulator.close()
    gc.collect()


def test_where_no_connection_can_be_accepted_it_says_so_once_and_goes_on(monkeypatch, caplog):
    monkeypatch.setattr("asyncio.constants.ACCEPT_RETRY_DELAY", 0.01)
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    with AzureSimulator(["web-0"], clock=ManualClock()) as simulator, socket.socket() as client:
        place = urlsplit(simulator.url)
        client.settimeout(30)
        with socket.socket() as probe:
            next_free = probe.fileno()
        resource.setrlimit(resource.RLIMIT_NOFILE, (next_free, usual[1]))
        try:
            client.connect((place.hostname, place.port))
            until(lambda: caplog.records)
            threading.Event().wait(0.1)  # it fails again and again meanwhile, and says no more
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, usual)
        client.sendall(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 404 ")
    (record,) = caplog.records
    assert "no connection can be accepted now, and it goes on once one can: Too many open files" in record.getMessage()


def until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    "sent", [b"", b"GE", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"]
)
def test_a_connection_that_stays_half_open_is_dropped(sent, monkeypatch):
    monkeypatch.setattr("stormcone_simulators.http.server.PATIENCE", 0.05)
    with AzureSimulator(["web-0"], clock=ManualClock()) as simulator:
        place = urlsplit(simulator.url)
        with socket.create_connection((place.hostname, place.port), timeout=30) as client:
            client.sendall(sent)
            assert client.recv(100) == b""


def test_a_client_that_takes_no_answer_is_dropped(monkeypatch):
    monkeypatch.setattr("stormcone_simulators.http.server.PATIENCE", 0.05)
    with AzureSimulator(["web-0"], clock=ManualClock()) as simulator:
        place = urlsplit(simulator.url)
        client = socket.create_connection((place.hostname, place.port), timeout=30)
        with client, pytest.raises((ConnectionResetError, BrokenPipeError)):
            ask_for_ever(client)


def ask_for_ever(client):
    document = "/metadata/instance?api-version=2025-04-07"  # large, so that few answers fill what there is room for
    while True:
        client.sendall(f"GET {document} HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\n\r\n".encode())


@pytest.mark.parametrize("sent", [TLS_HELLO, b"\x00\xff" * 50, b"GET / HT\r\n\r\n", b"GET /"], ids=repr)
def test_bytes_that_are_no_http_and_a_reset_leave_nothing_on_the_output(sent, capfd, caplog):
    with AzureSimulator(["web-0"], clock=ManualClock()) as simulator:
        place = urlsplit(simulator.url)
        for _ in range(5):
            client = socket.create_connection((place.hostname, place.port), timeout=10)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(sent)
            client.close()  # with a reset
        assert simulator.requests() == []
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
