"""The operations about regions and zones.

Source, unless a line says otherwise: ECS's documentation of each operation, version 2014-05-26.
"""

from types import MappingProxyType

from stormcone_simulators.alibaba.documents import Document
from stormcone_simulators.alibaba.model import AlibabaModel
from stormcone_simulators.alibaba.operations.contract import OWNERS, REGION, Caller, Operation, Operations
from stormcone_simulators.alibaba.parameters import Arguments, Form, Handling, Parameter, Schema
from stormcone_simulators.alibaba.region_documents import CHINESE, ENGLISH, region_item, zone_item


def _regions(_model: AlibabaModel, given: Arguments, caller: Caller) -> Document:
    return {"Regions": {"Region": [region_item(caller.site, given["AcceptLanguage"], caller.host)]}}


def _zones(_model: AlibabaModel, given: Arguments, caller: Caller) -> Document:
    return {"Zones": {"Zone": [zone_item(caller.site, given["AcceptLanguage"], verbose=given["Verbose"])]}}


# The vendor has more languages; no table of names in them is at hand.
_LANGUAGE = Parameter(name="AcceptLanguage", choices=(CHINESE, ENGLISH), otherwise=CHINESE)
_SPOT = ("SpotWithPriceLimit", "SpotAsPriceGo")

REGION_OPERATIONS: Operations = MappingProxyType(
    {
        "DescribeRegions": Operation(
            schema=Schema(
                parameters=(
                    # None of this operation; the older SDK adds the one that it is set to, whatever that is.
                    Parameter(name="RegionId", handling=Handling.LEGACY),
                    _LANGUAGE,
                    # All of them can be had in the one region and zone.
                    Parameter(name="InstanceChargeType", choices=("PrePaid", "PostPaid", *_SPOT)),
                    Parameter(name="ResourceType", choices=("instance", "disk", "reservedinstance", "scu")),
                    *OWNERS,
                )
            ),
            call=_regions,
        ),
        "DescribeZones": Operation(
            schema=Schema(
                parameters=(
                    REGION,
                    _LANGUAGE,
                    Parameter(name="InstanceChargeType", choices=("PrePaid", "PostPaid")),
                    Parameter(name="SpotStrategy", choices=("NoSpot", *_SPOT)),
                    Parameter(name="Verbose", form=Form.SWITCH, otherwise=True),
                    *OWNERS,
                )
            ),
            call=_zones,
        ),
    }
)
"""By name."""
