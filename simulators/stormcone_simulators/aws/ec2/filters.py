"""EC2's filters: of one filter any value fits, and all filters together have to; `*` and `?` stand for any text.

Source: EC2's documentation of filtering resources, and of each operation's filters.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from stormcone_simulators.aws.api.errors import AwsError, unsupported
from stormcone_simulators.aws.api.xml import moment
from stormcone_simulators.aws.ec2.instances import STATES, Ec2Instance
from stormcone_simulators.aws.model import AwsEvent

Values = Callable[[Ec2Instance], Collection[str]]


def _of_events(read: Callable[[AwsEvent], str | None]) -> Values:
    return lambda instance: [value for event in instance.listed_events if (value := read(event)) is not None]


def _health(instance: Ec2Instance) -> Collection[str]:
    return ["ok" if instance.state == "running" else "not-applicable"]


def _reachability(instance: Ec2Instance) -> Collection[str]:
    return ["passed"] if instance.state == "running" else []


_SHARED: Mapping[str, Values] = {
    "availability-zone": lambda instance: [instance.model.rules.site.zone],
    "availability-zone-id": lambda instance: [instance.model.rules.site.zone_id],
    "instance-state-code": lambda instance: [str(STATES[instance.state])],
    "instance-state-name": lambda instance: [instance.state],
}

STATUS_FILTERS: Mapping[str, Values] = {
    **_SHARED,
    "event.code": _of_events(lambda event: event.kind.word),
    "event.description": _of_events(lambda event: event.text),
    "event.instance-event-id": _of_events(lambda event: event.id),
    "event.not-after": _of_events(lambda event: moment(event.not_after) if event.not_after else None),
    "event.not-before": _of_events(lambda event: moment(event.not_before)),
    "event.not-before-deadline": _of_events(lambda event: moment(event.deadline) if event.deadline else None),
    "instance-status.reachability": _reachability,
    "instance-status.status": _health,
    "system-status.reachability": _reachability,
    "system-status.status": _health,
    "attached-ebs-status.status": _health,
}
"""The filters of DescribeInstanceStatus, by name: which values an instance has."""

INSTANCE_FILTERS: Mapping[str, Values] = {
    **_SHARED,
    "instance-id": lambda instance: [instance.id],
    "instance-lifecycle": lambda instance: ["spot"] if instance.model.is_spot(instance.id) else [],
    "ip-address": lambda _instance: [],
    "capacity-reservation-id": lambda _instance: [],
    "private-dns-name": lambda instance: [instance.model.hardware(instance.id).hostname],
    "private-ip-address": lambda instance: [instance.model.hardware(instance.id).address],
    "tag-key": lambda instance: list(instance.tags),
}
"""The filters of DescribeInstances that are here, by name; `tag:KEY` beside them. It has a hundred more."""


def narrowed(
    instances: Iterable[Ec2Instance],
    filters: Iterable[tuple[str, Sequence[str]]],
    known: Mapping[str, Values],
    *,
    tags: bool = False,
) -> list[Ec2Instance]:
    """The instances that fit all filters.

    Args:
        instances: to choose among.
        filters: each with its values.
        known: the filters of the operation.
        tags: whether it has `tag:KEY` as well.

    Raises:
        AwsError: there is no such filter.
    """
    left = list(instances)
    for name, wanted in filters:
        values = _values(name, known, tags=tags)
        left = [each for each in left if any(_fits(value, wanted) for value in values(each))]
    return left


def _values(name: str, known: Mapping[str, Values], *, tags: bool) -> Values:
    if tags and name.startswith("tag:"):
        key = name.removeprefix("tag:")
        return lambda instance: [instance.tags[key]] if key in instance.tags else []
    if name not in known:
        if tags:
            raise unsupported(f"the filter {name}; it has {', '.join(known)} and tag:KEY")
        raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")
    return known[name]


def _fits(value: str, wanted: Sequence[str]) -> bool:
    return any(fnmatchcase(value, pattern.replace("[", "[[]")) for pattern in wanted)
