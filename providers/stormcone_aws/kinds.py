"""What EC2 announces, and what it means in neutral words: data, for all three ways in which AWS tells of it.

The metadata service, the API and the queue tell of the same events; so kinds, ids and words are made here alone.

Source, unless a line says otherwise: EC2's documentation of scheduled events, spot interruptions and Auto Scaling's
target lifecycle states, and the codes in botocore's model of EC2.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from stormcone.model import Cause, Impact, Outcome
from stormcone.text import folded

PROVIDER = "aws"
"""The `provider` of every event of AWS, whoever tells of it."""


class AwsKind(NamedTuple):
    """What an event does to the instance, and why."""

    impact: Impact
    cause: Cause


EVENT_CODES: Mapping[str, AwsKind] = MappingProxyType(
    {
        "instance-reboot": AwsKind(Impact.REBOOT, Cause.MAINTENANCE),
        "system-reboot": AwsKind(Impact.REBOOT, Cause.MAINTENANCE),
        # Of the network; of the power it restarts the instance, see `POWER`.
        "system-maintenance": AwsKind(Impact.DEGRADED, Cause.MAINTENANCE),
        # It terminates an instance whose root is in an instance store, which nothing in the event says.
        "instance-retirement": AwsKind(Impact.STOP, Cause.HARDWARE_FAILURE),
        "instance-stop": AwsKind(Impact.STOP, Cause.HARDWARE_FAILURE),
    }
)
"""`Code` of a scheduled event; see `UNKNOWN_CODE` for any other."""

UNKNOWN_CODE = AwsKind(Impact.UNKNOWN, Cause.MAINTENANCE)

POWER = "power"
"""A `system-maintenance` whose text has this word restarts the instance. That the text has it is unverified."""

UNTOLD = "unknown"
"""The `native_type` of a scheduled event without a code."""


def kind_of(code: str, description: str) -> AwsKind:
    """What a scheduled event does, by its code; of the power, by its text too."""
    known = next((kind for name, kind in EVENT_CODES.items() if folded(name) == folded(code)), UNKNOWN_CODE)
    if known.impact is Impact.DEGRADED and POWER in folded(description):
        return known._replace(impact=Impact.REBOOT)
    return known


SPOT_ACTIONS: Mapping[str, Impact] = MappingProxyType(
    {"terminate": Impact.TERMINATE, "stop": Impact.STOP, "hibernate": Impact.HIBERNATE}
)
"""`action` of a spot interruption; of any other the impact is not known."""

HIBERNATE = "hibernate"
"""The action that begins as it is told: there is a notice, and no time until it."""

LIFECYCLE_STATES: Mapping[str, Impact] = MappingProxyType(
    {
        "Terminated": Impact.TERMINATE,
        "Warmed:Terminated": Impact.TERMINATE,
        "Warmed:Stopped": Impact.STOP,
        "Warmed:Hibernated": Impact.HIBERNATE,
    }
)
"""The target states that take an instance away. `InService`, `Standby`, `Detached` and `Warmed:Running` do not."""

ACTIVE = "active"
"""`State` of a scheduled event that has not ended. The API has no such field, so there it is what no text denies."""

ENDED: Mapping[str, Outcome] = MappingProxyType({"completed": Outcome.COMPLETED, "canceled": Outcome.CANCELED})
"""`State` of a scheduled event that has ended. The API has no such field; there the text says it, see `ended_in`."""


def ended_in(description: str) -> str:
    """The state by which a text begins, such as `[Completed] ...`, in lower case; "" where it begins by none."""
    start, bracket, _ = description.strip().partition("]")
    state = start.removeprefix("[").strip().lower()
    return state if bracket and start.startswith("[") and state in ENDED else ""


def scheduled_id(instance: str, code: str) -> str:
    """The id of a scheduled event to which AWS has given none, which is not documented to be."""
    return f"scheduled/{instance}/{code or UNTOLD}"


def spot_id(instance: str) -> str:
    """The id of an instance's spot interruption: AWS gives none, and the time may move."""
    return f"spot/{instance}"


def rebalance_id(instance: str) -> str:
    """The id of an instance's rebalance recommendation."""
    return f"rebalance/{instance}"


def lifecycle_id(instance: str) -> str:
    """The id of an instance's way out of its Auto Scaling group."""
    return f"lifecycle/{instance}"
