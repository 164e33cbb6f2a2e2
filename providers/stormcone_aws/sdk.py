"""AWS's APIs through boto3: clients that are opened when they are first needed, and errors in plain words.

Credentials, profiles, regions, proxies, signing and attempts are botocore's own, by its environment and files. What is
kept from it: errors that repeat signed requests, logs that hold them, and errors of a dozen kinds.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import responses
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from stormcone.clock import Clock
from stormcone.clouds.dates import read_time
from stormcone.clouds.exchange import Exchange, Tap
from stormcone.clouds.http.api import BoundedBody, TooLarge
from stormcone.clouds.http.client import Timeouts
from stormcone.clouds.http.trust import VARIABLES, authorities
from stormcone.clouds.payload import read_json
from stormcone.errors import PartMissing, ProviderError, ProviderUnavailable, Unreachable
from stormcone_aws.api_errors import AnswerLost, AwsRefused, api_error
from stormcone_aws.redact import LOGS, redacted, remember

TIMEOUTS = Timeouts(connect=5.0, read=10.0)
"""Seconds until a connection stands, and without a byte from a service that is not asked to wait."""

LONGEST_WAIT = 20
"""Seconds that a queue waits for a message at the most. Source: SQS's documentation of long polling."""

ATTEMPTS = 2
"""How often botocore sends a request in all, where an error may pass; the agent asks again soon anyway."""

CA_VARIABLES = ("AWS_CA_BUNDLE", *VARIABLES)
"""The variables that name a file of authorities for the APIs. Source: the first is botocore's own."""

PAGES_LIMIT = 1000
"""Pages of one answer beyond which it is not believed that they end."""

BODY_LIMIT = 32 * 1024 * 1024
"""Bytes of an answer above which it is refused. Ten messages of a queue, a mebibyte each, may take up twice that in
JSON, and must not be lost. Source of their size: SQS's documentation of quotas."""

SECRETS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
)
"""Variables that may hold credentials. Source: botocore's documentation of configuration."""

Answer = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Access:
    """How the APIs are reached; what is None is as botocore finds it.

    Attributes:
        region: the region.
        profile: the profile of the AWS CLI's files.
        endpoint: where every call goes; None for the services' own addresses.
        ca_file: the authorities that certificates are verified by.
    """

    region: str | None = None
    profile: str | None = None
    endpoint: str | None = None
    ca_file: Path | None = None


def require_sdk() -> None:
    """Find out that the SDK is installed; it is imported when it is first needed, since that takes a second.

    Raises:
        PartMissing: it is not.
    """
    if find_spec("boto3") is None:
        raise PartMissing("AWS's SDK is not installed (boto3 is missing); run pip install stormcone[aws]")


class Sdk:
    """The APIs of one account in one region. Any thread may use it.

    Args:
        access: how they are reached.
        clock: for the times of what the tap is told.
        tap: told of every exchange with the APIs; None tells nobody.

    Every method but `close` raises `PartMissing` where boto3 is not installed.
    """

    def __init__(self, access: Access, clock: Clock, tap: Tap | None = None) -> None:
        self._access = access
        self._clock = clock
        self._tap = tap
        self._verify = authorities(access.endpoint or "https:", access.ca_file, variables=CA_VARIABLES)
        self._lock = threading.Lock()
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self._closed = False
        self._thread = threading.local()

    def region(self) -> str:
        """The region that is asked.

        Raises:
            ProviderUnavailable: none is named, or there is no such profile.
        """
        with self._lock:
            name: str | None = self._access.region or self._opened().region_name
        if not name:
            raise ProviderUnavailable(
                "AWS's API was not asked: no region is named; give --region, or set AWS_REGION or AWS_DEFAULT_REGION"
            )
        return name

    def credentials(self) -> str:
        """Where the credentials come from, by botocore's word; "" where there are none."""
        with self._lock:
            session = self._opened()
        found = session.get_credentials()
        return str(found.method) if found is not None else ""

    def call(self, service: str, action: str, **parameters: Any) -> Answer:
        """Call an operation, such as `DescribeInstanceStatus` of `ec2`.

        Raises:
            RequestRefused: the service refuses.
            ProviderUnavailable: there are no credentials, no region or no such profile.
            ProviderError: it could not be asked, or answered with an error.
        """
        fault = None
        self._thread.lost = False
        try:
            client = self._client(service)
            answer: Answer = getattr(client, _method(action))(**parameters)
        except ProviderError:
            raise
        except Exception as error:  # noqa: BLE001 - botocore has errors of many kinds, and its credential providers others
            fault = self._fault(service, action, error)
        else:
            return answer
        # Raised out here, since inside a handler it would carry the SDK's error, with the signed request, as its
        # context.
        raise fault

    def pages(self, service: str, action: str, **parameters: Any) -> Iterator[Answer]:
        """Call an operation for one page after the other, each with what goes with the last one's `NextToken`.

        Raises:
            ProviderError: as `call`; or the pages do not end.
        """
        token = ""
        seen: set[str] = set()
        while True:
            answer = self.call(service, action, **parameters, **({"NextToken": token} if token else {}))
            yield answer
            token = answer.get("NextToken") or ""
            if not token:
                return
            if token in seen or len(seen) >= PAGES_LIMIT:
                raise ProviderError(f"AWS's {action} failed: its pages do not end")
            seen.add(token)

    def address(self, service: str) -> str:
        """Where that service is asked."""
        address: str = self._client(service).meta.endpoint_url
        return address

    def close(self) -> None:
        """Let go of connections. Safe to call twice; a request that waits for an answer is not waited for."""
        with self._lock:
            self._closed = True
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _opened(self) -> Any:
        """The session; the lock is held."""
        if self._session is None:
            require_sdk()
            boto3, exceptions = import_module("boto3"), import_module("botocore.exceptions")
            fault = None
            try:
                self._session = boto3.session.Session(
                    profile_name=self._access.profile,
                    region_name=self._access.region,
                    botocore_session=_core_session(),
                )
            except exceptions.ProfileNotFound:
                fault = f"there is no profile {self._access.profile or 'of AWS_PROFILE'}"
            except exceptions.BotoCoreError as error:
                fault = redacted(str(error))
            if fault is not None:
                raise ProviderUnavailable(
                    f"AWS's API was not asked: {fault}; name a profile of ~/.aws/config, or leave it out"
                )
        return self._session

    def _client(self, service: str) -> Any:
        region = self.region()
        with self._lock:
            if self._closed:
                raise ProviderError("AWS's API was not asked: the provider was closed")
            if service not in self._clients:
                self._clients[service] = self._made(service, region)
            return self._clients[service]

    def _made(self, service: str, region: str) -> Any:
        config = import_module("botocore.config").Config(
            connect_timeout=TIMEOUTS.connect,
            read_timeout=TIMEOUTS.read + (LONGEST_WAIT if service == "sqs" else 0),
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            user_agent_extra="stormcone",
        )
        client = self._opened().client(
            service,
            region_name=region,
            endpoint_url=self._access.endpoint,
            config=config,
            verify=None if self._verify is True else self._verify,
        )
        _bound(client)
        _Watch(client, self._clock, self._tap, self._lost)
        LOGS.apply()  # by now all that botocore needs for this service is imported
        return client

    def _lost(self) -> None:
        """Take note that a request of this thread got no answer; botocore may send it again."""
        self._thread.lost = True

    def _fault(self, service: str, action: str, error: Exception) -> ProviderError:
        exceptions = import_module("botocore.exceptions")
        if isinstance(error, exceptions.ClientError):
            said = error.response.get("Error", {})
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            fault = api_error(
                service, action, str(said.get("Code", "")), status=status, message=str(said.get("Message", ""))
            )
            if isinstance(fault, AwsRefused):
                fault.repeats = self._thread.lost
            return fault
        kinds = {each.__name__ for each in type(error).__mro__}
        for names, kind, why in _FAULTS:
            if kinds.intersection(names):
                words = why.format(said=redacted(str(error)), connect=TIMEOUTS.connect)
                return kind(f"AWS's {action} failed: {words}")
        return ProviderError(f"AWS's {action} failed: {type(error).__name__}: {redacted(str(error))[:200]}")


_NO_CREDENTIALS = (
    "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
    "name a profile, or give the machine a role"
)

_FAULTS: tuple[tuple[tuple[str, ...], Callable[[str], ProviderError], str], ...] = (
    (("NoCredentialsError",), ProviderUnavailable, _NO_CREDENTIALS),
    (
        ("PartialCredentialsError", "ProfileNotFound", "NoRegionError", "InvalidRegionError", "ConfigParseError"),
        ProviderUnavailable,
        "{said}; mend the environment or ~/.aws",
    ),
    (
        (
            "CredentialRetrievalError",
            "MetadataRetrievalError",
            "TokenRetrievalError",
            "SSOError",
            "UnauthorizedSSOTokenError",
        ),
        ProviderError,
        "the credentials cannot be had: {said}",
    ),
    (("ProxyConnectionError",), ProviderError, "the proxy does not let it through"),
    (("EndpointConnectionError",), Unreachable, "no connection could be made; check the endpoint and the region"),
    (("ConnectTimeoutError",), Unreachable, "no connection within {connect:g} s; check the endpoint and the region"),
    (("ReadTimeoutError",), AnswerLost, "the service does not answer in time"),
    (("ConnectionClosedError",), AnswerLost, "the connection was closed before the answer came"),
    (("SSLError",), ProviderError, "the certificate is not trusted; name its authority in AWS_CA_BUNDLE"),
    (("ResponseParserError",), ProviderError, "what answers is not that service; check the endpoint"),
    (("HTTPClientError",), AnswerLost, "of a fault of the transport"),
    (("ParamValidationError",), ProviderError, "{said}"),
)
"""What an error of botocore's means: the first kind that fits speaks."""


class _Watch:
    """Learns what signs each request of a client, so that it is hidden, and tells the tap of each exchange."""

    def __init__(self, client: Any, clock: Clock, tap: Tap | None, lost: Callable[[], None]) -> None:
        self._clock = clock
        self._tap = tap
        self._lost = lost
        self._sent = threading.local()
        self._reads_json = client.meta.service_model.metadata["protocol"] == "json"
        service = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register_last(f"before-send.{service}", self._before)
        client.meta.events.register_first(f"response-received.{service}", self._after)

    def _before(self, request: Any, **_more: Any) -> None:
        headers = {name: _text(value) for name, value in request.headers.items()}
        authorization = headers.get("Authorization", "")
        remember(headers.get("X-Amz-Security-Token", ""), authorization.rpartition("Signature=")[2])
        self._sent.request = (request.method, request.url, headers, request.body)

    def _after(
        self, response_dict: Mapping[str, Any] | None = None, exception: Exception | None = None, **_more: Any
    ) -> None:
        if exception is not None:
            self._lost()
        if self._tap is not None:
            self._tell(self._tap, response_dict, exception)
        if self._reads_json and response_dict and response_dict["status_code"] == HTTPStatus.OK:
            # Of what is no JSON the SDK makes an empty answer, as if a queue had no messages.
            try:
                document = read_json(response_dict["body"])
            except ValueError as error:
                raise ProviderError(f"AWS's answer cannot be read: it {error}; check the endpoint") from None
            if not isinstance(document, dict):
                raise ProviderError("AWS's answer cannot be read: it is not an object; check the endpoint")

    def _tell(self, tap: Tap, answer: Mapping[str, Any] | None, exception: Exception | None) -> None:
        method, url, headers, body = self._sent.request
        status = int(answer["status_code"]) if answer else 0
        answered = answer.get("body", b"") if answer else b""
        tap(
            Exchange(
                at=self._clock.now(),
                method=method,
                url=url,
                request_headers=headers,
                request_body=body.encode() if isinstance(body, str) else body,
                status=status,
                reason=responses.get(status, ""),
                headers=dict(answer["headers"]) if answer else {},
                body=answered if isinstance(answered, bytes) else b"",
                fault="" if answer else _why(exception),
            )
        )


def _why(exception: Exception | None) -> str:
    return (
        str(exception)
        if isinstance(exception, ProviderError)
        else f"of a fault of the transport ({type(exception).__name__})"
    )


class _BoundedSession:
    """Sends a client's requests as botocore's session does, and reads no more than `BODY_LIMIT` of an answer."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def send(self, request: Any) -> Any:
        """Send, and read the whole answer."""
        urllib3, botocore = import_module("urllib3.exceptions"), import_module("botocore.exceptions")
        request.stream_output = True  # so that the reading is left to us
        response = self._session.send(request)
        response.raw = BoundedBody(response.raw, BODY_LIMIT)
        try:
            _ = response.content
        except TooLarge as error:
            raise ProviderError(f"AWS's answer is {error}, so it is not read; check the endpoint") from None
        except urllib3.ReadTimeoutError as error:
            raise botocore.ReadTimeoutError(endpoint_url=request.url, error=error) from error
        except urllib3.ProtocolError as error:
            raise botocore.ConnectionClosedError(endpoint_url=request.url, error=error, request=request) from error
        except Exception as error:
            raise botocore.HTTPClientError(error=error) from error
        return response


def _bound(client: Any) -> None:
    """Have a client read no more than the limit: botocore itself has none, and no place to set one."""
    endpoint = client._endpoint  # noqa: SLF001 - see above
    endpoint.http_session = _BoundedSession(endpoint.http_session)


def _core_session() -> Any:
    """A session of botocore's that hands on a time which it cannot read as it came: one must not spoil an answer."""
    session = import_module("botocore.session").get_session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_time)
    return session


def _time(value: object) -> object:
    try:
        return read_time(value)
    except ValueError:
        return value


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _method(action: str) -> str:
    name: str = import_module("botocore").xform_name(action)
    return name
