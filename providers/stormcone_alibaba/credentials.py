"""Whose name requests are signed in: found in four places, the first that has credentials wins.

Explicit settings, the usual environment variables, a profile of Alibaba Cloud's command line, the RAM role of the
instance. What won is named, and never shown.
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
from stormcone.errors import ProviderError, ProviderUnavailable
from stormcone_alibaba.metadata import MetadataReader
from stormcone_alibaba.wire import parse_time

_log = logging.getLogger("stormcone.alibaba")

PROFILE_FILE = Path("~/.aliyun/config.json")
"""Where the command line keeps its profiles. Source: documentation of Alibaba Cloud CLI."""

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


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What signs requests.

    Attributes:
        access_key_id: who signs.
        access_key_secret: with what.
        security_token: for temporary credentials, else "".
        source: where they come from, for people.
        expires: when they end, aware UTC; None where they do not.
    """

    access_key_id: str = field(repr=False)
    access_key_secret: str = field(repr=False)
    security_token: str = field(default="", repr=False)
    source: str
    expires: datetime | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that no text may hold."""
        return (self.access_key_secret, self.security_token, self.access_key_id)


class Missing(Exception):
    """One place has no credentials; the text says why, to go after the place's name."""


@dataclass(frozen=True, kw_only=True)
class Explicit:
    """Credentials from the provider's own settings.

    Attributes:
        access_key_id: "" where none is set.
        access_key_secret: "" where none is set.
        security_token: for temporary credentials, else "".
        profile: the profile to take; "" for the one that the environment or the file names.
        profile_file: the file of the profiles.
        role: the RAM role to take; "" asks the metadata service.
    """

    access_key_id: str = field(default="", repr=False)
    access_key_secret: str = field(default="", repr=False)
    security_token: str = field(default="", repr=False)
    profile: str = ""
    profile_file: Path = PROFILE_FILE
    role: str = ""


class CredentialChain:
    """Finds credentials, and renews those that end.

    Args:
        explicit: from settings.
        metadata: for the RAM role.
        clock: for the end of temporary credentials.
        environ: the environment's variables; None for this process's.
    """

    def __init__(
        self, explicit: Explicit, metadata: MetadataReader, clock: Clock, environ: Mapping[str, str] | None = None
    ) -> None:
        self._explicit = explicit
        self._metadata = metadata
        self._clock = clock
        self._environ = os.environ if environ is None else environ
        self._lock = threading.Lock()
        self._found: Credentials | None = None

    def get(self) -> Credentials:
        """The credentials that are valid now.

        Raises:
            ProviderUnavailable: no place has any; the text says which were looked at, and what each lacks.
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
            (f"profile in {self._explicit.profile_file}", self._from_profile),
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
        if not self._explicit.access_key_id:
            raise Missing("no access-key-id")
        return Credentials(
            access_key_id=self._explicit.access_key_id,
            access_key_secret=self._explicit.access_key_secret,
            security_token=self._explicit.security_token,
            source="settings",
        )

    def _from_environment(self) -> Credentials:
        lacking = []
        for names in ENVIRONMENT:
            key_id, secret = self._environ.get(names.key_id), self._environ.get(names.key_secret)
            if key_id and secret:
                token = self._environ.get(names.token, "") if names.token else ""
                return Credentials(
                    access_key_id=key_id,
                    access_key_secret=secret,
                    security_token=token,
                    source=f"environment ({names.key_id})",
                )
            lacking.append(names.key_id if not key_id else names.key_secret)
        raise Missing(f"no {' and no '.join(lacking)}")

    def _from_profile(self) -> Credentials:
        # Exactly TRUE, as the command line has it. Source: its documentation of environment variables.
        if self._environ.get("ALIBABA_CLOUD_IGNORE_PROFILE") == "TRUE":
            raise Missing("ALIBABA_CLOUD_IGNORE_PROFILE is set")
        wanted = self._explicit.profile or self._environ.get("ALIBABA_CLOUD_PROFILE", "")
        try:
            text = self._explicit.profile_file.expanduser().read_text(encoding="utf-8")
            document = json.loads(text)
        except FileNotFoundError:
            raise Missing("no such file") from None
        except (OSError, RuntimeError):
            raise Missing("it cannot be read") from None
        except (ValueError, RecursionError):
            raise Missing("it is not JSON") from None
        return _profile(document, wanted, self._explicit.profile_file)

    def _from_role(self) -> Credentials:
        if self._environ.get("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "").casefold() == "true":
            raise Missing("ALIBABA_CLOUD_ECS_METADATA_DISABLED is set")
        try:
            role = self._explicit.role or self._metadata.role_name()
            text = self._metadata.role_credentials(role) if role else ""
        except ProviderUnavailable as error:
            raise Missing(str(error)) from error
        if not role:
            raise Missing("it has none")
        return _role(text, role)


def _ends(credentials: Credentials, by: datetime) -> bool:
    return credentials.expires is not None and credentials.expires <= by


def _profile(document: object, wanted: str, path: Path) -> Credentials:
    """The credentials of a profile; nothing of the file's content goes into an error but names and modes."""
    fields = document if isinstance(document, dict) else {}
    wanted = wanted or _text(fields.get("current")) or "default"
    profiles = fields.get("profiles")
    for profile in profiles if isinstance(profiles, list) else ():
        if isinstance(profile, dict) and profile.get("name") == wanted:
            mode = _text(profile.get("mode")) or "AK"
            if mode not in {"AK", "StsToken"}:
                raise Missing(f"the profile {wanted!r} is of mode {mode}, and only AK and StsToken are understood")
            found = Credentials(
                access_key_id=_text(profile.get("access_key_id")),
                access_key_secret=_text(profile.get("access_key_secret")),
                security_token=_text(profile.get("sts_token")) if mode == "StsToken" else "",
                source=f"profile {wanted!r} in {path}",
            )
            if not (found.access_key_id and found.access_key_secret) or (
                mode == "StsToken" and not found.security_token
            ):
                raise Missing(f"the profile {wanted!r} is not complete")
            return found
    raise Missing(f"no profile {wanted!r}")


def _role(text: str, role: str) -> Credentials:
    """The credentials in the metadata service's document, which never goes into an error."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    fields = document if isinstance(document, dict) else {}
    try:
        expires = parse_time(fields.get("Expiration"))
    except ValueError:
        # Without a readable end they are taken to be new every time that they are needed.
        expires = datetime.min.replace(tzinfo=UTC)
    found = Credentials(
        access_key_id=_text(fields.get("AccessKeyId")),
        access_key_secret=_text(fields.get("AccessKeySecret")),
        security_token=_text(fields.get("SecurityToken")),
        source=f"RAM role {role!r} of this instance",
        expires=expires,
    )
    if not all(found.secrets):
        raise ProviderError(f"the metadata service has no usable credentials for the RAM role {role!r} now")
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
