"""The metadata service of an instance: who it is, its role's credentials, and the release of a spot instance.

Source, unless a line says otherwise: ECS's documentation of instance metadata. Unverified, all of them: the statuses
and texts of refusals, which no page names.
"""

import json
from datetime import datetime, timedelta

from stormcone.clock import Clock
from stormcone_simulators.alibaba.documents import stamp
from stormcone_simulators.alibaba.metadata_tree import leaves_of
from stormcone_simulators.alibaba.model import AlibabaModel
from stormcone_simulators.alibaba.site import Site
from stormcone_simulators.http.messages import Request, Response
from stormcone_simulators.machines import SimulatedMachine
from stormcone_simulators.metadata import MetadataTree, SealedTokens
from stormcone_simulators.settings import AccessKey

ROOT = "/latest"
DATED = "/2016-01-01"
"""The dated version that the documentation names; of others nothing is known."""

VERSIONS = (DATED, ROOT)

ROLE = "stormcone"
ROLE_KEY = AccessKey(id="STS.stormcone", secret="rolesecret", token="roletoken")  # noqa: S106 - invented, for tests
"""What the instance's RAM role signs with; invented."""

_TOKEN_PATH = f"{ROOT}/api/token"
_TTL = "x-aliyun-ecs-metadata-token-ttl-seconds"
_TOKEN = "x-aliyun-ecs-metadata-token"  # noqa: S105 - a header's name
_TEXT_TYPE = "text/plain; charset=utf-8"
_CREDENTIALS_LAST = timedelta(hours=6)


class MetadataService:
    """Answers each instance about itself.

    Args:
        model: the rules.
        site: where the instances are.
        signing_clock: the clients' time, which credentials have to outlast as well as the simulator's.
    """

    def __init__(self, model: AlibabaModel, site: Site, signing_clock: Clock) -> None:
        self._model = model
        self._site = site
        self._signing_clock = signing_clock
        self._tokens = SealedTokens()

    def answer(self, request: Request, path: str, machine: SimulatedMachine, now: datetime) -> Response:
        """What the service answers to `machine`."""
        if path == _TOKEN_PATH:
            return self._new_token(request, machine, now)
        if request.method not in {"GET", "HEAD"}:
            return _text(405, "Method Not Allowed")
        token = request.header(_TOKEN)
        if token is None and self._site.token_required:
            return _text(403, "Forbidden")
        if token is not None and not self._tokens.is_good(token, machine.name, now):
            return _text(401, "Unauthorized")
        value = self._tree(machine, now).at(path)
        return _text(404, "Not Found") if value is None else _text(200, value)

    def _new_token(self, request: Request, machine: SimulatedMachine, now: datetime) -> Response:
        if request.method != "PUT":
            return _text(405, "Method Not Allowed")
        if request.header("x-forwarded-for") is not None:
            return _text(403, "Forbidden")
        token = self._tokens.issue(machine.name, request.header(_TTL), now)
        return _text(400, "Bad Request") if token is None else _text(200, token)

    def _tree(self, machine: SimulatedMachine, now: datetime) -> MetadataTree:
        release = self._model.spot_release(machine.name)
        leaves = {
            **leaves_of(self._model.instances.hardware(machine.name), self._site),
            f"meta-data/ram/security-credentials/{ROLE}": self._credentials(now),
        }
        if release is not None:
            leaves["meta-data/instance/spot/termination-time"] = stamp(release.not_before)
        return MetadataTree({f"{version}/{path}": value for version in VERSIONS for path, value in leaves.items()})

    def _credentials(self, now: datetime) -> str:
        clients_now = self._signing_clock.now()
        return json.dumps(
            {
                "AccessKeyId": ROLE_KEY.id,
                "AccessKeySecret": ROLE_KEY.secret,
                "Expiration": stamp(max(now, clients_now) + _CREDENTIALS_LAST),
                "SecurityToken": ROLE_KEY.token,
                "LastUpdated": stamp(min(now, clients_now)),
                "Code": "Success",
            }
        )


def is_metadata(request: Request, path: str) -> bool:
    """Whether a request is for the metadata service and not for the API, with which it shares an address here.

    The API has no use for a request that says nothing at all; the service answers it with its versions.
    """
    if any(f"{path}/".startswith(f"{version}/") for version in VERSIONS):
        return True
    bare = not request.query and not request.body and "x-acs-action" not in request.headers
    return path == "/" and bare and request.method in {"GET", "HEAD"}


def failure(status: int) -> Response:
    """What the service says when it fails with that status."""
    return _text(status, Response(status).reason)


def _text(status: int, text: str) -> Response:
    return Response(status, text.encode(), content_type=_TEXT_TYPE)
