"""Two web services behind a balancer, and the client of both: what the recipes for HAProxy and nginx share."""

import http.client
import sys
import threading
from collections import Counter
from collections.abc import Mapping

from recipes.client import Lost
from recipes.machinery import PATIENCE, Machinery, free_port, listens, until
from recipes.play import HERE, Scene

SECONDS = 0.25
"""How long a request takes."""

GIVES_UP = PATIENCE
"""Seconds after which the client takes a request for lost; what is lost here is reset or refused, not just slow."""


class Pool(Scene):
    """A balancer in front of `machines`; the client's requests change something, so it sends none twice.

    Attributes:
        port: the balancer's.
        ports: those of the services, by their machines.
    """

    counted = "requests"

    def __init__(self, machinery: Machinery) -> None:
        super().__init__(machinery)
        self.port = free_port()
        self.ports = {name: free_port() for name in self.machines}
        self.answers = Counter[str]()
        self._lock = threading.Lock()

    def set_up(self) -> None:
        """The services first, and then what is in front of them."""
        for name in self.machines:
            self._serve(name)
        self.balance()
        until(lambda: self._says(self.port) is not None, "an answer through the balancer")

    def balance(self) -> None:
        """Start the balancer."""
        raise NotImplementedError

    def ask(self, number: int) -> None:
        """One POST, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=GIVES_UP)
        try:
            connection.request("POST", f"/{number}", body=b"x")
            answer = connection.getresponse()
            name = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise Lost(type(error).__name__) from error
        finally:
            connection.close()
        if answer.status != 200:
            raise Lost(f"status {answer.status}")
        with self._lock:
            self.answers[name] += 1

    def power_off(self) -> None:
        """The machine's service is gone, and all that it was about to answer.

        A machine that nobody has taken out of the pool goes while it works, however slow this computer is.
        """
        if self.alone:
            until(lambda: self._says(self.ports[self.machine]) not in {None, "0"}, f"a request for {self.machine}")
        self.machinery.kill(self.machine)
        self.answers.clear()

    def power_on(self) -> None:
        """It starts by itself."""
        self._serve(self.machine)

    def wait_until_whole(self) -> None:
        """It has answered again."""
        until(lambda: self.answers[self.machine] > 0, f"an answer of {self.machine}")

    def figures(self) -> Mapping[str, float]:
        """Whether the machine is of use again."""
        return {f"answers of {self.machine} since the reboot": self.answers[self.machine]}

    def _says(self, port: int) -> str | None:
        """How many requests a service is working on; None where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVES_UP)
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            return answer.read().decode() if answer.status == 200 else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _serve(self, name: str) -> None:
        port = self.ports[name]
        self.machinery.start(name, [sys.executable, "-I", HERE / "web.py", str(port), name, str(SECONDS)])
        until(lambda: listens(port), name)
