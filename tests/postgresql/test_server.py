"""A private server: it is gone when its process is, however that ends."""

import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest


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
