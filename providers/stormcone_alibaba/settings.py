"""The provider's options, checked once and told in one sentence where they cannot be used."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import urlsplit

from stormcone.clouds.contract import ProviderOptions
from stormcone.errors import SettingsError
from stormcone.model import Scope
from stormcone_alibaba import metadata
from stormcone_alibaba.credentials import Explicit
from stormcone_alibaba.profiles import PROFILE_FILE

SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "scope": "machine (this instance) or region (all of its instances); machine if unset",
        "instances": "ids of the instances to watch in a region, with commas between; all if unset",
        "tag": "KEY:VALUE, a tag of the instances to watch in a region",
        "accept-inquired": "whether approving an event that waits for consent accepts it: true or false; true if unset",
        "access-key-id": "who signs; without it, profile and role, the environment and all that follows is looked at",
        "access-key-secret": "the secret of access-key-id",
        "security-token": "the token of access-key-id, where that is temporary",
        "profile": "profile of Alibaba Cloud CLI",
        "profile-file": f"where the profiles are; {PROFILE_FILE} if unset",
        "role": "RAM role of this instance, by its metadata service",
        "sts-endpoint": "address of STS, such as https://sts-vpc.REGION.aliyuncs.com; the public one if unset",
        "api-endpoint": "address of ECS's API, such as https://ecs-vpc.REGION.aliyuncs.com; the public one if unset",
        "proxy": "http URL of the proxy to the API; HTTPS_PROXY and NO_PROXY of the environment count if unset",
    }
)
"""The provider's own settings, each with one line of help."""

API_ENDPOINT = "https://ecs.{region}.aliyuncs.com"
"""The API of a region. Source: ECS's documentation of endpoints; some regions of government and finance clouds have
others, which `api-endpoint` takes. That every region of today answers here is unverified."""

_INSTANCE = re.compile(r"[\w-]{1,128}", re.ASCII)
_YES_NO = {"true": True, "false": False}


Choice = TypeVar("Choice")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the provider is to work.

    Attributes:
        scope: what it watches.
        machine: the instance to watch; None asks the metadata service.
        region: the region; None asks the metadata service.
        instances: the instances to watch in a region; empty for all.
        tag: key and value of a tag of the instances to watch in a region, or None.
        accept_inquired: whether events that wait for consent can be approved.
        metadata_endpoint: the metadata service's address.
        api_endpoint: the API's address; None for the region's public one.
        proxy: to the API; None for the environment's.
        ca_file: the authorities that certificates are verified by; None for the environment's, or the usual ones.
        credentials: what was said of credentials.
    """

    scope: Scope = Scope.MACHINE
    machine: str | None = None
    region: str | None = None
    instances: tuple[str, ...] = ()
    tag: tuple[str, str] | None = None
    accept_inquired: bool = True
    metadata_endpoint: str = metadata.ENDPOINT
    api_endpoint: str | None = None
    proxy: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    credentials: Explicit = field(default_factory=Explicit)

    def api_of(self, region: str) -> str:
        """The API's address for a region."""
        return self.api_endpoint or API_ENDPOINT.format(region=region)


def read_settings(options: ProviderOptions) -> Settings:
    """The settings that the options say.

    Raises:
        SettingsError: one of them cannot be used, or two do not fit together.
    """
    given = options.settings
    unknown = sorted(set(given) - set(SETTINGS))
    if unknown:
        raise SettingsError(f"alibaba has no setting {', '.join(unknown)}; it has {', '.join(SETTINGS)}")
    scope = _one_of("scope", given, {each.value: each for each in Scope}, Scope.MACHINE)
    if scope is Scope.REGION and options.machine:
        raise SettingsError("a machine is named, and scope=region watches all; use the setting instances instead")
    if scope is Scope.MACHINE and (given.get("instances") or given.get("tag")):
        raise SettingsError("instances and tag choose among a region's instances; add the setting scope=region")
    if given.get("instances") and given.get("tag"):
        raise SettingsError("instances and tag do not go together; leave one of them out")
    both = options.endpoint
    api = given.get("api-endpoint") or both
    return Settings(
        scope=scope,
        machine=_named("machine", options.machine, _INSTANCE),
        region=_named("region", options.region, metadata.REGION),
        instances=_instances(given.get("instances", "")),
        tag=_tag(given.get("tag", "")),
        accept_inquired=_one_of("accept-inquired", given, _YES_NO, default=True),
        metadata_endpoint=_address("endpoint", both) if both else metadata.ENDPOINT,
        api_endpoint=_address("api-endpoint", api) if api else None,
        proxy=_address("proxy", given["proxy"], secret=True) if given.get("proxy") else None,
        ca_file=options.ca_file,
        credentials=_credentials(given),
    )


def _named(name: str, value: str | None, pattern: re.Pattern[str]) -> str | None:
    if not value:
        return None
    if not pattern.fullmatch(value):
        raise SettingsError(f"the {name} {value!r} cannot be one of Alibaba Cloud's; take its id")
    return value


def _one_of(name: str, given: Mapping[str, str], choices: Mapping[str, Choice], default: Choice) -> Choice:
    value = given.get(name)
    if value is None:
        return default
    if value.casefold() not in choices:
        raise SettingsError(f"the setting {name} is {' or '.join(choices)}, not {value!r}")
    return choices[value.casefold()]


def _instances(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        _named("instance", name, _INSTANCE)
    return names


def _tag(text: str) -> tuple[str, str] | None:
    if not text:
        return None
    key, colon, value = text.partition(":")
    if not key or not colon:
        raise SettingsError(f"the tag {text!r} is not of the form KEY:VALUE")
    return key, value


def _address(name: str, text: str, *, secret: bool = False) -> str:
    """An http or https URL without a slash at its end; a proxy's may hold a password, so it is not repeated."""
    said = "" if secret else f" {text!r}"
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        raise SettingsError(f"the {name}{said} is no URL") from None
    if not usable or parts.query or parts.fragment or (parts.username and not secret):
        raise SettingsError(f"the {name}{said} is no URL of the form http://HOST:PORT or https://HOST")
    return text.rstrip("/")


def _sts(text: str) -> str:
    if text and not _address("sts-endpoint", text).startswith("https://"):
        raise SettingsError(f"the sts-endpoint {text!r} is no https URL, and STS is spoken to by no other")
    return text.removeprefix("https://").rstrip("/")


def _credentials(given: Mapping[str, str]) -> Explicit:
    if bool(given.get("access-key-id")) != bool(given.get("access-key-secret")):
        raise SettingsError("access-key-id and access-key-secret go together; set both or neither")
    if given.get("security-token") and not given.get("access-key-id"):
        raise SettingsError("security-token goes with access-key-id and access-key-secret; set all three")
    ways = [name for name in ("access-key-id", "profile", "role") if given.get(name)]
    if len(ways) > 1:
        raise SettingsError(f"{' and '.join(ways)} name different credentials; leave all but one of them out")
    return Explicit(
        access_key_id=given.get("access-key-id", ""),
        access_key_secret=given.get("access-key-secret", ""),
        security_token=given.get("security-token", ""),
        profile=given.get("profile", ""),
        profile_file=Path(given["profile-file"]) if given.get("profile-file") else None,
        role=_named("role", given.get("role"), _INSTANCE) or "",
        sts=_sts(given.get("sts-endpoint", "")),
    )
