"""Services as a machine has them: started at boot, stopped and started by `systemctl`, which here is a small script."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

from recipes.machinery import Machinery, family

# A stop is SIGTERM, and SIGKILL 20 seconds later, as systemd's is with its TimeoutStopSec.
SYSTEMCTL = """#!/bin/sh
set -eu
unit="{folder}/$2"
case $1 in
    start)
        exec start-stop-daemon --start --oknodo --quiet --background --make-pidfile --pidfile "$unit.pid" \\
            --output "$unit.log" --startas "$unit" ;;
    is-active)
        [ "$2" != --quiet ] || unit="{folder}/$3"
        exec start-stop-daemon --status --pidfile "$unit.pid" ;;
    stop)
        exec start-stop-daemon --stop --oknodo --quiet --pidfile "$unit.pid" --retry TERM/20/KILL/5 ;;
esac
"""


class Units:
    """The services of the machine that is rebooted.

    Attributes:
        environment: what an agent needs to find this `systemctl`.
    """

    def __init__(self, machinery: Machinery) -> None:
        self._folder = machinery.folder
        machinery.at_the_end(self.power_off)
        systemctl = self._folder / "systemctl"
        systemctl.write_text(SYSTEMCTL.format(folder=self._folder))
        systemctl.chmod(0o755)
        self.environment: Mapping[str, str] = {"PATH": f"{self._folder}:{os.environ['PATH']}"}

    def define(self, name: str, command: Sequence[object]) -> None:
        """A service that runs that command; no word of it has a quote."""
        unit = self._folder / name
        unit.write_text("#!/bin/sh\nexec " + " ".join(f"'{word}'" for word in command) + "\n")
        unit.chmod(0o755)

    def start(self, name: str) -> None:
        """What `systemctl start` does, and a boot."""
        subprocess.run([self._folder / "systemctl", "start", name], check=True, stdin=subprocess.DEVNULL)

    def runs(self, name: str) -> bool:
        """Whether it runs."""
        return subprocess.run([self._folder / "systemctl", "is-active", name], check=False).returncode == 0

    def power_off(self) -> None:
        """All of them are gone, at once."""
        for file in self._folder.glob("*.pid"):
            for number in family(int(file.read_text())):
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            file.unlink()
