"""Temporary credentials that somebody hands out: STS for a role that is assumed, or whoever answers at a URI.

The vendor's own library (alibabacloud-credentials 1.0.12, run against a local server) speaks to them, and this is what
is kept from it: its chain, which passes over what is broken; its defaults, taken from the environment by its import;
its log, which has a handler of its own and holds tokens and signed URLs; its errors, which quote whole answers. Each
renewal asks once, with an object of its own, so nothing of it runs in the background.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from stormcone.clock import Clock
from stormcone.clouds.http.client import Timeouts, fault_reason
from stormcone.errors import PartMissing, ProviderError
from stormcone_alibaba.errors import api_error
from stormcone_alibaba.identity import Credentials, CredentialsUnusable
from stormcone_alibaba.redact import LOGS, remember

TIMEOUTS = Timeouts(connect=5.0, read=10.0)
"""The library's own, in seconds."""

SHORTEST, LONGEST = 900, 43200
"""Seconds that a role may be assumed for. Source: STS's documentation of AssumeRole."""

SESSION_NAME = "stormcone"

_ASSUME_ROLE = "AssumeRole"
_WITH_OIDC = "AssumeRoleWithOIDC"
_STATUS = re.compile(r"http_code[:=]\s*(\d{3})")
_CODE = re.compile(r'"Code"\s*:\s*"([\w.]{1,100})"')
_ADDRESS = re.compile(r"https?://[^/?#]", re.IGNORECASE)
_EXPIRED = "No cached value was found"
_OPTIONS = "_runtime_options"  # where the library keeps what it takes no argument for
_CANNOT = "the credentials of {} cannot be had"


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role that is to be assumed.

    Attributes:
        arn: the role's name, such as `acs:ram::123456789012****:role/watcher`.
        session: what the session is called in the cloud's own records.
        seconds: how long it lasts.
        policy: JSON that narrows its permissions further, or "".
        external_id: what the role's owner asks for, or "".
        sts: STS's address, a host name with or without a port.
    """

    arn: str
    session: str = SESSION_NAME
    seconds: int = 3600
    policy: str = ""
    external_id: str = ""
    sts: str


@dataclass(frozen=True)
class Lender:
    """Gets temporary credentials.

    Args:
        clock: for the minute that throttling lasts.
        verify: what STS's certificate is verified by, as requests has it.

    Every method raises `PartMissing` where the vendor's library is not installed, and `CredentialsUnusable` where none
    are given: it says why, and whether that may pass.
    """

    clock: Clock
    verify: str | bool = field(default=True)

    def by_key(self, role: Role, base: Credentials, source: str) -> Credentials:
        """Assume the role with other credentials: STS's AssumeRole."""

        def ask(library: Any) -> Any:
            return library.RamRoleArnCredentialsProvider(
                access_key_id=base.access_key_id,
                access_key_secret=base.access_key_secret,
                security_token=base.security_token,
                external_id=role.external_id,
                **_said(role),
            )

        remember(*base.secrets)
        return self._ask(ask, _ASSUME_ROLE, role.sts, source)

    def by_token(self, role: Role, provider: str, token_file: Path, source: str) -> Credentials:
        """Assume the role with the token in a file, as a pod has one: STS's AssumeRoleWithOIDC.

        The file is read each time: whoever wrote it renews it.
        """
        remember(_token(token_file, source))

        def ask(library: Any) -> Any:
            return library.OIDCRoleArnCredentialsProvider(
                oidc_provider_arn=provider, oidc_token_file_path=str(token_file), **_said(role)
            )

        return self._ask(ask, _WITH_OIDC, role.sts, source)

    def by_uri(self, uri: str, source: str) -> Credentials:
        """Ask at a URI, which may itself be a secret and is never shown."""
        if not _ADDRESS.match(uri):
            why = "the URI does not begin with http:// or https:// and a host"
            raise CredentialsUnusable(f"{_CANNOT.format(source)}: {why}")
        target = uri.partition("://")[2].partition("/")[2]
        remember(uri, target, *(value for _, value in parse_qsl(target.partition("?")[2])))
        return self._ask(lambda library: library.URLCredentialsProvider(uri=uri), "", "the credentials URI", source)

    def _ask(self, make: Callable[[Any], Any], action: str, place: str, source: str) -> Credentials:
        library = _library()
        LOGS.apply()  # what is asked stands in urllib3's, at DEBUG
        try:
            provider = make(library)
            getattr(provider, _OPTIONS).update({"ca": self.verify, "debug": "off"})
            found = provider.get_credentials()
        except Exception as error:  # noqa: BLE001 - it raises whatever comes, an answer's text and all
            fault = self._fault(error, action, place, source)
        else:
            return Credentials(
                access_key_id=found.get_access_key_id(),
                access_key_secret=found.get_access_key_secret(),
                security_token=found.get_security_token(),
                source=source,
                expires=datetime.fromtimestamp(found.get_expiration(), UTC),
            )
        # Raised out here, since inside the handler it would carry the library's error, tokens and all, as its context.
        raise fault

    def _fault(self, error: Exception, action: str, place: str, source: str) -> ProviderError:
        text = str(getattr(error, "message", "") or error)
        status, code = _STATUS.search(text), _CODE.search(text)
        number = int(status[1]) if status else None
        if code and action:
            fault = api_error(action, code[1], status=number, message="", now=self.clock.now())
            why = f"{_CANNOT.format(source)}: {fault}"
            return CredentialsUnusable(why, passing=fault.passing, retry_after=fault.retry_after)
        if _EXPIRED in text:
            why = "those that it gave have ended already; check this machine's clock"
        elif status:
            why = f"{place} answers with status {number}"
        elif isinstance(error.__context__, OSError):
            why = f"{place} does not answer: {fault_reason(error.__context__, TIMEOUTS)}"
        else:
            why = f"the answer of {place} is not that of one that gives any"
        return CredentialsUnusable(f"{_CANNOT.format(source)}: {why}", passing=True)


def _said(role: Role) -> dict[str, Any]:
    """Every value that is left out the library would take from the environment."""
    return {
        "role_arn": role.arn,
        "role_session_name": role.session,
        "duration_seconds": role.seconds,
        "policy": role.policy,
        "sts_endpoint": role.sts,
    }


def sts_address(region: str, *, vpc: bool) -> str:
    """STS's address, of a region or the central one. Source: the library, and STS's documentation of endpoints."""
    return f"sts{'-vpc' if vpc else ''}.{region}.aliyuncs.com" if region else "sts.aliyuncs.com"


def _token(token_file: Path, source: str) -> str:
    try:
        token = token_file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        what = f"the token file {token_file} cannot be read: {why}"
        raise CredentialsUnusable(f"{_CANNOT.format(source)}: {what}") from None
    if not token:
        raise CredentialsUnusable(f"{_CANNOT.format(source)}: the token file {token_file} is empty")
    return token


def _library() -> Any:
    try:
        library = import_module("alibabacloud_credentials.provider")
    except ImportError as error:
        raise PartMissing(
            f"credentials that STS or a URI gives need Alibaba Cloud's library for them ({error.name} is missing); "
            "run pip install stormcone[alibaba-credentials]"
        ) from error
    logging.getLogger("credentials").addFilter(_not_the_librarys)
    return library


def _not_the_librarys(record: logging.LogRecord) -> bool:
    """Of a fault our own error tells, and the library's lines hold tokens."""
    return "alibabacloud_credentials" not in record.pathname
