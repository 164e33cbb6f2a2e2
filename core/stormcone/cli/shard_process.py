"""A process for one shard: `stormcone run --shard NAME`, which ends when whoever has started it is gone.

Run as `python -m stormcone.cli.shard_process TIE SHARD ARGUMENT...`. The tie is the read end of a pipe that its parent
holds open: when that ends, however it ends, the system closes the pipe, and this process is told to stop. That its loop
turns it says as it would say to systemd's watchdog (`stormcone.service.notify`).
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

_WATCHDOG = "60000000"
"""Microseconds: that somebody waits for its word; how often it says it is its own affair."""

_LONGEST = 4096


class RunProcess:
    """The parent's side of one.

    Args:
        shard: which shard.
        arguments: what `stormcone watch` was given.

    Attributes:
        number: the system's number of it.

    Raises:
        OSError: it cannot be begun.
    """

    def __init__(self, shard: str, arguments: Sequence[str]) -> None:
        self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ear.setblocking(False)
        self._ear.bind("")  # the system chooses a name that is no file
        address = self._ear.getsockname().decode().replace("\0", "@", 1)
        far, self._tie = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - ourselves, without a shell
                [sys.executable, "-m", __name__, str(far), shard, *arguments],
                stdin=subprocess.DEVNULL,
                pass_fds=(far,),
                env={**os.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": _WATCHDOG},
            )
        except BaseException:
            os.close(self._tie)
            self._ear.close()
            raise
        finally:
            os.close(far)
        self.number = self._process.pid

    def ended(self) -> int | None:
        """Its exit status, below 0 where a signal has ended it; None while it goes on."""
        status = self._process.poll()
        if status is not None and self._tie >= 0:
            os.close(self._tie)
            self._tie = -1
            self._ear.close()
        return status

    def turns(self) -> bool:
        """Whether it has said, since this was last asked, that its loop turns."""
        heard = False
        with suppress(OSError):
            while said := self._ear.recv(_LONGEST):
                heard = heard or b"WATCHDOG=1" in said.splitlines()
        return heard

    def stop(self) -> None:
        """Tell it to end in good order."""
        self._process.terminate()

    def reload(self) -> None:
        """Have it read its configuration again."""
        self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()


def _follow(tie: int) -> None:
    """Wait until the parent is gone, and end in good order."""
    with suppress(OSError):
        os.read(tie, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """The child's side."""
    from stormcone.cli import program

    tie, shard, *arguments = sys.argv[1:]
    os.set_inheritable(int(tie), False)
    threading.Thread(target=_follow, args=(int(tie),), name="stormcone-tie", daemon=True).start()
    program(["run", "--shard", shard, *arguments], shard=shard)


if __name__ == "__main__":
    main()
