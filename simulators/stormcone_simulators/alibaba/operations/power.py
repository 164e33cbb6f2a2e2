"""The operations that start, stop, restart and redeploy an instance.

Source, unless a line says otherwise: ECS's documentation of each operation, version 2014-05-26.
"""

import uuid
from types import MappingProxyType

from stormcone_simulators.alibaba.documents import Document
from stormcone_simulators.alibaba.instances import StoppedMode
from stormcone_simulators.alibaba.model import AlibabaModel
from stormcone_simulators.alibaba.operations.contract import (
    ANY_REGION,
    DRY_RUN,
    FORCE_STOP,
    INSTANCE_ID,
    OWNERS,
    PREVIEW,
    Caller,
    Operation,
    Operations,
    refused,
)
from stormcone_simulators.alibaba.parameters import Arguments, Handling, Parameter, Schema
from stormcone_simulators.alibaba.power import Power


def _start(model: AlibabaModel, given: Arguments, caller: Caller) -> Document:
    Power(model).start(given["InstanceId"], caller.now, dry_run=bool(given["DryRun"]))
    return {}


def _stop(model: AlibabaModel, given: Arguments, caller: Caller) -> Document:
    Power(model).stop(
        given["InstanceId"],
        caller.now,
        mode=StoppedMode(given["StoppedMode"]),
        forced=bool(given["ForceStop"]),
        dry_run=bool(given["DryRun"]),
    )
    return {}


def _reboot(model: AlibabaModel, given: Arguments, caller: Caller) -> Document:
    forced, dry_run = bool(given["ForceStop"]), bool(given["DryRun"])
    Power(model).reboot(given["InstanceId"], caller.now, forced=forced, dry_run=dry_run)
    return {}


def _redeploy(model: AlibabaModel, given: Arguments, caller: Caller) -> Document:
    Power(model).redeploy(given["InstanceId"], caller.now, forced=bool(given["ForceStop"]))
    # The task cannot be looked up: there is no DescribeTasks here.
    return {"TaskId": f"t-bp1{uuid.uuid4().hex[:17]}"}


POWER_OPERATIONS: Operations = MappingProxyType(
    {
        "StartInstance": Operation(
            schema=Schema(
                parameters=(
                    ANY_REGION,
                    INSTANCE_ID,
                    refused("InitLocalDisk", "the instances have no local disks", but="false"),
                    DRY_RUN,
                    *OWNERS,
                )
            ),
            call=_start,
        ),
        "StopInstance": Operation(
            schema=Schema(
                parameters=(
                    ANY_REGION,
                    INSTANCE_ID,
                    FORCE_STOP,
                    Parameter(
                        name="StoppedMode",
                        choices=(StoppedMode.KEEP_CHARGING, StoppedMode.STOP_CHARGING),
                        otherwise=StoppedMode.KEEP_CHARGING,
                    ),
                    DRY_RUN,
                    # Documented as kept for compatibility, to be ignored.
                    Parameter(name="ConfirmStop", handling=Handling.LEGACY),
                    refused("Hibernate", PREVIEW, but="false"),
                    *OWNERS,
                )
            ),
            call=_stop,
        ),
        "RebootInstance": Operation(
            schema=Schema(parameters=(ANY_REGION, INSTANCE_ID, FORCE_STOP, DRY_RUN, *OWNERS)),
            call=_reboot,
        ),
        "RedeployInstance": Operation(
            schema=Schema(parameters=(ANY_REGION, INSTANCE_ID, FORCE_STOP, *OWNERS)),
            call=_redeploy,
        ),
    }
)
"""By name."""
