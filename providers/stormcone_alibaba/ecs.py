"""What the provider asks of ECS's API, in a protocol of our own, so that another SDK can stand in."""

from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue

Document = dict[str, JsonValue]
"""An answer's JSON object, as it came."""

BATCH = 100
"""How many instances, or events, one call may name; also how many events a page holds at most."""


@dataclass(frozen=True, kw_only=True)
class HistoryQuery:
    """Which events to list.

    Attributes:
        statuses: `InstanceEventCycleStatus`; without any the service hides all that has not ended.
        resource_ids: instances, at most `BATCH`; empty for the whole region.
        event_ids: at most `BATCH`; empty for all.
        tag: key and value of a tag of the instances, or None.
    """

    statuses: tuple[str, ...]
    resource_ids: tuple[str, ...] = ()
    event_ids: tuple[str, ...] = ()
    tag: tuple[str, str] | None = None


class EcsApi(Protocol):
    """The operations of ECS, version 2014-05-26, in one region. Any number of threads may call it.

    Every method raises `ApiFault` or `ApiRefused` for an answer with an error code, and `ProviderError` where there
    was no answer. The operations that change something are sent once at most: whether one arrived that met a
    `ProviderError` is not known.
    """

    def describe_history_events(self, query: HistoryQuery, next_token: str = "") -> Document:
        """DescribeInstanceHistoryEvents: one page, of at most `BATCH` events."""

    def describe_instances(self, instance_ids: tuple[str, ...]) -> Document:
        """DescribeInstances: those of these ids that there are; at most `BATCH`."""

    def try_describe_instances(self) -> None:
        """DescribeInstances with `DryRun`: always an error, `DryRunOperation` where the caller may call it.

        None of the other operations here has a dry run. Source: ECS's documentation of each operation.
        """

    def create_simulated(self, event_type: str, not_before: str, instance_ids: tuple[str, ...]) -> Document:
        """CreateSimulatedSystemEvents: one event for each instance, notifications only; at most `BATCH`."""

    def cancel_simulated(self, event_ids: tuple[str, ...]) -> Document:
        """CancelSimulatedSystemEvents: at most `BATCH`."""

    def accept(self, event_id: str) -> Document:
        """AcceptInquiredSystemEvent: the owner's consent; the event goes on to Executing."""

    def close(self) -> None:
        """Let go of connections. Safe to call twice."""
