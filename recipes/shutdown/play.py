"""A service that acknowledges what it has in memory only, and a client that counts on that."""

import http.client
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from recipes.client import Lost, Request, SteadyClient
from recipes.machinery import Machinery, free_port, listens, until
from recipes.play import Scene
from recipes.units import Units

HERE = Path(__file__).parent

WRITES_EVERY = 5.0
"""Seconds between two times that the service writes down what it has, in both plays."""

GIVES_UP = 60.0
"""Seconds for which the client tries again where its value was not acknowledged."""


class ShutdownScene(Scene):
    """A value is lost where it was acknowledged and is not in the file at the end."""

    title = "Clean shutdown"
    counted = "values"
    needs = ("start-stop-daemon",)
    interval = 0.1

    def __init__(self, machinery: Machinery) -> None:
        super().__init__(machinery)
        self._units = Units(machinery)
        self._port = free_port()
        self._file = machinery.folder / "values"

    def set_up(self) -> None:
        """The service."""
        command = [sys.executable, "-I", HERE / "collector.py", str(self._port), self._file, str(WRITES_EVERY)]
        self._units.define("collector", command)
        self.power_on()

    def ask(self, number: int) -> None:
        """One value, again and again until it is acknowledged."""
        end = time.monotonic() + GIVES_UP
        while not self._sent(number):
            if time.monotonic() > end:
                raise Lost("not acknowledged")
            time.sleep(0.3)

    def power_off(self) -> None:
        """The service is gone, with what it had in memory."""
        self._units.power_off()

    def power_on(self) -> None:
        """It starts by itself."""
        self._units.start("collector")
        until(lambda: listens(self._port), "the collector")

    def agent(self) -> Sequence[str | Path]:
        """The configuration, as a user would copy it."""
        return ["--config", HERE / "stormcone.toml"]

    def environment(self) -> Mapping[str, str]:
        """Where `systemctl` is."""
        return self._units.environment

    def wait_until_whole(self) -> None:
        """It serves."""
        until(lambda: listens(self._port), "the collector")

    def seen(self, client: SteadyClient) -> Sequence[Request]:
        """What was acknowledged and is not there is lost."""
        self.machinery.run([self.machinery.folder / "systemctl", "stop", "collector"])
        there = set(map(int, self._file.read_text().split()))
        return [
            each if each.number in there else each._replace(lost=each.lost or "acknowledged, and gone")
            for each in client.requests
        ]

    def _sent(self, number: int) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("POST", f"/{number}")
            return connection.getresponse().status == 204
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


SCENE: type[Scene] = ShutdownScene
