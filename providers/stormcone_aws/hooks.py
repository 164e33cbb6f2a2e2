"""Auto Scaling's lifecycle hooks: how long one waits, telling it to wait on, and telling it to go on."""

import threading
from datetime import timedelta

from stormcone.clock import Clock
from stormcone.errors import ProviderError, RequestRefused
from stormcone.model import MaintenanceEvent
from stormcone_aws.api_errors import AnswerLost, AwsRefused
from stormcone_aws.messages import LONGEST_HOOK, Hook, hook_of
from stormcone_aws.sdk import Sdk

ASK_AGAIN = 300.0
"""Seconds after which a hook whose time could not be asked is asked about again."""


class Hooks:
    """The hooks of one region's groups. Any thread may use it.

    Args:
        sdk: how they are reached.
        clock: for when what failed is asked again.
    """

    def __init__(self, sdk: Sdk, clock: Clock) -> None:
        self._sdk = sdk
        self._clock = clock
        self._lock = threading.Lock()
        self._times: dict[tuple[str, str], timedelta] = {}
        self._asked_in_vain: dict[tuple[str, str], float] = {}
        self._unanswered: set[str] = set()
        """Events whose hooks were told to go on, and never answered."""

    def timed(self, event: MaintenanceEvent) -> tuple[MaintenanceEvent, str]:
        """The event with how long its hook waits; and why that could not be asked, or ""."""
        hook = hook_of(event)
        if hook is None or event.heartbeat is None:
            return event, ""
        heartbeat, trouble = self._heartbeat(hook)
        if heartbeat is None:
            return event, trouble
        # Source: EC2 Auto Scaling's documentation: 48 hours or 100 times the heartbeat, whichever is less.
        waits = min(100 * heartbeat, LONGEST_HOOK)
        ends_by = event.ends_by - LONGEST_HOOK + waits if event.ends_by else None
        return event.but(heartbeat=heartbeat, ends_by=ends_by), ""

    def extend(self, event: MaintenanceEvent) -> None:
        """Have the hook wait on.

        Raises:
            RequestRefused: it waits no longer.
            ProviderError: it could not be told.
        """
        self._answer(event, "RecordLifecycleActionHeartbeat")

    def complete(self, event: MaintenanceEvent) -> None:
        """Have the hook wait no longer: the instance is ready.

        Raises:
            RequestRefused: it waits no longer.
            ProviderError: it could not be told.
        """
        try:
            self._answer(event, "CompleteLifecycleAction", LifecycleActionResult="CONTINUE")
        except AnswerLost as error:
            with self._lock:
                self._unanswered.add(event.id)
            raise AnswerLost(
                f"the answer to CompleteLifecycleAction was lost, so whether Auto Scaling goes on with {event.id} "
                f"is not known; it is told again ({error})"
            ) from None
        except AwsRefused as error:
            if not (error.repeats or event.id in self._unanswered):
                raise
            raise AwsRefused(
                f"an answer to CompleteLifecycleAction was lost, and now Auto Scaling refuses the same for {event.id}: "
                f"it has heard it the first time, or has waited long enough; nothing is left to do ({error})",
                error.code,
                error.said,
            ) from None
        with self._lock:
            self._unanswered.discard(event.id)

    def _answer(self, event: MaintenanceEvent, action: str, **more: str) -> None:
        hook = hook_of(event)
        if hook is None:
            raise RequestRefused(
                f"event {event.id} does not say which lifecycle hook waits, so none is answered; "
                "let a queue have the messages of its group"
            )
        token = {"LifecycleActionToken": hook.token} if hook.token else {}
        self._sdk.call(
            "autoscaling",
            action,
            AutoScalingGroupName=hook.group,
            LifecycleHookName=hook.name,
            InstanceId=hook.instance,
            **token,
            **more,
        )

    def _heartbeat(self, hook: Hook) -> tuple[timedelta | None, str]:
        key = (hook.group, hook.name)
        with self._lock:
            known, in_vain = self._times.get(key), self._asked_in_vain.get(key)
        if known is not None or (in_vain is not None and self._clock.monotonic() - in_vain < ASK_AGAIN):
            return known, ""
        try:
            found = self._asked(hook)
        except ProviderError as error:
            with self._lock:
                self._asked_in_vain[key] = self._clock.monotonic()
            return (
                None,
                f"how long the hook {hook.name} waits could not be asked, so it hears every few seconds: {error}",
            )
        with self._lock:
            self._times[key] = found
        return found, ""

    def _asked(self, hook: Hook) -> timedelta:
        answer = self._sdk.call(
            "autoscaling",
            "DescribeLifecycleHooks",
            AutoScalingGroupName=hook.group,
            LifecycleHookNames=[hook.name],
        )
        seconds = [each.get("HeartbeatTimeout") for each in answer.get("LifecycleHooks", ())]
        if not seconds or not isinstance(seconds[0], int) or seconds[0] <= 0:
            raise ProviderError(f"the group {hook.group} has no such hook now")
        return timedelta(seconds=seconds[0])
