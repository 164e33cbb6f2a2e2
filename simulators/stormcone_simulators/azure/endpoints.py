"""What the metadata service has: its endpoints, and the parameters, methods and versions of each, as data.

Source, unless a line says otherwise: Azure's page on the Instance Metadata Service and the definition of its API that
Azure publishes. `gate` refuses whatever is not in this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stormcone_simulators.azure.event_versions import VERSIONS

INSTANCE_VERSIONS = (
    "2017-03-01",
    "2017-04-02",
    "2017-08-01",
    "2017-10-01",
    "2017-12-01",
    "2018-02-01",
    "2018-04-02",
    "2018-10-01",
    "2019-02-01",
    "2019-03-11",
    "2019-04-30",
    "2019-06-01",
    "2019-06-04",
    "2019-08-01",
    "2019-08-15",
    "2019-11-01",
    "2020-06-01",
    "2020-07-15",
    "2020-09-01",
    "2020-10-01",
    "2020-12-01",
    "2021-01-01",
    "2021-02-01",
    "2021-03-01",
    "2021-05-01",
    "2021-08-01",
    "2021-10-01",
    "2021-11-01",
    "2021-11-15",
    "2021-12-13",
    "2023-07-01",
    "2023-11-15",
    "2024-03-15",
    "2024-07-17",
    "2025-04-07",
)
"""The versions of the metadata service, oldest first. Scheduled Events has its own."""

ROOT = "/metadata"
EVENTS_PATH = f"{ROOT}/scheduledevents"
INSTANCE_PATH = f"{ROOT}/instance"
IDENTITY_PATH = f"{ROOT}/identity"
TOKEN_PATH = f"{IDENTITY_PATH}/oauth2/token"
IDENTITY_INFO_PATH = f"{IDENTITY_PATH}/info"
VERSIONS_PATH = f"{ROOT}/versions"
LOAD_BALANCER_PATH = f"{ROOT}/loadbalancer"

ANY: tuple[str, ...] = ()
"""A parameter that takes any value."""


def _since(version: str) -> tuple[str, ...]:
    return tuple(known for known in INSTANCE_VERSIONS if known >= version)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One endpoint.

    Attributes:
        path: in lower case.
        methods: what can be done to it.
        versions: the values of `api-version`, which it demands; none: it is not versioned and takes none.
        bare: the versions of these that do not demand the header `Metadata: true`.
        parameters: the other parameters of the query, each with the values that it takes.
        required: those of them that it demands.
        parts: whether more of the path names a part of the document.
    """

    path: str
    methods: tuple[str, ...] = ("GET",)
    versions: tuple[str, ...] = INSTANCE_VERSIONS
    bare: tuple[str, ...] = ()
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    parts: bool = False


ENDPOINTS = (
    Endpoint(
        path=EVENTS_PATH,
        methods=("GET", "POST"),
        versions=tuple(VERSIONS),
        bare=tuple(name for name, version in VERSIONS.items() if not version.header),
        parameters={"format": ("json",)},
    ),
    # `extended`, which asks for an error in place of a document with parts missing: seen in the vendor's clients.
    Endpoint(path=INSTANCE_PATH, parameters={"format": ("json", "text"), "extended": ("true",)}, parts=True),
    # Seen in the field: as text it lists what there is.
    Endpoint(path=ROOT, parameters={"format": ("text",)}, required=("format",)),
    Endpoint(path=VERSIONS_PATH, versions=()),
    Endpoint(
        path=TOKEN_PATH,
        versions=_since("2018-02-01"),
        # `mi_res_id`: seen in the field, another name of `msi_res_id`.
        parameters={
            "resource": ANY,
            "client_id": ANY,
            "object_id": ANY,
            "msi_res_id": ANY,
            "mi_res_id": ANY,
            "authority": ANY,
            "bypass_cache": ("true",),
        },
        required=("resource",),
    ),
    Endpoint(path=IDENTITY_INFO_PATH, versions=_since("2018-02-01")),
    Endpoint(path=LOAD_BALANCER_PATH, versions=_since("2020-10-01")),
)


def find_endpoint(path: str) -> tuple[Endpoint | None, str]:
    """The endpoint of a path in lower case, and what of the path names a part of its document."""
    for endpoint in ENDPOINTS:
        if path == endpoint.path or (endpoint.parts and path.startswith(f"{endpoint.path}/")):
            return endpoint, path.removeprefix(endpoint.path)
    return None, ""
