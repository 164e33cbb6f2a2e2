"""The command that agents under attack run: it writes down what it does, and behaves by chance.

It runs with `python -I -S`, so it finds what is beside it by hand.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from deeds import Deed, Temper, pause

PIECE = 0.02
LAST_WORK = 0.1
"""Seconds that it takes to come to a good end once it is told to."""

SECRETS = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET")
STATUSES = {"": 0, "retry": 75, "gives up": 1, "veto": 1}


class Told(BaseException):
    """SIGTERM has come."""


def _told(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Told


def _work(deed: Deed, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pause(PIECE)
        deed.line("works", pid=os.getpid())


def main() -> int:
    """Do it."""
    environ = os.environ
    what = (environ["STORMCONE_EVENT_ID"], "commands", environ["STORMCONE_STAGE"], int(environ["STORMCONE_ATTEMPT"]))
    deed, temper = Deed(*what), Temper(*what)
    if sys.argv[1:] == ["helper"]:
        _work(deed, temper.seconds + 0.2)
        return 0
    signal.signal(signal.SIGTERM, signal.SIG_IGN if temper.deaf else _told)
    deed.line("begins", pid=os.getpid(), secrets=[name for name in SECRETS if name in environ])
    try:
        if temper.talks:
            sys.stdout.write(("x" * 200 + "\n") * 5000)
            sys.stdout.flush()
        if temper.helper:
            again = [sys.executable, "-I", "-S", __file__, "helper"]
            subprocess.run(again, start_new_session=True, check=False)  # noqa: S603
        _work(deed, temper.seconds)
    except Told:
        deed.line("told")
        pause(LAST_WORK)
        deed.line("ends", how="told")
        return 143
    deed.line("ends", how=temper.fails or "well")
    if temper.fails == "error":
        os.kill(os.getpid(), signal.SIGKILL)
    return STATUSES[temper.fails]


if __name__ == "__main__":
    sys.exit(main())
