"""The Compute API through google-cloud-compute: begin upcoming maintenance, and simulate maintenance.

Imported when it is first needed, since the library takes its time and is an extra. Its session is guarded: by itself
it would look for proxies in the environment, and read a body of any size.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from google.api_core import exceptions as api_exceptions
from google.auth import exceptions as auth_exceptions
from google.auth.credentials import Credentials
from google.cloud import compute_v1
from google.cloud.compute_v1.services.instances.transports.rest import InstancesRestTransport
from google.oauth2 import credentials as user_credentials
from google.oauth2 import service_account
from google.protobuf import json_format

from stormcone.clock import Clock
from stormcone.clouds.exchange import Tap
from stormcone.clouds.http.api import API_TIMEOUTS, TransportFault, guard, proxies_for
from stormcone.clouds.payload import read_json
from stormcone.errors import ProviderError, RequestRefused
from stormcone.model import Impact
from stormcone.text import shortened
from stormcone_google.keys import HostPolicy
from stormcone_google.settings import PERMISSIONS

SCOPE = "https://www.googleapis.com/auth/cloud-platform"

_SOONER = timedelta(seconds=60)
_SHORT = 300
_ASKED = re.compile(r"^[A-Z]+ https?://\S+: ")
"""What the library puts before a message: the method and the URL."""

_FORBIDDEN = 403
_TOO_MANY = 429
_SERVER = 500


class VmPath(NamedTuple):
    """Where a VM is in the API."""

    project: str
    zone: str
    instance: str


class VmFacts(NamedTuple):
    """What the API says of a VM.

    Attributes:
        id: its id.
        policy: what becomes of it.
        taken_away: what being preempted is; None where it is no Spot VM.
    """

    id: str
    policy: HostPolicy
    taken_away: Impact | None


class VmCredentials(Credentials):  # type: ignore[misc]
    """The VM's service account, by its metadata server, which is asked as everything else there is.

    Args:
        read: answers a token, as the server writes it.
    """

    def __init__(self, read: Callable[[], bytes]) -> None:
        super().__init__()
        self._read = read

    def refresh(self, request: Any) -> None:  # noqa: ARG002 - the library's face
        """Take another token.

        Raises:
            ProviderError: there is none.
        """
        try:
            told = read_json(self._read())
        except ValueError as error:
            raise ProviderError(f"the token of the VM's service account {error}") from None
        token = told.get("access_token") if isinstance(told, dict) else None
        lasts = told.get("expires_in") if isinstance(told, dict) else None
        if not isinstance(token, str) or not isinstance(lasts, int | float) or isinstance(lasts, bool):
            raise ProviderError("the metadata server gives no token of the VM's service account")
        self.token = token
        # The library compares it with a time without a zone, which is UTC.
        self.expiry = (datetime.now(UTC) + timedelta(seconds=float(lasts)) - _SOONER).replace(tzinfo=None)


_KINDS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "service_account": service_account.Credentials.from_service_account_info,
        "authorized_user": user_credentials.Credentials.from_authorized_user_info,
    }
)
"""How the credentials of a file are made, by its `type`. Others name commands and addresses to
have a token from, so they are not believed."""


def credentials_of(path: Path) -> Any:
    """The credentials that a file holds.

    Raises:
        ProviderError: it holds none.
    """
    try:
        told = read_json(path.read_bytes())
        kind = str(told.get("type")) if isinstance(told, dict) else ""
        if kind not in _KINDS:
            raise ProviderError(
                f"the credentials file {path} cannot be used: its type {kind[:40]!r} is none of {', '.join(_KINDS)}; "
                "name another one"
            )
        return _KINDS[kind](told, scopes=[SCOPE])
    except (auth_exceptions.GoogleAuthError, OSError, ValueError, TypeError, KeyError) as error:
        why = f"it cannot be read ({type(error).__name__})"
        raise ProviderError(f"the credentials file {path} cannot be used: {why}; name another one") from None


class _Transport(InstancesRestTransport):  # type: ignore[misc]
    """The library's transport, with its session within reach."""

    @property
    def session(self) -> Any:
        """What its calls go through."""
        return self._session


class ComputeApi:
    """Calls of the Compute API about one VM; any number of threads may make them.

    Args:
        endpoint: its address, an http or https URL without a slash at its end.
        credentials: the library's.
        clock: for the times of what the tap is told.
        proxy: an http URL, or None for the environment's.
        tap: told of every exchange; None tells nobody.
        verify: what the API's certificate is verified by, as requests has it.

    Every call raises `RequestRefused` where the API says no, and `ProviderError` where it is not known what it says.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        credentials: Any,
        clock: Clock,
        proxy: str | None = None,
        tap: Tap | None = None,
        verify: str | bool = True,
    ) -> None:
        transport = _Transport(host=endpoint, credentials=credentials)
        self._session = transport.session
        guard(self._session, clock, tap)
        self._session.proxies.update(proxies_for(endpoint, proxy))
        self._session.verify = verify
        self._client = compute_v1.InstancesClient(transport=transport)

    def perform_maintenance(self, vm: VmPath) -> None:
        """Begin the VM's upcoming maintenance now."""
        with _told("performMaintenance"):
            _require(self._client.perform_maintenance_unary(**vm._asdict(), retry=None, timeout=API_TIMEOUTS.read))

    def simulate_maintenance(self, vm: VmPath) -> None:
        """Have the VM go through maintenance: it is really migrated, terminated or preempted."""
        with _told("simulateMaintenanceEvent"):
            began = self._client.simulate_maintenance_event_unary(**vm._asdict(), retry=None, timeout=API_TIMEOUTS.read)
            _require(began)

    def facts(self, vm: VmPath) -> VmFacts:
        """What becomes of the VM."""
        with _told("get"):
            found = self._client.get(**vm._asdict(), retry=None, timeout=API_TIMEOUTS.read)
        scheduling = found.scheduling
        migrates = {"MIGRATE": True, "TERMINATE": False}.get(scheduling.on_host_maintenance)
        spot = scheduling.preemptible or scheduling.provisioning_model == "SPOT"
        deleted = scheduling.instance_termination_action == "DELETE"
        taken = (Impact.TERMINATE if deleted else Impact.STOP) if spot else None
        return VmFacts(str(found.id), HostPolicy(migrates, scheduling.automatic_restart), taken)

    def granted(self, vm: VmPath, permissions: Collection[str]) -> frozenset[str]:
        """Those of these permissions that the caller has for the VM."""
        with _told("testIamPermissions"):
            found = self._client.test_iam_permissions(
                project=vm.project,
                zone=vm.zone,
                resource=vm.instance,
                test_permissions_request_resource=compute_v1.TestPermissionsRequest(permissions=list(permissions)),
                retry=None,
                timeout=API_TIMEOUTS.read,
            )
            return frozenset(found.permissions)

    def close(self) -> None:
        """Let go of connections. Safe to call twice."""
        self._session.close()


def _require(operation: Any) -> None:
    """Make sure that there is an operation: the library reads one out of whatever is JSON."""
    if not operation.name:
        raise ValueError("no operation")


@contextmanager
def _told(call: str) -> Iterator[None]:
    """Whatever the library raises, as an error of ours that holds no token."""
    try:
        yield
    except api_exceptions.GoogleAPICallError as error:
        fault = _answered(call, int(error.code or 0), str(error.message))
    except TransportFault as error:
        fault = ProviderError(f"Compute Engine's {call} failed: {error}")
    except auth_exceptions.GoogleAuthError as error:
        fault = ProviderError(f"Compute Engine's {call} failed: there is no token for it ({type(error).__name__})")
    except (json_format.Error, ValueError, TypeError, AttributeError) as error:
        # What comes in place of an answer is not always JSON, or an object.
        fault = ProviderError(f"Compute Engine's {call} failed: its answer cannot be read ({type(error).__name__})")
    else:
        return
    # Raised out here, since inside a handler the fault would carry the library's, request and all, as its context.
    raise fault


def _answered(call: str, status: int, message: str) -> ProviderError:
    plain = " ".join(_ASKED.sub("", message).split())
    sentence = f"Compute Engine's {call} failed: status {status}, {shortened(plain, _SHORT)}"
    if status == _FORBIDDEN:
        sentence += f"; grant the caller {PERMISSIONS.get(call, 'access to the project')}"
    if status == _TOO_MANY or status >= _SERVER or not status:
        return ProviderError(sentence)
    return RequestRefused(sentence)
