"""The provider's options, checked once and told in one sentence where they cannot be used."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from stormcone.clouds.contract import ProviderOptions
from stormcone.clouds.settings import Given, address, matching
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
_OWNER = "Alibaba Cloud"


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
    given = Given("alibaba", options.settings, SETTINGS)
    scope = given.one_of("scope", {each.value: each for each in Scope}, Scope.MACHINE)
    if scope is Scope.REGION and options.machine:
        raise SettingsError("a machine is named, and scope=region watches all; use the setting instances instead")
    if scope is Scope.MACHINE and ("instances" in given or "tag" in given):
        raise SettingsError("instances and tag choose among a region's instances; add the setting scope=region")
    given.apart("instances", "tag")
    both = address("endpoint", options.endpoint) if options.endpoint else None
    return Settings(
        scope=scope,
        machine=matching("machine", options.machine, _INSTANCE, _OWNER),
        region=matching("region", options.region, metadata.REGION, _OWNER),
        instances=tuple(name for name in given.names("instances") if matching("instance", name, _INSTANCE, _OWNER)),
        tag=given.pair("tag"),
        accept_inquired=given.yes_or_no("accept-inquired", default=True),
        metadata_endpoint=both or metadata.ENDPOINT,
        api_endpoint=given.address("api-endpoint") or both,
        proxy=given.address("proxy", secret=True),
        ca_file=options.ca_file,
        credentials=_credentials(given),
    )


def _sts(given: Given) -> str:
    endpoint = given.address("sts-endpoint") or ""
    if endpoint and not endpoint.startswith("https://"):
        raise SettingsError(f"the sts-endpoint {endpoint!r} is not an https URL, and STS takes no other")
    return endpoint.removeprefix("https://")


def _credentials(given: Given) -> Explicit:
    given.together("access-key-id", "access-key-secret")
    if "security-token" in given and "access-key-id" not in given:
        raise SettingsError("security-token goes with access-key-id and access-key-secret; set all three")
    different = "name different credentials"
    given.apart("access-key-id", "profile", "role", why=different)
    given.apart("access-key-id", "profile-file", "role", why=different)
    return Explicit(
        access_key_id=given.text("access-key-id"),
        access_key_secret=given.text("access-key-secret"),
        security_token=given.text("security-token"),
        profile=given.text("profile"),
        profile_file=given.path("profile-file"),
        role=matching("role", given.text("role"), _INSTANCE, _OWNER) or "",
        sts=_sts(given),
    )
