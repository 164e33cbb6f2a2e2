"""What the caller of AWS's APIs may do: EC2 tells without doing it (`DryRun`), SQS and EC2 Auto Scaling do not.

Source: EC2's documentation of `DryRun`: `DryRunOperation` where the caller may, else `UnauthorizedOperation`.
Unverified: that it says so before it looks at the ids, which may name nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stormcone.clouds.contract import Right
from stormcone.errors import ProviderError
from stormcone_aws.api_errors import AwsFault, AwsRefused, not_allowed
from stormcone_aws.sdk import Sdk

GRANTED = "DryRunOperation"

NO_INSTANCE = "i-00000000000000000"
NO_EVENT = "instance-event-00000000000000000"
"""They name nothing, so that nothing would happen even if what answers ignored `DryRun`."""


def dry_run(sdk: Sdk, permission: str, **parameters: Any) -> Right:
    """Whether the caller may call an operation of EC2, by a call that is not carried out."""
    return asked(permission, lambda: sdk.call("ec2", permission.partition(":")[2], DryRun=True, **parameters))


def asked(permission: str, call: Callable[[], object]) -> Right:
    """Whether the caller may do what a call does, by making it."""
    try:
        call()
    except (AwsFault, AwsRefused) as error:
        if error.code == GRANTED:
            return Right(permission=permission, granted=True, why="")
        if not_allowed(error.code):
            return Right(permission=permission, granted=False, why=f"let an IAM policy allow {permission}")
        return Right(permission=permission, why=str(error))
    except ProviderError as error:
        return Right(permission=permission, why=str(error))
    return Right(permission=permission, granted=True, why="")


def rights_of(permissions: Sequence[str], asks: Mapping[str, Callable[[str], Right]]) -> tuple[Right, ...]:
    """The rights to these permissions: by what asks for one, else one that cannot be asked."""
    return tuple(asks[each](each) if each in asks else Right(permission=each) for each in permissions)
