"""Takes values by POST, acknowledges them, and writes them down every few seconds, and when it ends.

python recipes/shutdown/collector.py PORT FILE SECONDS
"""

import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BUFFER: list[str] = []
LOCK = threading.Lock()


class Collector(BaseHTTPRequestHandler):
    """POST /VALUE."""

    def do_POST(self) -> None:
        """Take it."""
        with LOCK:
            BUFFER.append(self.path[1:])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Nothing."""


def write(file: Path) -> None:
    """Write down what there is."""
    with LOCK, file.open("a") as lines:
        lines.writelines(f"{value}\n" for value in BUFFER)
        BUFFER.clear()


def main() -> None:
    """Collect until SIGTERM."""
    port, file, seconds = int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    server = ThreadingHTTPServer(("127.0.0.1", port), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while not told.wait(seconds):
        write(file)
    server.shutdown()
    server.server_close()  # waits for whoever is being answered
    write(file)


if __name__ == "__main__":
    main()
