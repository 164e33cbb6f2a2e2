"""ECS's API through aliyun-python-sdk-ecs, held on a short rein.

The SDK (core 2.16.1) was run against a local server, and this is what is kept from it: its old copies of requests and
urllib3 (one session of ours is put in), its retries (in one place, here), its look for proxies (deaf to NO_PROXY), its
look for an endpoint (a call to location-readonly.aliyuncs.com), its habit to prefer ALIYUN_ACCESS_KEY_* of the
environment to a credential that it is given, its plain HTTP, and its signed URLs in errors and logs.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import requests
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from stormcone.clock import Clock
from stormcone.clouds.http.api import proxies_for
from stormcone.errors import PartMissing, ProviderError
from stormcone_alibaba.ecs import BATCH, Document, HistoryQuery
from stormcone_alibaba.errors import api_error
from stormcone_alibaba.identity import Credentials
from stormcone_alibaba.redact import LOGS, redacted, remember
from stormcone_alibaba.transport import TIMEOUTS, ApiSession
from stormcone_alibaba.wire import read_answer

_NO_ANSWER = "SDK.HttpError"
_NOT_THE_SERVICE = "SDK.UnknownServerError"


@dataclass(frozen=True, kw_only=True)
class ReadRetries:
    """How operations that only read are tried again after an error that may pass.

    Throttling is not waited out here: the error says how long to leave the service alone.

    Attributes:
        attempts: in all.
        first_wait: seconds after the first attempt; every later wait is twice the one before.
    """

    attempts: int = 3
    first_wait: float = 0.5


def require_sdk() -> None:
    """Import the SDK.

    Raises:
        PartMissing: it is not installed.
    """
    try:
        import_module("aliyunsdkcore.client")
        import_module("aliyunsdkecs.request")
    except ImportError as error:
        raise PartMissing(
            f"Alibaba Cloud's SDK is not installed ({error.name} is missing); run pip install stormcone[alibaba]"
        ) from error


class SdkEcs:
    """`stormcone_alibaba.ecs.EcsApi` on the SDK.

    Args:
        region: the region, such as `cn-hangzhou`.
        endpoint: the API's address, an http or https URL without a slash at its end.
        credentials: answers those that are valid now; asked before every call.
        clock: for pauses, and for the minute that throttling lasts.
        proxy: an http URL, or None for the environment's.
        session: what requests go through; None for an `ApiSession`.
        retries: how reading is tried again.
        verify: what the API's certificate is verified by, as requests has it.

    Raises:
        ProviderUnavailable: the SDK is not installed.
    """

    def __init__(
        self,
        *,
        region: str,
        endpoint: str,
        credentials: Callable[[], Credentials],
        clock: Clock,
        proxy: str | None = None,
        session: requests.Session | None = None,
        retries: ReadRetries | None = None,
        verify: str | bool = True,
    ) -> None:
        require_sdk()
        LOGS.apply()
        parts = urlsplit(endpoint)
        self._host = parts.netloc + parts.path
        self._protocol = _protocol(parts.scheme)
        self._region = region
        self._proxies = proxies_for(endpoint, proxy)
        self._credentials = credentials
        self._clock = clock
        self._session = session or ApiSession(clock)
        self._retries = retries or ReadRetries()
        self._verify = verify
        self._lock = threading.Lock()
        self._client: Any = None
        self._signs: Credentials | None = None
        self._closed = False

    def describe_history_events(self, query: HistoryQuery, next_token: str = "") -> Document:
        """See `EcsApi`; errors that may pass are retried."""
        values: dict[str, Any] = {"InstanceEventCycleStatuss": list(query.statuses), "MaxResults": BATCH}
        if query.resource_ids:
            values |= {"ResourceType": "instance", "ResourceIds": list(query.resource_ids)}
        if query.event_ids:
            values["EventIds"] = list(query.event_ids)
        if query.tag:
            values["Tags"] = [{"Key": query.tag[0], "Value": query.tag[1]}]
        if next_token:
            values["NextToken"] = next_token
        retrying = Retrying(
            sleep=self._clock.sleep,
            stop=stop_after_attempt(self._retries.attempts),
            wait=wait_exponential(multiplier=self._retries.first_wait),
            retry=retry_if_exception(_worth_another_attempt),
            reraise=True,
        )
        return retrying(self._call, "DescribeInstanceHistoryEvents", values)

    def describe_instances(self, instance_ids: tuple[str, ...]) -> Document:
        """See `EcsApi`. `InstanceIds` is a JSON list in one parameter."""
        return self._call("DescribeInstances", {"InstanceIds": json.dumps(list(instance_ids))})

    def try_describe_instances(self) -> None:
        """See `EcsApi`."""
        self._call("DescribeInstances", {"DryRun": "true"})

    def create_simulated(self, event_type: str, not_before: str, instance_ids: tuple[str, ...]) -> Document:
        """See `EcsApi`. `TriggerRealOps` is never sent: without it nothing is done to an instance."""
        values = {"EventType": event_type, "NotBefore": not_before, "InstanceIds": list(instance_ids)}
        return self._call("CreateSimulatedSystemEvents", values)

    def cancel_simulated(self, event_ids: tuple[str, ...]) -> Document:
        """See `EcsApi`."""
        return self._call("CancelSimulatedSystemEvents", {"EventIds": list(event_ids)})

    def accept(self, event_id: str) -> Document:
        """See `EcsApi`."""
        return self._call("AcceptInquiredSystemEvent", {"EventId": event_id})

    def close(self) -> None:
        """Let go of connections. Safe to call twice."""
        with self._lock:
            self._closed = True
            self._client = None
        self._session.close()

    def _call(self, action: str, values: Mapping[str, Any]) -> Document:
        """Call an operation once, with a request of its own: the SDK's keep what was set on them before."""
        credentials = self._credentials()
        remember(*credentials.secrets)
        module = import_module(f"aliyunsdkecs.request.v20140526.{action}Request")
        request = getattr(module, f"{action}Request")()
        for name, value in values.items():
            getattr(request, f"set_{name}")(value)
        request.set_endpoint(self._host)
        request.set_protocol_type(self._protocol)
        if credentials.security_token:
            request.add_query_param("SecurityToken", credentials.security_token)
        client = self._client_of(credentials)
        exceptions = import_module("aliyunsdkcore.acs_exception.exceptions")
        try:
            body = client.do_action_with_exception(request)
        except (exceptions.ServerException, exceptions.ClientException) as error:
            fault = self._fault(action, error, credentials)
        except IndexError:
            # The SDK takes a message about a wrong signature apart at its colon, and this one has none.
            fault = self._answered(action, "SignatureDoesNotMatch", None, "", credentials)
        except (ValueError, TypeError, AttributeError, KeyError):
            # Nor does it stand an error body that is no object or no UTF-8.
            fault = self._answered(action, _NOT_THE_SERVICE, None, "", credentials)
        else:
            return read_answer(body, action)
        # Raised out here, since inside a handler it would carry the SDK's error, with the signed URL, as its context.
        raise fault

    def _fault(self, action: str, error: Any, credentials: Credentials) -> ProviderError:
        message = str(error.message)
        if error.error_code == _NO_ANSWER:
            why = redacted(message, credentials.secrets)
            return ProviderError(f"Alibaba Cloud's {action} failed at {self._host}: {why}")
        status = getattr(error, "http_status", None)
        return self._answered(action, str(error.error_code), status, message, credentials)

    def _answered(
        self, action: str, code: str, status: int | None, message: str, credentials: Credentials
    ) -> ProviderError:
        return api_error(
            action, code, status=status, message=message, now=self._clock.now(), secrets=credentials.secrets
        )

    def _client_of(self, credentials: Credentials) -> Any:
        """The SDK's client for these credentials; it keeps them for life."""
        with self._lock:
            if self._closed:
                raise ProviderError("Alibaba Cloud's API was not asked: the provider was closed")
            if self._client is None or self._signs != credentials:
                # Key and secret in these two parameters are what the environment does not override.
                client = import_module("aliyunsdkcore.client").AcsClient(
                    credentials.access_key_id,
                    credentials.access_key_secret,
                    self._region,
                    auto_retry=False,
                    connect_timeout=TIMEOUTS.connect,
                    timeout=TIMEOUTS.read,
                    proxy=self._proxies,
                    verify=self._verify,
                )
                client.session.close()
                client.session = self._session
                self._client, self._signs = client, credentials
            return self._client


def _protocol(scheme: str) -> str:
    """The SDK's own constant, which it looks for by identity: an equal text would silently be plain HTTP."""
    constants = import_module("aliyunsdkcore.http.protocol_type")
    protocol: str = constants.HTTPS if scheme == "https" else constants.HTTP
    return protocol


def _worth_another_attempt(error: BaseException) -> bool:
    return isinstance(error, ProviderError) and error.passing and error.retry_after is None
