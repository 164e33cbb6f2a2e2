"""A primary, its standby, and a client that knows both."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from recipes.client import Lost
from recipes.machinery import Machinery, Stuck, free_port, until
from recipes.play import Scene
from stormcone.postgresql.server import USER, own, programs

# A play's power cut is a SIGKILL, which no file system sees; so nothing is to be had from fsync but time.
CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
primary_conninfo = 'host=127.0.0.1 port={peer} user={user}'
wal_keep_size = 64MB
wal_retrieve_retry_interval = 200ms
fsync = off
"""

GIVES_UP = 5.0
"""Seconds for which the client looks for a server that takes writes; a transaction that has begun is never repeated."""

WORK = 0.5
"""How long a transaction takes, in seconds."""


class PostgresqlScene(Scene):
    """db-0 is the primary, db-1 the standby."""

    title = "PostgreSQL"
    counted = "transactions"
    interval = 0.2
    machine = "db-0"
    machines = ("db-0", "db-1")

    def __init__(self, machinery: Machinery) -> None:
        super().__init__(machinery)
        self._bin = programs() or Path()
        self._ports = {name: free_port() for name in self.machines}
        self._committed: list[int] = []
        self._reboot_at = 0

    @classmethod
    def missing(cls) -> list[str]:
        """PostgreSQL's programs are not on the path."""
        return [] if programs() else ["postgresql"]

    def set_up(self) -> None:
        """The primary, a copy of it, and a table."""
        primary, standby = self._data("db-0"), self._data("db-1")
        for folder in (primary, standby):
            folder.mkdir(mode=0o700)
            own(folder)
        self._run("initdb", "-D", primary, "-U", USER, "-A", "trust", "--no-sync", "--no-instructions", "--no-locale")
        self._configure("db-0", "db-1")
        self._serve("db-0")
        self._sql("db-0", "create table entry (number int primary key)")
        self._run("pg_basebackup", "-D", standby, "-d", self._server("db-0"), "-c", "fast", "--no-sync")
        self._configure("db-1", "db-0")
        (standby / "standby.signal").touch()
        own(standby / "standby.signal")
        self._serve("db-1")
        until(lambda: self._followers("db-0") == 1, "the standby")

    def ask(self, number: int) -> None:
        """One transaction, on a connection of its own to whoever takes writes."""
        ports = ",".join(str(port) for port in self._ports.values())
        server = f"host=127.0.0.1,127.0.0.1 port={ports} user={USER} dbname=postgres target_session_attrs=read-write"
        work = ["\\echo begun", "begin", f"insert into entry values ({number})", f"select pg_sleep({WORK})", "commit"]
        words = [word for line in work for word in ("-c", line)]
        command = [str(self._bin / "psql"), "-XAtqw", "-v", "ON_ERROR_STOP=1", "-d", server, *words]
        end = time.monotonic() + GIVES_UP
        while True:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            if not done.returncode:
                self._committed.append(number)
                return
            if "begun" in done.stdout:
                raise Lost("cut off within the transaction")
            if time.monotonic() > end:
                raise Lost(f"no server took writes for {GIVES_UP:g} s")
            time.sleep(0.5)

    def power_off(self) -> None:
        """The server of db-0 is gone."""
        self.machinery.kill("db-0.server")
        self._reboot_at = len(self._committed)

    def power_on(self) -> None:
        """It starts by itself, as whatever it is."""
        self._serve("db-0")

    def agent(self) -> Sequence[str | Path]:
        """The handler, as a user would copy it."""
        return [Path(__file__).with_name("handler.py")]

    def environment(self) -> Mapping[str, str]:
        """Where the servers are."""
        return {
            "PG_BIN": str(self._bin),
            "PG_DATA": str(self._data("db-0")),
            "PG_HERE": self._server("db-0"),
            "PG_PEER": self._server("db-1"),
        }

    def wait_until_whole(self) -> None:
        """There is a primary with a standby that follows it, and somebody has written."""
        until(lambda: any(self._followers(name) for name in self.machines), "a primary with a standby")
        until(lambda: len(self._committed) > self._reboot_at, "a transaction")

    def figures(self) -> Mapping[str, float]:
        """Whether what was committed is there."""
        primary = next(name for name in self.machines if self._sql(name, "select pg_is_in_recovery()") == "f")
        there = {int(line) for line in self._sql(primary, "select number from entry").split()}
        return {"transactions committed and not there": len(set(self._committed) - there)}

    def _data(self, name: str) -> Path:
        return self.machinery.folder / name

    def _server(self, name: str) -> str:
        return f"host=127.0.0.1 port={self._ports[name]} user={USER}"

    def _run(self, program: str, *words: str | Path) -> str:
        return self.machinery.run([self._bin / program, *words], user=USER)

    def _configure(self, name: str, peer: str) -> None:
        settings = CONFIGURATION.format(port=self._ports[name], peer=self._ports[peer], user=USER)
        with (self._data(name) / "postgresql.conf").open("a") as file:
            file.write(settings)

    def _serve(self, name: str) -> None:
        self.machinery.start(name + ".server", [self._bin / "postgres", "-D", self._data(name)], user=USER)
        until(lambda: self._answers(name), name)

    def _answers(self, name: str) -> bool:
        try:
            return bool(self._sql(name, "select 1"))
        except Stuck:
            return False

    def _followers(self, name: str) -> int:
        return int(self._sql(name, "select count(*) from pg_stat_replication where state = 'streaming'"))

    def _sql(self, name: str, query: str) -> str:
        return self._run("psql", "-XAtqw", "-d", f"{self._server(name)} dbname=postgres", "-c", query).strip()


SCENE: type[Scene] = PostgresqlScene
