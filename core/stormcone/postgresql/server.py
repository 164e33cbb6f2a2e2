"""A PostgreSQL of one's own, in a temporary folder, for tests, recipes and demonstrations.

What it holds does not outlive a power cut: nothing is brought to the disk.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from stormcone.errors import PartMissing, StormconeError

USER = "postgres"
"""Whom servers run as where we are root, which they refuse; and the name of their superuser."""

PATIENCE = 60.0
"""Seconds after which a server that does not answer counts as failed."""

_PAUSE = 0.02

_PORTS = 3
"""How many ports are tried."""

_TIED = ("setpriv", "--pdeathsig", "INT", "--") if shutil.which("setpriv") else ()
"""Has the server end with the thread that started it, however that ends."""

SETTINGS: Mapping[str, str] = {"listen_addresses": "'127.0.0.1'", "fsync": "off", "shared_buffers": "16MB"}


def programs() -> Path | None:
    """The folder of the newest PostgreSQL of Debian's packages, else of one on the path; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if found and (found[-1] / "initdb").exists():
        return found[-1]
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).parent if elsewhere else None


def own(path: Path) -> None:
    """Give a file or folder to whom servers run as."""
    if os.geteuid() == 0:
        shutil.chown(path, USER, USER)


class PostgresqlServer:
    """One server on the loopback address and a Unix socket. Used with `with`: at the end it is gone, and its folder.

    Args:
        settings: lines of its configuration, by name.
        follows: the server whose standby it is, by streaming; None: it is a new one.

    Attributes:
        folder: where it is; its socket is there too.
        port: where it listens.

    Raises:
        PartMissing: no PostgreSQL is installed.
        StormconeError: it does not start.
    """

    def __init__(self, settings: Mapping[str, str] | None = None, *, follows: Self | None = None) -> None:
        found = programs()
        if found is None:
            raise PartMissing("there is no PostgreSQL server on this machine; install it: apt install postgresql")
        self._bin = found
        self._settings = {**SETTINGS, **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="stormcone-postgresql-"))
        try:
            own(self.folder)
            self.folder.chmod(0o755)
            self._make(follows)
            self._start_on_a_free_port()
        except BaseException:
            self.close()
            raise

    def url(self, database: str = "postgres", **options: str) -> str:
        """The address of one of its databases, with options of libpq's or of stormcone's."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}" + (f"?{query}" if query else "")

    def start(self) -> None:
        """Start it, where it does not run, and wait until it takes connections.

        Raises:
            StormconeError: it does not.
        """
        if self._process is not None and self._process.poll() is None:
            return
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a program of Debian's, without a shell
                [*_TIED, self._bin / "postgres", "-D", self._data],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                user=USER if os.geteuid() == 0 else None,
                start_new_session=True,
            )
        end = time.monotonic() + PATIENCE
        while not self.run("pg_isready", "-q", "-h", self.folder, "-p", str(self.port), fails=True):  # ours, no other's
            if self._process.poll() is not None or time.monotonic() > end:
                raise StormconeError(f"PostgreSQL does not start: {self.said()[-500:]}")
            time.sleep(_PAUSE)

    def _start_on_a_free_port(self) -> None:
        """Another program may take the port in the moment between; then there are more."""
        for left in reversed(range(_PORTS)):
            self.port = _free_port()
            with (self._data / "postgresql.conf").open("a") as file:
                file.write(f"port = {self.port}\n")  # the last one counts
            try:
                self.start()
            except StormconeError:
                if not left or "Address already in use" not in self.said():
                    raise
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it, and wait for that: SIGINT cuts off who is connected, SIGQUIT does not tidy up, SIGKILL is a crash."""
        if self._process is None:
            return
        if self._process.poll() is None:
            target = os.killpg if how is signal.SIGKILL else os.kill
            target(self._process.pid, how)
        self._process.wait(PATIENCE)

    def promote(self) -> None:
        """Have a standby take writes from now on.

        Raises:
            StormconeError: it is none.
        """
        self.run("pg_ctl", "promote", "-w", "-D", self._data)

    def said(self) -> str:
        """Its log."""
        return (self.folder / "server.log").read_text(errors="replace")

    def run(self, program: str, *words: str | Path, fails: bool = False) -> bool:
        """Run one of PostgreSQL's programs as its user; answers whether it succeeded.

        Raises:
            StormconeError: it failed, unless it may (`fails`).
        """
        done = _run([self._bin / program, *words], self.folder)
        if done.returncode and not fails:
            raise StormconeError(f"{program} failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.returncode == 0

    def close(self) -> None:
        """End it at once, and remove its folder. Safe to call twice."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _make(self, follows: "PostgresqlServer | None") -> None:
        if follows is not None:
            source = f"host=127.0.0.1 port={follows.port} user={USER}"
            self.run("pg_basebackup", "-D", self._data, "-d", source, "-R", "-c", "fast", "--no-sync")
        else:
            how = ("-A", "trust", "--no-sync", "--no-instructions", "--no-locale", "--encoding", "UTF8")
            self.run("initdb", "-D", self._data, "-U", USER, *how)
        lines = {"unix_socket_directories": f"'{self.folder}'", **self._settings}
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in lines.items())


def _run(command: Sequence[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - as above
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=folder,
        text=True,
        timeout=PATIENCE,
        user=USER if os.geteuid() == 0 else None,
        check=False,
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
