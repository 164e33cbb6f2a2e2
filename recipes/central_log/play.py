"""Many events, a machine that reboots, and a central log that is away for a while just after that."""

import json
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from recipes.client import Request, SteadyClient
from recipes.machinery import Machinery, Stuck, free_port, until
from recipes.play import Scene
from stormcone.model import Impact

HERE = Path(__file__).parent

AWAY = 3.0
"""Seconds for which the central log is away."""

LISTED = timedelta(minutes=10)
"""How long each event is there to be seen: longer than the play."""

LATEST = 45.0
"""Seconds after the play's end after which what the log was not told counts as lost; nothing else tells so late."""


class CentralLog:
    """Takes what is posted, and notes of which event it has heard when.

    Attributes:
        url: where it is, when it is there.
        heard: when it was first told of an event, by `time.monotonic`.
    """

    def __init__(self) -> None:
        self._port = free_port()
        self._server: ThreadingHTTPServer | None = None
        self.url = f"http://127.0.0.1:{self._port}/events"
        self.heard: dict[str, float] = {}

    def open(self) -> None:
        """Take what comes."""
        log = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                log.heard.setdefault(str(told.get("correlationid")).casefold(), time.monotonic())
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,)).start()

    def close(self) -> None:
        """Be away."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class CentralLogScene(Scene):
    """A request is an event; it is lost where the log never hears of it."""

    title = "Central log"
    counted = "events"
    interval = 0.5

    def __init__(self, machinery: Machinery) -> None:
        super().__init__(machinery)
        self._log = CentralLog()
        self._ids: dict[int, str] = {}
        machinery.at_the_end(self._log.close)

    def set_up(self) -> None:
        """The log, and where there is no stormcone, what one has instead."""
        self._log.open()
        self._start_home_made()

    def ask(self, number: int) -> None:
        """One more event, of which the log should hear."""
        self._ids[number] = self.cloud.schedule(Impact.FREEZE, resources=[self.machine], notice=LISTED)

    def power_off(self) -> None:
        """What tells the log is gone."""
        if self.alone:
            self.machinery.kill("home-made")

    def power_on(self) -> None:
        """It starts by itself; and then the log's machine is serviced."""
        self._start_home_made()
        self._log.close()

    def agent(self) -> Sequence[str | Path]:
        """The configuration, as a user would copy it, with some handler."""
        return ["--config", HERE / "stormcone.toml", "--on-prepare", "true", "--on-recover", "true"]

    def environment(self) -> Mapping[str, str]:
        """Where the log is."""
        return {"CENTRAL_LOG": self._log.url}

    def wait_until_whole(self) -> None:
        """The log is there again."""
        time.sleep(AWAY)
        self._log.open()

    def seen(self, client: SteadyClient) -> Sequence[Request]:
        """When the log heard of each."""
        wanted = {each.number: self._ids[each.number].casefold() for each in client.requests}
        with suppress(Stuck):
            until(lambda: self._log.heard.keys() >= set(wanted.values()), "all events", 3.0 if self.alone else LATEST)
        heard = {number: self._log.heard.get(event) for number, event in wanted.items()}
        return [
            each._replace(lost="the log never heard of it")
            if (at := heard[each.number]) is None
            else each._replace(took=at - client.began - each.at)
            for each in client.requests
        ]

    def _start_home_made(self) -> None:
        if self.alone:
            self.machinery.start("home-made", [sys.executable, HERE / "home_made.py", self.cloud.url, self._log.url])


SCENE: type[Scene] = CentralLogScene
