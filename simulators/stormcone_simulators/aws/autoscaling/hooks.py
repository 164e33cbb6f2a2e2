"""EC2 Auto Scaling's lifecycle hooks: each group has one, which waits as an instance terminates.

Source: EC2 Auto Scaling's documentation of lifecycle hooks, and botocore's model. The texts of its refusals are those
that programs in the field have met.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import NAMESPACE_DNS, uuid5

from stormcone.model import Phase
from stormcone.text import folded
from stormcone_simulators.aws.api.errors import AwsError
from stormcone_simulators.aws.api.parameters import HONOURED, Parameters, Table, parameters_of
from stormcone_simulators.aws.api.xml import autoscaling_answer
from stormcone_simulators.aws.model import AwsEvent, AwsModel
from stormcone_simulators.aws.types import Family
from stormcone_simulators.http.messages import Request, Response

VERSION = "2011-01-01"
HOOK = "stormcone"
"""The name of each group's hook."""

TRANSITION = "autoscaling:EC2_INSTANCE_TERMINATING"
RESULTS = ("CONTINUE", "ABANDON")
MOST_HEARTBEATS = 100
LONGEST = timedelta(hours=48)
"""For how long a hook waits at the most, or a hundred heartbeats, whichever is less."""


def token_of(event: AwsEvent) -> str:
    """The token of a lifecycle action."""
    return str(uuid5(NAMESPACE_DNS, event.id))


@dataclass(frozen=True)
class HookCall:
    """A call of an operation.

    Attributes:
        model: the rules.
        parameters: what it says.
        now: the simulator's time.
    """

    model: AwsModel
    parameters: Parameters
    now: datetime

    def group(self) -> str:
        """The group that it names.

        Raises:
            AwsError: there is none.
        """
        name = self.parameters.text("AutoScalingGroupName")
        if not self.model.machines.group(name):
            raise AwsError("ValidationError", f"AutoScalingGroup name not found - null: {name}")
        return name

    def waiting(self) -> AwsEvent:
        """The lifecycle action that it is about.

        Raises:
            AwsError: none such waits.
        """
        group, hook = self.group(), self.parameters.text("LifecycleHookName")
        token, instance = self.parameters.text("LifecycleActionToken", ""), self.parameters.text("InstanceId", "")
        for event in self.model.book.live:
            fits = event.kind.family is Family.LIFECYCLE and event.phase is Phase.SCHEDULED and hook == HOOK
            ours = self.model.machines.named(event.instance).group == group
            named = (token in {"", token_of(event)}) and (instance == "" or folded(instance) == folded(event.instance))
            if fits and ours and named and (token or instance):
                return event
        what = f"with token {token}" if token else f"for instance {instance}"
        raise AwsError("ValidationError", f"No active Lifecycle Action found {what}")


def describe_lifecycle_hooks(call: HookCall) -> dict[str, object]:
    """The group's hook."""
    group = call.group()
    wanted = call.parameters.names("LifecycleHookNames")
    if wanted and HOOK not in wanted:
        return {"LifecycleHooks": []}
    seconds = int(_heartbeat(call.model).total_seconds())
    hook = {
        "LifecycleHookName": HOOK,
        "AutoScalingGroupName": group,
        "LifecycleTransition": TRANSITION,
        "HeartbeatTimeout": seconds,
        "GlobalTimeout": min(MOST_HEARTBEATS * seconds, int(LONGEST.total_seconds())),
        "DefaultResult": "ABANDON",
    }
    return {"LifecycleHooks": [hook]}


def complete_lifecycle_action(call: HookCall) -> dict[str, object]:
    """Go on with the termination: of an instance that terminates, either result does."""
    result = call.parameters.text("LifecycleActionResult")
    if result not in RESULTS:
        raise AwsError("ValidationError", f"Invalid result {result}; it is {' or '.join(RESULTS)}")
    event = call.waiting()
    event.approved_by.append(event.instance)
    call.model.book.start(event, call.now)
    return {}


def record_heartbeat(call: HookCall) -> dict[str, object]:
    """Wait as long again, up to the longest."""
    event = call.waiting()
    heartbeat = _heartbeat(call.model)
    last = event.created_at + min(MOST_HEARTBEATS * heartbeat, LONGEST)
    event.starts_at = event.not_before = min(call.now + heartbeat, last)
    call.model.book.touch(event)
    return {}


def _heartbeat(model: AwsModel) -> timedelta:
    return model.rules.heartbeat


@dataclass(frozen=True)
class HookOperation:
    """One operation: what it does, and what it has of parameters."""

    run: Callable[[HookCall], Mapping[str, object]]
    parameters: Table


_ACTION: Table = {
    "AutoScalingGroupName": HONOURED,
    "LifecycleHookName": HONOURED,
    "LifecycleActionToken": HONOURED,
    "InstanceId": HONOURED,
}

OPERATIONS: Mapping[str, HookOperation] = MappingProxyType(
    {
        "DescribeLifecycleHooks": HookOperation(
            describe_lifecycle_hooks, {"AutoScalingGroupName": HONOURED, "LifecycleHookNames": HONOURED}
        ),
        "CompleteLifecycleAction": HookOperation(
            complete_lifecycle_action, {**_ACTION, "LifecycleActionResult": HONOURED}
        ),
        "RecordLifecycleActionHeartbeat": HookOperation(record_heartbeat, _ACTION),
    }
)
"""By action."""


def answer(request: Request, model: AwsModel, now: datetime) -> Response:
    """Auto Scaling's answer.

    Raises:
        AwsError: the call is refused.
    """
    given = parameters_of(request)
    action = given.get("Action", "")
    operation = OPERATIONS.get(action)
    if operation is None or given.get("Version") != VERSION:
        raise AwsError("InvalidAction", f"The action {action} is not valid for this endpoint, as simulated here")
    return autoscaling_answer(action, operation.run(HookCall(model, Parameters(given, operation.parameters), now)))
