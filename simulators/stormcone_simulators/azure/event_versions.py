"""The versions of Scheduled Events, as data. Source: Azure's documentation of Scheduled Events."""

from collections.abc import Mapping
from dataclasses import dataclass

from stormcone_simulators.azure.model import EVENT_TYPES

CURRENT_VERSION = "2020-07-01"

_OLD_TYPES = ("Freeze", "Reboot", "Redeploy")


@dataclass(frozen=True, kw_only=True)
class Version:
    """One `api-version` of Scheduled Events.

    Attributes:
        types: the event types that it knows; events of others are not shown in it.
        fields: what it adds to the fields that every version has.
        prefix: what stands before the names of machines.
        header: whether it demands the header `Metadata: true`.
    """

    types: tuple[str, ...]
    fields: tuple[str, ...] = ()
    prefix: str = ""
    header: bool = True


VERSIONS: Mapping[str, Version] = {
    "2017-03-01": Version(types=_OLD_TYPES, prefix="_", header=False),
    "2017-08-01": Version(types=_OLD_TYPES),
    "2017-11-01": Version(types=(*_OLD_TYPES, "Preempt")),
    "2019-01-01": Version(types=tuple(EVENT_TYPES)),
    "2019-04-01": Version(types=tuple(EVENT_TYPES), fields=("Description",)),
    "2019-08-01": Version(types=tuple(EVENT_TYPES), fields=("Description", "EventSource")),
    CURRENT_VERSION: Version(types=tuple(EVENT_TYPES), fields=("Description", "EventSource", "DurationInSeconds")),
}
