"""The API's answers about regions and zones: there is one of each, that which is served.

Names, shapes and types as in the newer SDK's model of them. The names for people are as the documentation's list of
regions has them; a region that is not in the table has its id for a name.
"""

# ruff: noqa: RUF001 - the names have the brackets of their script

from collections.abc import Mapping
from types import MappingProxyType

from stormcone_simulators.alibaba import site
from stormcone_simulators.alibaba.documents import Document
from stormcone_simulators.alibaba.site import Site

CHINESE, ENGLISH = "zh-CN", "en-US"

REGION_NAMES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "cn-hangzhou": {CHINESE: "华东1（杭州）", ENGLISH: "China (Hangzhou)"},
        "cn-shanghai": {CHINESE: "华东2（上海）", ENGLISH: "China (Shanghai)"},
        "cn-beijing": {CHINESE: "华北2（北京）", ENGLISH: "China (Beijing)"},
        "cn-shenzhen": {CHINESE: "华南1（深圳）", ENGLISH: "China (Shenzhen)"},
        "cn-hongkong": {CHINESE: "中国香港", ENGLISH: "China (Hong Kong)"},
        "ap-southeast-1": {CHINESE: "新加坡", ENGLISH: "Singapore"},
        "ap-northeast-1": {CHINESE: "日本（东京）", ENGLISH: "Japan (Tokyo)"},
        "eu-central-1": {CHINESE: "德国（法兰克福）", ENGLISH: "Germany (Frankfurt)"},
        "us-west-1": {CHINESE: "美国（硅谷）", ENGLISH: "US (Silicon Valley)"},
        "us-east-1": {CHINESE: "美国（弗吉尼亚）", ENGLISH: "US (Virginia)"},
    }
)
_ZONE_NAMES = {CHINESE: "可用区 {}", ENGLISH: "Zone {}"}


def region_item(where: Site, language: str, endpoint: str) -> Document:
    """The region as DescribeRegions lists it.

    Args:
        where: it.
        language: of its name.
        endpoint: where its API is: the host that was asked, so that whoever goes there stays with the simulator.
    """
    return {
        "LocalName": _region_name(where, language),
        "RegionEndpoint": endpoint,
        "RegionId": where.region,
        "Status": "available",
    }


def zone_item(where: Site, language: str, *, verbose: bool) -> Document:
    """The zone as DescribeZones lists it.

    Args:
        where: it.
        language: of its name.
        verbose: whether to say what there is in it. Unverified: which fields go without that.
    """
    letter = where.zone.rpartition("-")[2].upper()
    names = {
        "LocalName": f"{_region_name(where, language)} {_ZONE_NAMES[language].format(letter)}",
        "ZoneId": where.zone,
        "ZoneType": "AvailabilityZone",
    }
    if not verbose:
        return names
    offers = {
        "DataDiskCategories": {"supportedDataDiskCategory": [site.DISK_CATEGORY]},
        "InstanceGenerations": {"supportedInstanceGeneration": ["ecs-6"]},
        "InstanceTypeFamilies": {"supportedInstanceTypeFamily": [site.TYPE_FAMILY]},
        "InstanceTypes": {"supportedInstanceType": [site.INSTANCE_TYPE]},
        "IoOptimized": True,
        "NetworkTypes": {"supportedNetworkCategory": ["vpc"]},
        "SystemDiskCategories": {"supportedSystemDiskCategory": [site.DISK_CATEGORY]},
    }
    return {
        "AvailableDedicatedHostTypes": {"DedicatedHostType": []},
        "AvailableDiskCategories": {"DiskCategories": [site.DISK_CATEGORY]},
        "AvailableInstanceTypes": {"InstanceTypes": [site.INSTANCE_TYPE]},
        "AvailableResourceCreation": {"ResourceTypes": ["VSwitch", "IoOptimized", "Instance", "Disk"]},
        "AvailableResources": {"ResourcesInfo": [offers]},
        "AvailableVolumeCategories": {"VolumeCategories": [site.DISK_CATEGORY]},
        "DedicatedHostGenerations": {"DedicatedHostGeneration": []},
        **names,
    }


def _region_name(where: Site, language: str) -> str:
    return REGION_NAMES.get(where.region, {}).get(language, where.region)
