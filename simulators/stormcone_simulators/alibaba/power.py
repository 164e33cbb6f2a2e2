"""What an owner does to an instance: start, stop, restart and redeploy it, and which events that answers.

An instance is no machine, so all there is of it is its status, which takes its time. Unverified: how long each takes.

Source, unless a line says otherwise: ECS's documentation of the operations.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from stormcone.model import Outcome
from stormcone_simulators.alibaba.errors import ApiError
from stormcone_simulators.alibaba.instances import InstanceStatus, StoppedMode
from stormcone_simulators.alibaba.model import AlibabaModel
from stormcone_simulators.alibaba.types import ANSWERED_BY_REBOOT, ANSWERED_BY_REDEPLOY, EventStatus

_TO_STOP = timedelta(seconds=10)
_TO_CUT_OFF = timedelta(seconds=2)
_TO_START = timedelta(seconds=20)
_FOR_GOOD = timedelta(0)

_RUNNING, _STOPPED = (InstanceStatus.RUNNING, _FOR_GOOD), (InstanceStatus.STOPPED, _FOR_GOOD)
_STARTING = (InstanceStatus.STARTING, _TO_START)


class Power:
    """The instances' switches. Of each of them: the instance is known, and nothing is done where something is refused.

    Args:
        model: their events.
    """

    def __init__(self, model: AlibabaModel) -> None:
        self._model = model
        self._instances = model.instances

    def start(self, instance_id: str, now: datetime, *, dry_run: bool) -> None:
        """StartInstance.

        Raises:
            ApiError: the instance is not known or not stopped, or this was only to be tried.
        """
        name = self._in(instance_id, now, InstanceStatus.STOPPED)
        _tried(dry_run)
        self._instances.set_out(name, now, _STARTING, _RUNNING)

    def stop(self, instance_id: str, now: datetime, *, mode: StoppedMode, forced: bool, dry_run: bool) -> None:
        """StopInstance.

        Raises:
            ApiError: the instance is not known or does not run, or this was only to be tried.
        """
        name = self._in(instance_id, now, InstanceStatus.RUNNING)
        _tried(dry_run)
        self._instances.set_out(name, now, (InstanceStatus.STOPPING, _until_it_stops(forced)), _STOPPED)
        self._instances.change(name, stopped_mode=mode)

    def reboot(self, instance_id: str, now: datetime, *, forced: bool, dry_run: bool) -> None:
        """RebootInstance: the instance is Starting all the while; a restart that is scheduled is thereby avoided.

        Raises:
            ApiError: the instance is not known or does not run, or this was only to be tried.
        """
        name = self._in(instance_id, now, InstanceStatus.RUNNING)
        _tried(dry_run)
        self._instances.set_out(name, now, (InstanceStatus.STARTING, _until_it_stops(forced) + _TO_START), _RUNNING)
        self._answer(name, ANSWERED_BY_REBOOT, now)

    def redeploy(self, instance_id: str, now: datetime, *, forced: bool) -> None:
        """RedeployInstance: it answers the events of its table, and is refused where there are none.

        Unverified: what it is answered while there is a simulated event beside one of the cloud's own, and whether an
        event is answered at once.

        Raises:
            ApiError: the instance is not known, neither runs nor is stopped, has a simulated event, or none to answer.
        """
        name = self._in(instance_id, now, InstanceStatus.RUNNING, InstanceStatus.STOPPED)
        if any(event.simulated and event.outcome is None for event in self._model.about(name).values()):
            raise ApiError("InvalidOperation.RedeployInstance", message="A simulated event cannot be answered so.")
        if not self._answer(name, ANSWERED_BY_REDEPLOY, now):
            raise ApiError("InvalidOperation.RedeployInstance")
        first = [(InstanceStatus.STOPPING, _until_it_stops(forced))]
        if self._instances.status(name, now) is InstanceStatus.STOPPED:
            first = []
        self._instances.set_out(name, now, *first, _STARTING, _RUNNING)

    def _in(self, instance_id: str, now: datetime, *statuses: InstanceStatus) -> str:
        name = self._instances.named(instance_id)
        if self._instances.status(name, now) not in statuses:
            raise ApiError("IncorrectInstanceStatus")
        return name

    def _answer(self, name: str, answered: Mapping[str, Collection[EventStatus]], now: datetime) -> bool:
        events = [
            event
            for event in self._model.about(name).values()
            if event.status is not None and event.status in answered.get(event.native_type, ())
        ]
        for event in events:
            if event.status is EventStatus.INQUIRING:
                # Its owner has acted, which is what it has waited for.
                self._model.book.start(event, now)
            else:
                self._model.book.end(event, now, Outcome.AVOIDED)
        return bool(events)


def _until_it_stops(forced: bool) -> timedelta:
    return _TO_CUT_OFF if forced else _TO_STOP


def _tried(dry_run: bool) -> None:
    if dry_run:
        raise ApiError("DryRunOperation")
