"""The role of the instances: what their programs sign calls of the API with; invented, and good for nothing else."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from stormcone_simulators.aws import site
from stormcone_simulators.aws.imds.tree import stamp

ROLE = "stormcone"
_LAST = timedelta(hours=6)


class RoleKey(NamedTuple):
    """What signs."""

    id: str
    secret: str
    token: str


ROLE_KEY = RoleKey("ASIASTORMCONE0000000", "rolesecret", "roletoken")
"""The role's key."""


def role_leaves(now: datetime, clients_now: datetime) -> Mapping[str, str]:
    """What the metadata service says of the role.

    Args:
        now: the simulator's time.
        clients_now: the real time, which credentials have to outlast as well.
    """
    profile = f"arn:aws:iam::{site.ACCOUNT}:instance-profile/{ROLE}"
    updated = stamp(min(now, clients_now))
    credentials = {
        "Code": "Success",
        "LastUpdated": updated,
        "Type": "AWS-HMAC",
        "AccessKeyId": ROLE_KEY.id,
        "SecretAccessKey": ROLE_KEY.secret,
        "Token": ROLE_KEY.token,
        "Expiration": stamp(max(now, clients_now) + _LAST),
    }
    info = {
        "Code": "Success",
        "LastUpdated": updated,
        "InstanceProfileArn": profile,
        "InstanceProfileId": "AIPASTORMCONE0000000",
    }
    return {
        "meta-data/iam/info": json.dumps(info, indent=2),
        f"meta-data/iam/security-credentials/{ROLE}": json.dumps(credentials, indent=2),
    }
