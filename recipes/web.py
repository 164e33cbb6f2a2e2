"""A small service behind a balancer: each POST takes a while, and is answered with the service's name.

python recipes/web.py PORT NAME SECONDS
"""

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar


class Service(BaseHTTPRequestHandler):
    """GET is a health check; POST is work."""

    working: ClassVar[set[threading.Thread]] = set()

    def do_GET(self) -> None:
        """Answer how many requests it is working on."""
        self._answer(str(len(self.working)).encode())

    def do_POST(self) -> None:
        """Work, and answer who has worked."""
        self.working.add(threading.current_thread())
        time.sleep(float(sys.argv[3]))
        self._answer(sys.argv[2].encode())
        self.working.discard(threading.current_thread())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Nothing: a play has a client that notes everything."""


class Server(ThreadingHTTPServer):
    """One that has room for whoever comes."""

    request_queue_size = 128
    daemon_threads = True


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Service).serve_forever()
