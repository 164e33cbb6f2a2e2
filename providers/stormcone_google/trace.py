"""What Google's exchanges look like in a trace: which of their fields name nobody, and how they are told anew.

Source of the fields: Compute Engine's documentation of VM metadata, and its API's definition.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from http import HTTPStatus

from stormcone.clouds.exchange import Exchange
from stormcone.clouds.trace import TraceRules
from stormcone.model import Impact, Machine, MaintenanceEvent
from stormcone_google.keys import MAINTENANCE, PREEMPTED, UPCOMING, same_name
from stormcone_google.metadata import ENDPOINT, FLAVOR, GOOGLE, ROOT
from stormcone_google.settings import API_ENDPOINT
from stormcone_google.upcoming import FIELDS, NO_NOTIFICATIONS
from stormcone_google.wire import KEYS

ZONE = "us-central1-a"
"""The zone of a machine of which a journal tells none; made up."""

_SPELT = {name: "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name) for name in FIELDS}

RULES = TraceRules(
    headers=frozenset({FLAVOR}),
    plain_fields=frozenset(
        {
            *_SPELT,
            *_SPELT.values(),
            *(name.replace("_", "-") for name in _SPELT.values()),
            *KEYS,
            "alt",
            "automaticRestart",
            "onHostMaintenance",
            "operationType",
            "preemptible",
            "progress",
            "recursive",
            "startTime",
            "status",
        }
    ),
    text_fields=frozenset({"error", "message"}),
    plain_words=(
        "*.googleapis.com",
        "169.254.169.254",
        "compute",
        "computeMetadata",
        "default",
        "hostname",
        "id",
        "instance",
        "instances",
        "machines",
        "metadata.google.internal",
        "name",
        "performMaintenance",
        "project",
        "project-id",
        "projects",
        "scheduling",
        "scopes",
        "service-accounts",
        "simulateMaintenanceEvent",
        "v1",
        "zone",
        "zones",
        *KEYS,
    ),
)

_POLICIES = {Impact.FREEZE: ("TRUE", "MIGRATE"), Impact.REBOOT: ("TRUE", "TERMINATE")}
_OF_STOPPED = ("FALSE", "TERMINATE")
_NOTHING = {PREEMPTED: "FALSE", MAINTENANCE: "NONE"}


class GoogleTrace:
    """Google Cloud's part of recording."""

    rules = RULES

    def identity(self, machine: Machine, at: datetime) -> Iterator[Exchange]:
        """The metadata server's answers, as far as the machine is known; a zone that is not known is made up."""
        yield _metadata("instance/id", at, machine.id or "1")
        yield _metadata("instance/name", at, machine.name)
        yield _metadata("instance/service-accounts/default/scopes", at, None)
        yield _metadata("instance/zone", at, f"projects/1/zones/{machine.zone or ZONE}")
        yield _metadata("instance/hostname", at, machine.name)
        yield _metadata("project/project-id", at, machine.account or "project")

    def poll(
        self,
        machine: Machine,  # noqa: ARG002 - every VM sees its own events alone
        going_on: Sequence[MaintenanceEvent],
        ended: Sequence[MaintenanceEvent],  # noqa: ARG002 - what has ended is just not announced
        number: int,  # noqa: ARG002 - the server does not count what it shows
        at: datetime,
    ) -> Iterator[Exchange]:
        """Each key's answer, and what becomes of the VM where something is announced."""
        told = {event.id.partition("/")[0]: event for event in going_on}
        for key in KEYS:
            event = told.get(key)
            if key == UPCOMING:
                body = json.dumps(event.native) if event else f'{{ "error": "{NO_NOTIFICATIONS.decode()}" }}'
                status = HTTPStatus.OK if event else HTTPStatus.SERVICE_UNAVAILABLE
                yield _metadata(f"instance/{key}?recursive=true&alt=json", at, body, status=status)
            else:
                yield _metadata(f"instance/{key}", at, str(event.native.get(key, "")) if event else _NOTHING[key])
        if told:
            settles = told.get(UPCOMING) or told.get(MAINTENANCE) or next(iter(told.values()))
            restarts, on_maintenance = _POLICIES.get(settles.impact, _OF_STOPPED)
            policy = {"automaticRestart": restarts, "onHostMaintenance": on_maintenance}
            yield _metadata("instance/scheduling/?recursive=true&alt=json", at, json.dumps(policy))

    def approval(self, machine: Machine, event: MaintenanceEvent, status: int, at: datetime) -> Iterator[Exchange]:
        """The call that begins the event."""
        project, zone = machine.account or "project", machine.zone or ZONE
        path = f"/compute/v1/projects/{project}/zones/{zone}/instances/{machine.name}/performMaintenance"
        said = {"operationType": "performMaintenance", "name": f"operation-{same_name(event.id)}", "status": "RUNNING"}
        yield Exchange(
            at=at,
            method="POST",
            url=f"{API_ENDPOINT}{path}",
            status=status,
            reason=HTTPStatus(status).phrase if status else "",
            headers={"Content-Type": "application/json; charset=UTF-8"},
            body=json.dumps(said).encode() if status == HTTPStatus.OK else b"",
            fault="" if status else "the answer was lost",
        )


def _metadata(path: str, at: datetime, text: str | None, *, status: HTTPStatus | None = None) -> Exchange:
    status = status or (HTTPStatus.NOT_FOUND if text is None else HTTPStatus.OK)
    return Exchange(
        at=at,
        method="GET",
        url=f"{ENDPOINT}{ROOT}/{path}",
        request_headers={FLAVOR: GOOGLE},
        status=status,
        reason=status.phrase,
        headers={"Content-Type": "application/text", FLAVOR: GOOGLE},
        body=(text or "").encode(),
    )
