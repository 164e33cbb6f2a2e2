"""The kinds of events that are announced under attack, as data: what they name, and what may be done for them."""

from dataclasses import dataclass, field
from typing import Any

OURS = {"azure": "strasse-k0", "alibaba": "i-ours"}
OTHER = {"azure": "other-0", "alibaba": "i-other"}

NOTICE = 86400.0
"""Seconds of notice: more than any round takes, by any clock, so that an event begins when the driver says so."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of event.

    Attributes:
        weight: how often it comes.
        names: the machines that it names, "ours" and "other".
        prepares: whether there is something to prepare for.
        approves: whether the agent may approve it, and must.
        body: what else the simulator's control API is told.
        shown: what the wire makes of its `Resources`; None leaves them.
        again: resources with which the wire lists it once more; None does not.
    """

    weight: int
    names: tuple[str, ...]
    prepares: bool
    approves: bool = False
    body: dict[str, Any] = field(default_factory=dict)
    shown: list[Any] | None = None
    again: list[str] | None = None


_ME = OURS["azure"]

KINDS: dict[str, dict[str, Kind]] = {
    "azure": {
        "ours": Kind(weight=8, names=("ours",), prepares=True, approves=True, body={"impact": "reboot"}),
        "user's": Kind(
            weight=2, names=("ours",), prepares=True, approves=True, body={"impact": "redeploy", "cause": "user"}
        ),
        "preempt": Kind(weight=2, names=("ours",), prepares=True, approves=True, body={"native_type": "Preempt"}),
        "both's": Kind(weight=2, names=("ours", "other"), prepares=True, body={"impact": "reboot"}),
        "other's": Kind(weight=1, names=("other",), prepares=False, body={"impact": "reboot"}),
        "unreadable": Kind(weight=1, names=("ours",), prepares=True, body={"impact": "reboot"}, shown=[_ME, 7]),
        "unreadable null": Kind(weight=1, names=("ours",), prepares=True, body={"impact": "freeze"}, shown=[_ME, None]),
        "unreadable object": Kind(weight=1, names=("ours",), prepares=True, body={"impact": "reboot"}, shown=[{}, _ME]),
        "listed twice": Kind(
            weight=1, names=("ours",), prepares=True, body={"impact": "reboot"}, again=[_ME, OTHER["azure"]]
        ),
        "alike, sharp s": Kind(
            weight=1, names=("other",), prepares=False, body={"impact": "reboot"}, shown=["straße-k0"]
        ),
        "alike, long s": Kind(
            weight=1, names=("other",), prepares=False, body={"impact": "reboot"}, shown=["\u017ftrasse-k0"]
        ),
        "alike, kelvin": Kind(
            weight=1, names=("ours",), prepares=True, body={"impact": "reboot"}, shown=[_ME, "strasse-\u212a0"]
        ),
    },
    "alibaba": {
        "scheduled": Kind(weight=6, names=("ours",), prepares=True, body={"impact": "reboot"}),
        "stop": Kind(weight=2, names=("ours",), prepares=True, body={"native_type": "SystemMaintenance.Stop"}),
        "inquiring": Kind(
            weight=6,
            names=("ours",),
            prepares=True,
            approves=True,
            body={"native_type": "SystemMaintenance.RebootAndIsolateErrorDisk"},
        ),
        "failure": Kind(weight=2, names=("ours",), prepares=False, body={"native_type": "SystemFailure.Reboot"}),
        "other's": Kind(weight=2, names=("other",), prepares=False, body={"impact": "reboot"}),
    },
}
"""By cloud and name."""


def looks(cloud: str, name: str) -> tuple[str, frozenset[str]]:
    """What there is of an event of a kind to know it again by, without its id: its type, and the machines it names."""
    kind = KINDS[cloud][name]
    names = [{"ours": OURS[cloud], "other": OTHER[cloud]}[each] for each in kind.names]
    shown = [*(names if kind.shown is None else kind.shown), *(kind.again or [])]
    return kind.body.get("native_type") or kind.body["impact"], frozenset(each for each in shown if type(each) is str)


IMPACTS = {
    "Preempt": "terminate",
    "SystemMaintenance.Stop": "stop",
    "SystemMaintenance.RebootAndIsolateErrorDisk": "reboot",
    "SystemFailure.Reboot": "reboot",
}
"""The impacts of native types, which the control API wants to be told."""

MARK = "chaos: "
"""What the description of an event begins with, before the name of its kind."""


def order(cloud: str, name: str) -> dict[str, Any]:
    """What the control API is told to announce an event of a kind."""
    kind = KINDS[cloud][name]
    names = {"ours": OURS[cloud], "other": OTHER[cloud]}
    impact = IMPACTS.get(kind.body.get("native_type", ""))
    return {
        "resources": [names[each] for each in kind.names],
        "notice_seconds": NOTICE,
        "started_for_seconds": NOTICE,
        "description": f"{MARK}{name}",
        **({"impact": impact} if impact else {}),
        **kind.body,
    }


def rewritten(events: list[Any]) -> list[Any]:
    """Azure's events as the wire shows them: some spoilt, some listed twice."""
    shown = []
    for event in events:
        kind = KINDS["azure"][event["Description"].removeprefix(MARK)]
        event = event if kind.shown is None else {**event, "Resources": kind.shown}
        shown.append(event)
        if kind.again is not None:
            shown.append({**event, "Resources": kind.again})
    return shown
