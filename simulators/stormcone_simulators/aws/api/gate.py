"""The gateway of AWS's APIs: who calls which service, and whether it is really them.

Clients sign with their own clocks, so how old a signature is, is measured on `signing_clock`, which is the real time
even where the simulator's clock stands still or runs fast.

Source: the documentation of Signature Version 4 and the services' pages of common errors. Unverified: which of two
codes a service has for a wrong signature, and the order of the checks.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from stormcone.clock import Clock
from stormcone_simulators.aws.api import sigv4
from stormcone_simulators.aws.api.errors import AwsError
from stormcone_simulators.http.messages import Request, form_of
from stormcone_simulators.settings import AccessKey

SKEW = timedelta(minutes=5)
"""How far a client's clock may be off."""

SERVICES = ("ec2", "sqs", "autoscaling")

VERSIONS: Mapping[str, str] = {"2016-11-15": "ec2", "2012-11-05": "sqs", "2011-01-01": "autoscaling"}
"""By the version of the query protocol that a call names, whose it is. Source: botocore's models."""

_TIME = "%Y%m%dT%H%M%SZ"


class AwsGate:
    """Lets calls in.

    Args:
        keys: who may call.
        region: which region this is.
        signing_clock: the clients' time.
    """

    def __init__(self, keys: Iterable[AccessKey], region: str, signing_clock: Clock) -> None:
        self._keys = {key.id: key for key in keys}
        self._region = region
        self._clock = signing_clock

    def admit(self, request: Request) -> None:
        """Check who calls.

        Raises:
            AwsError: it is not let in.
        """
        by = sigv4.read_authorization(request.header("authorization") or "")
        if by is None:
            raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token")
        key = self._keys.get(by.key)
        token = request.header("x-amz-security-token") or ""
        unknown = "AuthFailure" if by.service == "ec2" else "InvalidClientTokenId"
        if key is None or not sigv4.same(token, key.token):
            raise AwsError(unknown, "AWS was not able to validate the provided access credentials")
        text = sigv4.string_to_sign(request.method, request.target, request.headers, request.body, by)
        fits = sigv4.same(by.signature, sigv4.sign(key.secret, by, text))
        if not fits or not {"host", "x-amz-date"} <= set(by.headers):
            raise AwsError(
                "AuthFailure" if by.service == "ec2" else "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided.",
            )
        self._check_age(request.header("x-amz-date") or "")
        if by.region != self._region:
            raise AwsError("SignatureDoesNotMatch", f"Credential should be scoped to the region {self._region}")

    def _check_age(self, stamp: str) -> None:
        try:
            signed_at = datetime.strptime(stamp, _TIME).replace(tzinfo=UTC)
        except ValueError:
            raise AwsError("IncompleteSignature", "Date must be in ISO-8601 'basic format'") from None
        if abs(self._clock.now() - signed_at) > SKEW:
            raise AwsError("RequestExpired", f"Request has expired. Timestamp date is {stamp}")


def service_of(request: Request) -> str | None:
    """The service that a request is for, by what it is signed for, or else by its form; None: it is for none."""
    by = sigv4.read_authorization(request.header("authorization") or "")
    if by is not None:
        return by.service
    if (request.header("x-amz-target") or "").startswith("AmazonSQS."):
        return "sqs"
    form = (request.header("content-type") or "").startswith("application/x-www-form-urlencoded")
    if not form and "Action" not in request.query:
        return None
    return VERSIONS.get({**request.query, **form_of(request)}.get("Version", ""), "ec2")


def protocol_of(request: Request) -> str:
    """The protocol that a request speaks, by the names of `errors.FORMS`; EC2's where it is for no service."""
    service = service_of(request) or "ec2"
    return "sqs-query" if service == "sqs" and form_of(request) else service


def call_of(request: Request) -> Mapping[str, str]:
    """What a call says that a fault can be for: its parameters, with `Action` and `Service`."""
    said = {**request.query, **form_of(request)}
    target = request.header("x-amz-target") or ""
    if "." in target:
        said["Action"] = target.rpartition(".")[2]
    service = service_of(request)
    return {**said, "Service": service} if service else said
