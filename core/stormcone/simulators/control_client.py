"""Making simulated events from outside a simulator's process: its control API, spoken over HTTP."""

import ssl
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from stormcone.clock import SystemClock
from stormcone.clouds.http.faults import chain
from stormcone.clouds.http.trust import authorities
from stormcone.errors import ProviderError, SimulationError
from stormcone.model import Cause, Impact
from stormcone.simulators.contract import DEFAULT_PORT
from stormcone.text import printable

DEFAULT_ENDPOINT = f"http://127.0.0.1:{DEFAULT_PORT}"

_TIMEOUT = (2.0, 10.0)
_LONGEST = 1024 * 1024  # of a scenario's file; a simulator takes less, and says so


class ControlClient:
    """A simulator's control API.

    Args:
        endpoint: the simulator's address.
        ca_file: the authority that its certificate is verified by, where it speaks HTTPS; None for what the environment
            names (`REQUESTS_CA_BUNDLE`, `SSL_CERT_FILE`).

    Every method raises `ProviderError` where the simulator cannot be reached, and `SimulationError` with the
    simulator's own sentence where it refuses.

    Raises:
        SettingsError: the file of authorities is not there.
    """

    def __init__(self, endpoint: str = DEFAULT_ENDPOINT, ca_file: Path | None = None) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = authorities(self.endpoint, ca_file)

    def close(self) -> None:
        """Let go of the connection."""
        self._session.close()

    def __enter__(self) -> "ControlClient":
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def call(self, method: str, path: str, body: dict[str, Any] | bytes | None = None) -> dict[str, Any]:
        """One call of the control API; `path` is what follows `/_simulator/`, a body of bytes is sent as it is."""
        url = f"{self.endpoint}/_simulator/{path}"
        sent: dict[str, Any] = {"data" if isinstance(body, bytes) else "json": body}
        try:
            answer = self._session.request(method, url, timeout=_TIMEOUT, allow_redirects=False, **sent)
        except requests.exceptions.SSLError as error:
            raise ProviderError(f"the simulator at {self.endpoint} is not asked: {_mistrust(error)}") from error
        except requests.RequestException as error:
            raise ProviderError(
                f"no simulator answers at {self.endpoint}; start one with `stormcone simulator`, "
                "or say where it is with --endpoint"
            ) from error
        try:
            document = answer.json() if answer.content else {}
        except ValueError:
            document = None
        if not isinstance(document, dict) or (answer.status_code >= 400 and "error" not in document):
            raise SimulationError(f"what answers at {self.endpoint} is not a stormcone simulator")
        if answer.status_code >= 400:
            raise SimulationError(printable(str(document["error"])))
        return document

    def simulate(
        self,
        impact: Impact,
        *,
        resources: Collection[str],
        not_before: datetime,
        duration: timedelta | None = None,
        native_type: str | None = None,
        started_for: timedelta | None = None,
        cause: Cause | None = None,
        description: str | None = None,
    ) -> tuple[str, ...]:
        """Announce an event; see `stormcone.simulators.contract.Simulator.schedule`."""
        body: dict[str, Any] = {
            "impact": impact.value,
            "resources": list(resources),
            "not_before": not_before.astimezone(UTC).isoformat(),
            "duration_seconds": _seconds(duration),
            "started_for_seconds": _seconds(started_for),
            "native_type": native_type,
            "cause": cause,
            "description": description,
        }
        return (str(self.call("POST", "events", body)["id"]),)

    def change(
        self,
        identifier: str,
        *,
        resources: Collection[str] | None = None,
        notice: timedelta | None = None,
        duration: timedelta | None = None,
        description: str | None = None,
    ) -> None:
        """Move an event or change what it says; see `stormcone.simulators.contract.Simulator.change`."""
        body = {
            "resources": list(resources) if resources else None,
            "notice_seconds": _seconds(notice),
            "duration_seconds": _seconds(duration),
            "description": description,
        }
        self.call("PATCH", f"events/{quote(identifier, safe='')}", body)

    def move_event(self, identifier: str, step: str, body: dict[str, Any] | None = None) -> None:
        """`start` or `complete` an event now."""
        self.call("POST", f"events/{quote(identifier, safe='')}/{step}", body)

    def play(self, scenario: str | Path) -> str:
        """Begin a scenario, by name or from a file; answers what it is called."""
        if isinstance(scenario, str):
            return str(self.call("POST", f"scenarios/{quote(scenario, safe='')}")["scenario"])
        try:
            with scenario.open("rb") as file:
                content = file.read(_LONGEST)
        except OSError as error:
            raise SimulationError(f"the scenario {scenario} cannot be read: {error.strerror or error}") from error
        return str(self.call("POST", f"scenarios?name={quote(str(scenario), safe='')}", content)["scenario"])

    def cancel_simulated(self, ids: Collection[str]) -> None:
        """Call events off; see `stormcone.clouds.contract.Simulates`."""
        for identifier in ids:
            self.call("DELETE", f"events/{quote(identifier, safe='')}")

    def now(self) -> datetime:
        """The simulator's time."""
        return datetime.fromisoformat(self.call("GET", "clock")["now"])


def _mistrust(error: requests.exceptions.SSLError) -> str:
    if any(isinstance(link, ssl.SSLCertVerificationError) for link in chain(error)):
        return "its certificate cannot be verified; name its CA file in REQUESTS_CA_BUNDLE, as its ready line says"
    return "what answers there speaks no HTTPS; write http:// for a simulator without --https"


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


def clock_of(endpoint: str | None) -> SystemClock:
    """The clock to keep against an endpoint: a simulator's where one answers there, or else the machine's.

    A simulator may run fast or ahead; the times in its documents are by its own clock.
    """
    if endpoint is None:
        return SystemClock()
    try:
        parts = urlsplit(endpoint)
        with ControlClient(f"{parts.scheme}://{parts.netloc}") as control:
            answer = control.call("GET", "clock")
        return SystemClock(speed=answer["speed"], start=datetime.fromisoformat(answer["now"]))
    except (ProviderError, SimulationError, KeyError, TypeError, ValueError):
        return SystemClock()
