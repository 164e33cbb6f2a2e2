"""The provider's options, checked once and told in one sentence where they cannot be used."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

from stormcone.clouds.contract import ProviderOptions
from stormcone.clouds.settings import Given, address, matching
from stormcone.model import Impact
from stormcone_google import metadata
from stormcone_google.keys import PROVIDER

SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "preemption": "what becomes of this Spot VM once it is taken away, as it was made: stop or delete; delete if "
        "unset",
        "preemption-notice": "seconds between the notice of a Spot VM and its shutdown, as it was made; 0 if unset",
        "credentials-file": "credentials for the Compute API; GOOGLE_APPLICATION_CREDENTIALS, or the VM's service "
        "account, if unset",
        "api-endpoint": "address of the Compute API; the public one if unset",
        "proxy": "http URL of the proxy to the API; HTTPS_PROXY and NO_PROXY of the environment count if unset",
    }
)
"""The provider's own settings, each with one line of help."""

PREEMPTIONS: Mapping[str, Impact] = MappingProxyType({"stop": Impact.STOP, "delete": Impact.TERMINATE})
"""What becomes of a Spot VM, by its `instanceTerminationAction`. The metadata server does not say which it is; where
nobody says it, the VM is taken to be lost, so that whoever prepares for that is told."""

PERMISSIONS: Mapping[str, str] = MappingProxyType(
    {call: f"compute.instances.{call}" for call in ("get", "performMaintenance", "simulateMaintenanceEvent")}
)
"""What the caller of the API must be allowed to do, by call. Watching needs none of it, beginning maintenance the
second, simulating it the first and the last. The names follow the API's; unverified but for `get`."""

API_ENDPOINT = "https://compute.googleapis.com"

LONGEST_NOTICE = 3600.0
"""Seconds above which a `preemption-notice` is not believed; Compute Engine has 0 and 120."""

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_REGION = re.compile(r"[a-z0-9-]{1,64}")
_OWNER = "Google Cloud"


@dataclass(frozen=True, kw_only=True)
class GoogleSettings:
    """How the provider is to work.

    Attributes:
        machine: the VM's name; None asks the metadata server.
        region: the region; None asks the metadata server.
        metadata_endpoint: the metadata server's address.
        api_endpoint: the Compute API's address.
        preemption: what becomes of the VM when it is taken away.
        preemption_notice: how long before its shutdown it is told.
        credentials_file: credentials for the API; None for the environment's, or the VM's service account.
        proxy: to the API; None for the environment's.
        ca_file: the authorities that certificates are verified by; None for the environment's, or the usual ones.
    """

    machine: str | None = None
    region: str | None = None
    metadata_endpoint: str = metadata.ENDPOINT
    api_endpoint: str = API_ENDPOINT
    preemption: Impact = Impact.TERMINATE
    preemption_notice: timedelta = timedelta(0)
    credentials_file: Path | None = None
    proxy: str | None = field(default=None, repr=False)
    ca_file: Path | None = None


def read_settings(options: ProviderOptions) -> GoogleSettings:
    """The settings that the options say.

    Raises:
        SettingsError: one of them cannot be used.
    """
    given = Given(PROVIDER, options.settings, SETTINGS)
    both = address("endpoint", options.endpoint) if options.endpoint else None
    seconds = given.number("preemption-notice", 0.0, least=0.0, most=LONGEST_NOTICE)
    return GoogleSettings(
        machine=matching("machine", options.machine, _NAME, _OWNER),
        region=matching("region", options.region, _REGION, _OWNER),
        metadata_endpoint=both or metadata.ENDPOINT,
        api_endpoint=given.address("api-endpoint") or both or API_ENDPOINT,
        preemption=given.one_of("preemption", PREEMPTIONS, Impact.TERMINATE),
        preemption_notice=timedelta(seconds=seconds),
        credentials_file=given.path("credentials-file"),
        proxy=given.address("proxy", secret=True),
        ca_file=options.ca_file,
    )
