"""A simulator that cannot serve says so, and clients that speak no HTTP leave no traceback."""

import gc
import resource
import socket
import struct
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
