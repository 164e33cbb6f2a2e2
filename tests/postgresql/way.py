"""What befalls a server or the way to it: it is lost, frozen, or cut off."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stormcone.postgresql.server import PostgresqlServer


@contextmanager
def frozen(server: PostgresqlServer) -> Iterator[None]:
    """While the server hangs: it takes connections, as the system does for it, and says nothing."""
    first = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
    stopped = [first]
    os.kill(first, signal.SIGSTOP)
    try:
        for child in Path(f"/proc/{first}/task/{first}/children").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGSTOP)
                stopped.append(int(child))
        yield
    finally:
        for each in reversed(stopped):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)


class Pair:
    """A server and its standby."""

    def __init__(self, primary, standby):
        self.primary, self.standby = primary, standby

    def url(self, **options):
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        return self.primary.url(**options).replace(f"127.0.0.1:{self.primary.port}", hosts)

    def part(self):
        """What is written from now on does not come to the standby."""
        import psycopg

        with psycopg.connect(self.primary.url(), autocommit=True) as first:
            (end,) = first.execute("SELECT pg_current_wal_lsn()").fetchone()
        with psycopg.connect(self.standby.url(), autocommit=True) as second:
            while not second.execute("SELECT pg_last_wal_replay_lsn() >= %s", [end]).fetchone()[0]:
                pass
        self.standby.stop()

    def fail_over(self):
        self.primary.stop(signal.SIGKILL)
        self.standby.start()
        self.standby.promote()


class Way:
    """A way to the server that can be cut: then nothing that is sent arrives, and nobody is told."""

    def __init__(self, port):
        self._server = port
        self._open = threading.Event()
        self._open.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        self._open.clear()

    def mend(self):
        self._open.set()

    def close(self):
        self.mend()
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                self._sockets += [client, server]
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source, target):
        with suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)
