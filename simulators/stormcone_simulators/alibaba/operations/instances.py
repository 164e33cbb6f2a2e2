"""The operations that describe instances.

Source, unless a line says otherwise: ECS's documentation of each operation, version 2014-05-26, and the newer SDK's
notes on each parameter.
"""

from collections.abc import Iterator
from types import MappingProxyType

from stormcone_simulators.alibaba.documents import Document
from stormcone_simulators.alibaba.instance_documents import Instance, attribute_item, instance_item, status_item
from stormcone_simulators.alibaba.instances import InstanceStatus
from stormcone_simulators.alibaba.model import AlibabaModel
from stormcone_simulators.alibaba.operations.contract import (
    ANY_REGION,
    DRY_RUN,
    INSTANCE_ID,
    INSTANCE_IDS,
    MOST,
    OWNERS,
    PAGES,
    PREVIEW,
    REGION,
    RESOURCE_GROUP,
    TAGS,
    TOKENS,
    Caller,
    Operation,
    Operations,
    refused,
)
from stormcone_simulators.alibaba.operations.pages import (
    TIME_FILTERS,
    Filter,
    Numbered,
    asks,
    fits,
    in_time,
    page,
    page_or_rest,
    tagged,
    time_bounds,
    tried,
)
from stormcone_simulators.alibaba.parameters import Arguments, Form, Parameter, Schema

METADATA_OPTIONS = "META_OPTIONS"
_P = Parameter


def _addresses(name: str) -> Parameter:
    return _P(name=name, form=Form.JSON_LIST, most=MOST)


_FILTERS = (
    Filter(_P(name="InstanceName"), "InstanceName", wild=True),
    Filter(_P(name="Status", choices=tuple(InstanceStatus)), "Status"),
    Filter(_P(name="ZoneId"), "ZoneId"),
    Filter(_P(name="VpcId"), "VpcAttributes.VpcId"),
    Filter(_P(name="VSwitchId"), "VpcAttributes.VSwitchId"),
    Filter(_P(name="SecurityGroupId"), "SecurityGroupIds.SecurityGroupId"),
    Filter(_P(name="InstanceType"), "InstanceType"),
    Filter(_P(name="InstanceTypeFamily"), "InstanceTypeFamily"),
    Filter(_P(name="InstanceNetworkType", choices=("classic", "vpc")), "InstanceNetworkType"),
    Filter(_P(name="InstanceChargeType", choices=("PostPaid", "PrePaid")), "InstanceChargeType"),
    Filter(_P(name="InternetChargeType", choices=("PayByBandwidth", "PayByTraffic")), "InternetChargeType"),
    Filter(_P(name="IoOptimized", form=Form.SWITCH), "IoOptimized"),
    Filter(_P(name="ImageId"), "ImageId"),
    Filter(_P(name="KeyPairName"), "KeyPairName"),
    Filter(_P(name="HpcClusterId"), "HpcClusterId"),
    Filter(RESOURCE_GROUP, "ResourceGroupId"),
    # The two ways in which the documentation spells `Recycling` are one here.
    Filter(
        _P(
            name="LockReason",
            choices=("financial", "security", "Recycling", "recycling", "dedicatedhostfinancial", "refunded"),
        ),
        "OperationLocks.LockReason.LockReason",
        any_case=True,
    ),
    Filter(_addresses("PrivateIpAddresses"), "VpcAttributes.PrivateIpAddress.IpAddress"),
    Filter(_addresses("PublicIpAddresses"), "PublicIpAddress.IpAddress"),
    Filter(_addresses("EipAddresses"), "EipAddress.IpAddress"),
    Filter(_addresses("InnerIpAddresses"), "InnerIpAddress.IpAddress"),
    Filter(_addresses("RdmaIpAddresses"), "RdmaIpAddress.IpAddress"),
    Filter(
        _P(name="Ipv6Address", form=Form.LIST, most=MOST),
        "NetworkInterfaces.NetworkInterface.Ipv6Sets.Ipv6Set.Ipv6Address",
    ),
    Filter(_P(name="HttpEndpoint", choices=("enabled", "disabled")), "MetadataOptions.HttpEndpoint"),
    Filter(_P(name="HttpTokens", choices=("optional", "required")), "MetadataOptions.HttpTokens"),
)


def _instance(model: AlibabaModel, name: str, caller: Caller) -> Instance:
    instances = model.instances
    return Instance(
        site=caller.site,
        hardware=instances.hardware(name),
        kept=instances.of(name),
        status=instances.status(name, caller.now),
        stopped_mode=instances.stopped_mode(name, caller.now),
        started_at=instances.started_at(name, caller.now),
        released=model.spot_release(name) is not None,
    )


def _describe(model: AlibabaModel, given: Arguments, caller: Caller) -> Document:
    bounds = time_bounds(given)
    narrowed = asks(_FILTERS, given) or given["Tag"] or bounds

    def item(name: str, *, whole: bool = False) -> Document:
        asked = METADATA_OPTIONS in given["AdditionalAttributes"]
        return instance_item(_instance(model, name, caller), metadata_options=whole or asked)

    def keeps(name: str) -> bool:
        # A whole document for each instance takes its time in a region of ten thousand.
        if not narrowed:
            return True
        document = item(name, whole=True)
        return fits(document, _FILTERS, given) and tagged(document, given) and in_time(document, bounds)

    def instances(behind: int | None) -> Iterator[Numbered]:
        names = model.instances.listed(given["InstanceIds"])
        numbered = [Numbered(model.instances.hardware(name).place, name) for name in names]
        if behind is not None or given["MaxResults"] is not None:
            numbered = sorted(each for each in numbered if behind is None or each.number > behind)
        return (each for each in numbered if keeps(each.entry))

    paging, names = page_or_rest(instances, given)
    tried(given)
    return {**paging, "Instances": {"Instance": [item(name) for name in names]}}


def _status(model: AlibabaModel, given: Arguments, caller: Caller) -> Document:
    elsewhere = given["ZoneId"] not in {None, caller.site.zone}
    paging, names = page([] if elsewhere else model.instances.some(given["InstanceId"]), given)
    items = [status_item(_instance(model, name, caller)) for name in names]
    return {**paging, "InstanceStatuses": {"InstanceStatus": items}}


def _attribute(model: AlibabaModel, given: Arguments, caller: Caller) -> Document:
    return attribute_item(_instance(model, model.instances.named(given["InstanceId"]), caller))


INSTANCE_OPERATIONS: Operations = MappingProxyType(
    {
        "DescribeInstances": Operation(
            schema=Schema(
                parameters=(
                    REGION,
                    _P(name="InstanceIds", form=Form.JSON_LIST, most=MOST),
                    *(each.parameter for each in _FILTERS),
                    TAGS,
                    TIME_FILTERS,
                    # The vendor has more; what they add is not documented.
                    _P(name="AdditionalAttributes", form=Form.LIST, choices=(METADATA_OPTIONS,)),
                    *PAGES,
                    *TOKENS,
                    DRY_RUN,
                    refused("HttpPutResponseHopLimit", "it is documented as not available"),
                    refused("DeviceAvailable", PREVIEW),
                    refused("NeedSaleCycle", PREVIEW, but="false"),
                    *OWNERS,
                )
            ),
            call=_describe,
        ),
        "DescribeInstanceStatus": Operation(
            schema=Schema(
                parameters=(
                    REGION,
                    _P(name="ZoneId"),
                    INSTANCE_IDS,
                    PAGES[0],
                    _P(name="PageSize", form=Form.NUMBER, least=1, most=50, otherwise=10),
                    refused("ClusterId", "it is documented as out of use, and the instances are in no cluster"),
                    *OWNERS,
                )
            ),
            call=_status,
        ),
        "DescribeInstanceAttribute": Operation(
            schema=Schema(parameters=(ANY_REGION, INSTANCE_ID, *OWNERS)),
            call=_attribute,
        ),
    }
)
"""By name."""
