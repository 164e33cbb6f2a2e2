"""Whose name requests are signed in: found in four places, the first that has credentials wins.

The provider's settings, the environment, a profile of Alibaba Cloud's command line, the RAM role of the instance. What
won is named, and never shown. What somebody has named is never passed over: credentials that are there and cannot be
used are an error, since the next place's would be somebody else's.
"""

import json
import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from stormcone.clock import Clock
from stormcone.clouds.dates import read_time
from stormcone.errors import ProviderError, ProviderUnavailable
from stormcone_alibaba.assumed import SESSION_NAME, Lender, Role, sts_address
from stormcone_alibaba.identity import Credentials, CredentialsUnusable
from stormcone_alibaba.metadata import MetadataReader
from stormcone_alibaba.profiles import IGNORE, PROFILE_FILE, Profiles, Ways

_log = logging.getLogger("stormcone.alibaba")

RENEW_BEFORE = timedelta(minutes=10)
"""How long before their end temporary credentials are renewed; if that fails they serve until their end."""


class EnvironmentNames(NamedTuple):
    """One set of environment variables; `token` is "" where the set has none."""

    key_id: str
    key_secret: str
    token: str


ENVIRONMENT = (
    EnvironmentNames("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"),
    EnvironmentNames("ALIYUN_ACCESS_KEY_ID", "ALIYUN_ACCESS_KEY_SECRET", ""),
)
"""In the order of preference. Sources: documentation of Alibaba Cloud CLI; the SDK itself reads the second set."""


OIDC = ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_ROLE_ARN")
"""What a pod is given, to have a role of its own. Source: the vendor's credentials library (1.0.12)."""

URI = "ALIBABA_CLOUD_CREDENTIALS_URI"
"""Where credentials are handed out. Source: as `OIDC`."""

_SESSION = "ALIBABA_CLOUD_ROLE_SESSION_NAME"
_STS_REGION = "ALIBABA_CLOUD_STS_REGION"
_VPC = "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED"
_PROFILE = "ALIBABA_CLOUD_PROFILE"
_NO_METADATA = "ALIBABA_CLOUD_ECS_METADATA_DISABLED"
_INSTANCE_ROLE = "ALIBABA_CLOUD_ECS_METADATA"
_SDK_FILE = "ALIBABA_CLOUD_CREDENTIALS_FILE"


class Missing(Exception):
    """One place has no credentials; the text says why, to go after the place's name."""


@dataclass(frozen=True, kw_only=True)
class Explicit:
    """Credentials from the provider's own settings.

    Attributes:
        access_key_id: "" where none is set.
        access_key_secret: "" where none is set.
        security_token: for temporary credentials, else "".
        profile: the profile to take; "" names none.
        profile_file: the file of the profiles; None names none.
        role: the RAM role of this instance to take; "" names none.
        sts: STS's address, for every role that is assumed; "" for the usual one.
    """

    access_key_id: str = field(default="", repr=False)
    access_key_secret: str = field(default="", repr=False)
    security_token: str = field(default="", repr=False)
    profile: str = ""
    profile_file: Path | None = None
    role: str = ""
    sts: str = ""


class CredentialChain:
    """Finds credentials, and renews those that end.

    Args:
        explicit: from settings.
        metadata: for the RAM role.
        clock: for the end of temporary credentials.
        environ: the environment's variables; None for this process's.
        verify: what STS's certificate is verified by, as requests has it.
    """

    def __init__(
        self,
        explicit: Explicit,
        metadata: MetadataReader,
        clock: Clock,
        environ: Mapping[str, str] | None = None,
        verify: str | bool = True,
    ) -> None:
        self._explicit = explicit
        self._metadata = metadata
        self._clock = clock
        self._environ = os.environ if environ is None else environ
        self._lender = Lender(clock, verify)
        self._lock = threading.Lock()
        self._found: Credentials | None = None

    def get(self) -> Credentials:
        """The credentials that are valid now.

        Raises:
            ProviderUnavailable: no place has any; the text says which were looked at, and what each lacks.
            CredentialsUnusable: those of a place are there, and broken or of a kind that is not understood.
            ProviderError: whoever gives them could not be asked.
        """
        with self._lock:
            now = self._clock.now()
            if self._found is None or _ends(self._found, now + RENEW_BEFORE):
                self._found = self._renewed(now)
            return self._found

    def _renewed(self, now: datetime) -> Credentials:
        try:
            return self._find()
        except ProviderError:
            if self._found is None or _ends(self._found, now):
                raise
            return self._found

    def _find(self) -> Credentials:
        looked_at = []
        places: tuple[tuple[str, Callable[[], Credentials]], ...] = (
            ("settings", self._from_settings),
            ("environment", self._from_environment),
            (f"profile in {PROFILE_FILE}", self._from_profile),
            ("RAM role of this instance", self._from_role),
        )
        for place, find in places:
            try:
                found = find()
            except Missing as why:
                looked_at.append(f"{place}: {why}")
            else:
                _log.debug("credentials for Alibaba Cloud come from: %s", found.source)
                return found
        raise ProviderUnavailable(
            f"there are no credentials for Alibaba Cloud ({'; '.join(looked_at)}); set {ENVIRONMENT[0].key_id} and "
            f"{ENVIRONMENT[0].key_secret}, or attach a RAM role to the instance"
        )

    def _from_settings(self) -> Credentials:
        told = self._explicit
        if told.access_key_id:
            return Credentials(
                access_key_id=told.access_key_id,
                access_key_secret=told.access_key_secret,
                security_token=told.security_token,
                source="settings",
            )
        if told.profile or told.profile_file:
            return self._profile(told.profile_file or PROFILE_FILE, told.profile or self._environ.get(_PROFILE, ""))
        if told.role:
            return self._role(told.role, f"RAM role {told.role!r} of this instance")
        raise Missing("no access-key-id, profile or role")

    def _from_environment(self) -> Credentials:
        for find in (self._from_keys, self._from_token, self._from_uri, self._from_file, self._from_named_role):
            found = find()
            if found is not None:
                return found
        raise Missing(f"no {' and no '.join(names.key_id for names in ENVIRONMENT)}, and no {OIDC[0]} or {URI}")

    def _from_keys(self) -> Credentials | None:
        for names in ENVIRONMENT:
            key_id, secret = self._environ.get(names.key_id), self._environ.get(names.key_secret)
            token = self._environ.get(names.token, "") if names.token else ""
            if key_id and secret:
                return Credentials(
                    access_key_id=key_id,
                    access_key_secret=secret,
                    security_token=token,
                    source=f"environment ({names.key_id})",
                )
            if key_id or secret or token:
                raise _lacking([name for name in (names.key_id, names.key_secret) if not self._environ.get(name)])
        return None

    def _from_token(self) -> Credentials | None:
        token_file, provider, arn = (self._environ.get(name, "") for name in OIDC)
        if not (token_file or provider):  # a role alone says nothing of how it is to be had
            return None
        if not (token_file and provider and arn):
            raise _lacking([name for name in OIDC if not self._environ.get(name)])
        session = self._environ.get(_SESSION) or SESSION_NAME
        role = Role(arn=arn, session=session, sts=self._sts("", None))
        return self._lender.by_token(role, provider, Path(token_file), f"environment ({OIDC[0]})")

    def _from_uri(self) -> Credentials | None:
        uri = self._environ.get(URI)
        return self._lender.by_uri(uri, f"environment ({URI})") if uri else None

    def _from_file(self) -> Credentials | None:
        """The SDKs' own kind of file is not read, and so not passed over either."""
        if self._environ.get(_SDK_FILE):
            raise CredentialsUnusable(
                f"{_SDK_FILE} names a file of the SDKs, and only the profiles of Alibaba Cloud CLI are read; unset it, "
                "or name other credentials"
            )
        return None

    def _from_named_role(self) -> Credentials | None:
        role = self._environ.get(_INSTANCE_ROLE)
        return self._role(role, f"RAM role {role!r} of this instance ({_INSTANCE_ROLE})") if role else None

    def _from_profile(self) -> Credentials:
        named = self._environ.get(_PROFILE, "")
        if self._environ.get(IGNORE) == "TRUE":
            raise Missing(f"{IGNORE} is set")
        return self._profile(PROFILE_FILE, named, needed=bool(named))

    def _profile(self, path: Path, name: str, *, needed: bool = True) -> Credentials:
        try:
            profiles = Profiles(path, Ways(lender=self._lender, role=self._role, sts=self._sts))
        except (FileNotFoundError, NotADirectoryError, RuntimeError):  # the last where there is no home
            if not needed:
                raise Missing("no such file") from None
            what = f"the profile {name!r} is named" if name else "profiles are named"
            raise CredentialsUnusable(f"{what}, and there is no file {path}; name the file that has it") from None
        return profiles.credentials(name)

    def _from_role(self) -> Credentials:
        if self._metadata_disabled:
            raise Missing(f"{_NO_METADATA} is set")
        try:
            role = self._metadata.role_name()
        except ProviderUnavailable as error:
            raise Missing(str(error)) from error
        if not role:
            raise Missing("it has none")
        return self._role(role, f"RAM role {role!r} of this instance")

    @property
    def _metadata_disabled(self) -> bool:
        return self._environ.get(_NO_METADATA, "").casefold() == "true"

    def _role(self, role: str, source: str) -> Credentials:
        cannot = f"the credentials of {source} cannot be had"
        if self._metadata_disabled:
            raise CredentialsUnusable(f"{cannot}: {_NO_METADATA} is set; unset it, or name other credentials")
        role = role or self._metadata.role_name()
        if not role:
            raise CredentialsUnusable(f"{cannot}: this instance has no RAM role; attach one, or name other credentials")
        return _role(self._metadata.role_credentials(role), role, source)

    def _sts(self, region: str, vpc: bool | None) -> str:
        private = self._environ.get(_VPC, "").casefold() == "true" if vpc is None else vpc
        return self._explicit.sts or sts_address(region or self._environ.get(_STS_REGION, ""), vpc=private)


def _lacking(names: list[str]) -> CredentialsUnusable:
    lacking = f"it has no {' and no '.join(names)}"
    return CredentialsUnusable(
        f"the credentials of the environment cannot be used: {lacking}; set all that go together, or none of them"
    )


def _ends(credentials: Credentials, by: datetime) -> bool:
    return credentials.expires is not None and credentials.expires <= by


def _role(text: str, role: str, source: str) -> Credentials:
    """The credentials in the metadata service's document, which never goes into an error."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    fields = document if isinstance(document, dict) else {}
    try:
        expires = read_time(fields.get("Expiration"))
    except ValueError:
        # Without a readable end they are taken to be new every time that they are needed.
        expires = datetime.min.replace(tzinfo=UTC)
    found = Credentials(
        access_key_id=_text(fields.get("AccessKeyId")),
        access_key_secret=_text(fields.get("AccessKeySecret")),
        security_token=_text(fields.get("SecurityToken")),
        source=source,
        expires=expires,
    )
    if not all(found.secrets):
        raise ProviderError(f"the metadata service has no usable credentials for the RAM role {role!r} now")
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
