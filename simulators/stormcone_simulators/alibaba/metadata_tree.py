"""What an instance's metadata service knows: paths and values.

Source, unless a line says otherwise: ECS's list of instance metadata items. What does not fit these instances is not
there: public addresses, public keys, images of the marketplace, hosts for Windows, user data; nor is the signature of
the identity document, which nobody but the vendor can make.
"""

import json
from collections.abc import Mapping

from stormcone_simulators.alibaba import site
from stormcone_simulators.alibaba.site import Hardware, Site

_BANDWIDTH_KBITS = "1024000"


def leaves_of(made: Hardware, where: Site) -> Mapping[str, str]:
    """What there is to know of an instance whatever happens to it."""
    network = {
        "gateway": made.gateway,
        "netmask": str(made.network.netmask),
        "network-interface-id": made.interface,
        "primary-ip-address": made.address,
        "private-ipv4s": json.dumps([made.address]),
        "vpc-cidr-block": str(site.VPC_NETWORK),
        "vpc-id": site.VPC,
        "vswitch-cidr-block": str(made.network),
        "vswitch-id": made.switch,
    }
    identity = {
        "zone-id": where.zone,
        "serial-number": made.serial,
        "instance-id": made.name,
        "region-id": where.region,
        "private-ipv4": made.address,
        "owner-account-id": site.ACCOUNT,
        "mac": made.mac,
        "image-id": site.IMAGE,
        "instance-type": site.INSTANCE_TYPE,
    }
    items = {
        **{name: value for name, value in identity.items() if name != "instance-type"},
        "dns-conf/nameservers": "100.100.2.136\n100.100.2.138",
        "hostname": made.name,
        "instance/instance-name": made.name,
        "instance/instance-type": site.INSTANCE_TYPE,
        # Known from a third party's sample.
        "instance/last-host-landing-time": f"{site.CREATED:%Y-%m-%d %H:%M:%S}",
        "instance/max-netbw-egress": _BANDWIDTH_KBITS,
        "instance/max-netbw-ingress": _BANDWIDTH_KBITS,
        "instance/virtualization-solution": "ECS Virt",
        "instance/virtualization-solution-version": "2.0",
        "network-type": "vpc",
        **{f"network/interfaces/macs/{made.mac}/{name}": value for name, value in network.items()},
        "ntp-conf/ntp-servers": "ntp1.aliyun.com\nntp2.aliyun.com",
        "source-address": "http://mirrors.cloud.aliyuncs.com",
        **{name: network[name] for name in ("vpc-cidr-block", "vpc-id", "vswitch-cidr-block", "vswitch-id")},
    }
    return {
        "dynamic/instance-identity/document": json.dumps(identity),
        # What stands here while there are events is not documented, so it says nothing of them.
        "maintenance/active-system-events": "None",
        **{f"meta-data/{name}": value for name, value in items.items()},
    }
