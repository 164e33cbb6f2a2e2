"""What an operation is, and the parameters that many of them share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from stormcone_simulators.alibaba.documents import Document
from stormcone_simulators.alibaba.model import AlibabaModel
from stormcone_simulators.alibaba.parameters import Arguments, Form, Handling, Parameter, Schema
from stormcone_simulators.alibaba.site import Site
from stormcone_simulators.alibaba.types import EVENT_TYPES

MOST = 100
"""How many instances or events one call may name, and how many entries a page may have."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who calls, where and when.

    Attributes:
        machine: the machine that the call comes from.
        host: what it calls the simulator.
        site: what is served.
        now: the simulator's time.
    """

    machine: str
    host: str
    site: Site
    now: datetime


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation.

    Attributes:
        schema: what it takes.
        call: what it does; the answer goes without `RequestId`.
    """

    schema: Schema
    call: Callable[[AlibabaModel, Arguments, Caller], Document]


Operations = Mapping[str, Operation]

REGION = Parameter(name="RegionId", form=Form.REGION, required=True)
ANY_REGION = Parameter(name="RegionId", form=Form.REGION)
"""Of operations whose definition has no region: the older SDK adds it to every call."""

OWNERS = tuple(
    Parameter(name=name, handling=Handling.LEGACY)
    for name in ("OwnerAccount", "OwnerId", "ResourceOwnerAccount", "ResourceOwnerId")
)
"""Both SDKs know them of nearly every operation, and no page documents them."""

INSTANCE_ID = Parameter(name="InstanceId", required=True)
INSTANCE_IDS = Parameter(name="InstanceId", form=Form.LIST, most=MOST, too_many="InstanceIdLimitExceeded")
EVENT_IDS = Parameter(name="EventId", form=Form.LIST, most=MOST, too_many="EventIdLimitExceeded")
EVENT_TYPE_FILTERS = (
    Parameter(name="InstanceEventType", form=Form.LIST, most=30, choices=EVENT_TYPES),
    Parameter(name="EventType", choices=EVENT_TYPES),
)
EVENT_SPANS = tuple(
    Parameter(name=f"{name}.{end}", form=Form.TIME)
    for name in ("NotBefore", "EventPublishTime")
    for end in ("Start", "End")
)
TAGS = Parameter(name="Tag", form=Form.RECORDS, fields={"Key": True, "Value": False}, most=20)
RESOURCE_GROUP = Parameter(name="ResourceGroupId")
DRY_RUN = Parameter(name="DryRun", form=Form.SWITCH)
FORCE_STOP = Parameter(name="ForceStop", form=Form.SWITCH)
PAGES = (
    Parameter(name="PageNumber", form=Form.NUMBER, least=1, otherwise=1),
    Parameter(name="PageSize", form=Form.NUMBER, least=1, most=MOST, otherwise=10),
)
TOKENS = (Parameter(name="MaxResults", form=Form.NUMBER, least=1), Parameter(name="NextToken"))


def required(parameter: Parameter) -> Parameter:
    """The same parameter, without which a call is refused."""
    return replace(parameter, required=True)


def refused(name: str, why: str, *, form: Form = Form.TEXT, but: str = "") -> Parameter:
    """A parameter that the simulator does nothing for.

    Args:
        name: as it is written.
        why: the reason, as the end of a sentence.
        form: how it is written.
        but: the value that asks for nothing, in lower case.
    """
    return Parameter(name=name, form=form, handling=Handling.REFUSED, why=why, choices=(but,) if but else ())


PREVIEW = "it belongs to a preview by invitation"
