"""What documents beyond all measure cost the agent: time, memory and what it prints.

    python benchmarks/aside/documents.py [CASE ...]

For each case a server of its own, in a process of its own, answers every poll in Azure's words with one document of at
most 1 MiB, and the agent is `stormcone run`, a process too, with a handler that does nothing, its journal in the
temporary folder (TMPDIR puts it elsewhere) and its output in a file. A document of events has all of them approved by
name; any other is looked at for ten seconds. Beside them stands an empty document: what the agent costs without any.
"""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

LOOKED_AT = 10.0
"""Seconds for which a document is looked at in which nothing is to be approved."""

LONGEST = 600.0
"""Seconds after which a case is given up."""

HANDLERS = """
from stormcone import App

app = App()

@app.prepare
def prepare(event, context): ...
"""


class Case(NamedTuple):
    """One document.

    Attributes:
        document: what the answer to the poll of that number holds.
        approvals: how many events of it are to be approved.
    """

    document: Callable[[int], str]
    approvals: int = 0


def the_same(events: list[Any]) -> Callable[[int], str]:
    document = json.dumps({"DocumentIncarnation": 1, "Events": events}, separators=(",", ":"))
    return lambda _poll: document


def events(number: int) -> Case:
    entries = [{"EventId": f"{each:x}", "EventStatus": "Scheduled", "Resources": ["w"]} for each in range(number)]
    return Case(the_same(entries), number)


def other_events_each_time(poll: int) -> str:
    ids = range(poll * 1000, (poll + 1) * 1000)
    return json.dumps({"Events": [{"EventId": f"{each:x}", "Resources": ["w"]} for each in ids]})


def nonsense_that_varies(poll: int) -> str:
    return json.dumps({"Events": [{"EventId": f"{each}", "NotBefore": f"{poll}-{each}"} for each in range(1500)]})


CASES = {
    "empty": Case(the_same([])),
    "1000 events": events(1000),
    "3500 events": events(3500),
    "16000 events": events(16_000),
    "200000 entries {}": Case(the_same([{}] * 200_000)),
    "80000 names": Case(the_same([{"EventId": "E", "Resources": [f"m{number}" for number in range(80_000)]}])),
    "1 MiB in one text": Case(the_same([{"EventId": "E", "Description": "x" * 1_000_000, "Resources": ["w"]}])),
    "1000 other events each time": Case(other_events_each_time),
    "60 kB that varies": Case(nonsense_that_varies),
}


class Server(ThreadingHTTPServer):
    """Azure's metadata service, as far as the agent asks it."""

    request_queue_size = 256
    daemon_threads = True

    def __init__(self, case: Case) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.case = case
        self.polls = count()
        self.approved: set[str] = set()


class Answers(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        if "/instance/" in self.path:
            self._answer('{"name": "w", "vmId": "1"}')
        else:
            self._answer(self.server.case.document(next(self.server.polls)))

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.approved |= {each["EventId"] for each in asked["StartRequests"]}
        self._answer("")

    def log_message(self, *_: object) -> None: ...

    def _answer(self, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)


def serve(name: str, pipe: Connection) -> None:
    """Say at which port, then, at each question, how many events have been approved."""
    server = Server(CASES[name])
    pipe.send(server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with suppress(EOFError):
        while True:
            pipe.recv()
            pipe.send(len(server.approved))


def approved(pipe: Connection) -> int:
    pipe.send(None)
    return int(pipe.recv())


def memory(process: int) -> float:
    """The most that a process has had in memory, in MiB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def processor(process: int) -> float:
    """Seconds of a processor that a process has had."""
    times = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


def measure(name: str) -> str:
    case = CASES[name]
    pipe, far = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(name, far), daemon=True)
    server.start()
    with tempfile.TemporaryDirectory() as folder, Path(folder, "output").open("wb") as output:
        Path(folder, "handlers.py").write_text(HANDLERS)
        words = ["run", "handlers.py", "--provider", "azure", "--endpoint", f"http://127.0.0.1:{pipe.recv()}"]
        begun = time.monotonic()
        agent = subprocess.Popen(
            [sys.executable, "-m", "stormcone", *words, "--journal", "journal.db", "--log", "text"],
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            spent = 0.0
            while (spent := time.monotonic() - begun) < (LONGEST if case.approvals else LOOKED_AT):
                if case.approvals and approved(pipe) >= case.approvals:
                    break
                time.sleep(0.1)
            found = approved(pipe)
            most, worked = memory(agent.pid), processor(agent.pid)
            agent.send_signal(signal.SIGTERM)
            agent.wait(60)
        finally:
            agent.kill()
            server.terminate()
        size = Path(folder, "output").stat().st_size
        longest = max(map(len, Path(folder, "output").read_bytes().splitlines()), default=0)
    done = f"{found} approved, " if case.approvals else ""
    return (
        f"{name:<30} {len(case.document(1)) / 1024:5.0f} KiB: {done}{spent:.1f} s ({worked:.1f} s of a processor), "
        f"{most:.0f} MiB, {size / 1024:.0f} KiB printed, the longest line {longest} characters"
    )


def main() -> None:
    print(f"{datetime.now(UTC):%Y-%m-%d}: {Path(__file__).name}", flush=True)
    for name in sys.argv[1:] or CASES:
        print(measure(name), flush=True)


if __name__ == "__main__":
    main()
