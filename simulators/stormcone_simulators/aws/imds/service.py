"""The metadata service: who is answered, with a token or without, and what.

Source, unless a line says otherwise: EC2's documentation of the instance metadata service. Unverified: the statuses of
methods that it does not have, and the order in which it refuses.
"""

from datetime import datetime
from enum import StrEnum

from stormcone.clock import Clock
from stormcone_simulators.aws.imds.pages import page, text
from stormcone_simulators.aws.imds.role import role_leaves
from stormcone_simulators.aws.imds.tree import VERSIONS, leaves_of
from stormcone_simulators.aws.model import AwsModel
from stormcone_simulators.http.messages import Later, Request, Response
from stormcone_simulators.machines import SimulatedMachine
from stormcone_simulators.metadata import MetadataTree, SealedTokens

TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path

MOST_HOPS = 64
"""The highest hop limit."""

_TTL = "x-aws-ec2-metadata-token-ttl-seconds"
_TOKEN = "x-aws-ec2-metadata-token"  # noqa: S105 - a header's name
_FOREVER = 3600.0


class ImdsMode(StrEnum):
    """Whether a token is wanted, or nobody is answered at all."""

    BOTH = "both"
    V2 = "v2"
    OFF = "off"


class MetadataEndpoint:
    """Answers each instance about itself.

    Args:
        model: the rules.
        signing_clock: the clients' time, which the role's credentials have to outlast as well as the simulator's.
        mode: whether a token is wanted.
        hops: how many hops lie between a client and its instance: one from within a container, say.
        hop_limit: how many hops the answer with a token may go; the first is that to the instance.
    """

    def __init__(self, model: AwsModel, signing_clock: Clock, mode: ImdsMode, *, hops: int, hop_limit: int) -> None:
        self._model = model
        self._signing_clock = signing_clock
        self._mode = mode
        self._token_arrives = hops < hop_limit
        self._tokens = SealedTokens()

    def answer(self, request: Request, path: str, machine: SimulatedMachine, now: datetime) -> Response | Later:
        """What the service answers to `machine`."""
        if self._mode is ImdsMode.OFF:
            return page(403)
        if path == TOKEN_PATH:
            return self._new_token(request, machine, now)
        if request.method not in {"GET", "HEAD"}:
            return page(405)
        token = request.header(_TOKEN)
        if token is None and self._mode is ImdsMode.V2:
            return page(401)
        if token is not None and not self._tokens.is_good(token, machine.name, now):
            return page(401)
        value = self._at(path, machine, now)
        return page(404) if value is None else text(value)

    def _new_token(self, request: Request, machine: SimulatedMachine, now: datetime) -> Response | Later:
        if request.method != "PUT":
            return page(405)
        if not self._token_arrives:
            return Later(_FOREVER)  # its packets are dropped on the way
        if request.header("x-forwarded-for") is not None:
            return page(403)
        asked = request.header(_TTL)
        token = self._tokens.issue(machine.name, asked, now)
        return page(400) if token is None else text(token, (_TTL.title(), asked or ""))

    def _at(self, path: str, machine: SimulatedMachine, now: datetime) -> str | None:
        version, _, place = path.strip("/").partition("/")
        if not version:
            return "\n".join(VERSIONS)
        if version not in VERSIONS:
            return None
        leaves = {
            **leaves_of(self._model, machine.name, now),
            **role_leaves(now, self._signing_clock.now()),
        }
        listed = MetadataTree(leaves).at(place)
        # Seen in the field: what a version has is listed without slashes.
        return listed if place or listed is None else listed.replace("/", "")


def is_metadata(path: str) -> bool:
    """Whether a path is one of the metadata service, which shares its address with the API here."""
    return path == "/" or path.strip("/").partition("/")[0] in VERSIONS
