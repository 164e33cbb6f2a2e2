"""A private server: it is gone when its process is, however that ends."""

import shutil
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from stormcone.postgresql import server

psycopg = pytest.importorskip("psycopg")


def test_ends_with_the_process_that_started_it(postgresql):
    """A test that runs out of time is killed, and leaves no server behind."""
    code = """
        from stormcone.postgresql.server import PostgresqlServer
        server = PostgresqlServer()
        print(server.folder, flush=True)
        input()
    """
    started = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with started as process:
        folder = Path(process.stdout.readline().strip())
        process.kill()
    end = time.monotonic() + 30
    while (folder / "data" / "postmaster.pid").exists():
        if time.monotonic() > end:
            pytest.fail("the server runs on")
        time.sleep(0.02)
    shutil.rmtree(folder)


def test_takes_another_port_where_somebody_was_quicker(postgresql, monkeypatch):
    """Many are started side by side, and a port that was free a moment ago may be another's."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = server._free_port
        ports = iter([taken.getsockname()[1], postgresql.port, free()])
        monkeypatch.setattr(server, "_free_port", lambda: next(ports))
        with server.PostgresqlServer() as ours, psycopg.connect(ours.url()) as connection:
            assert connection.execute("SELECT current_setting('data_directory')").fetchone() == (f"{ours.folder}/data",)
