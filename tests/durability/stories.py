"""The stories through which an agent is walked, as data: what each cloud announces, and when the agent polls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from stormcone import Impact, Outcome
from stormcone.handlers import Stage
from stormcone.model import Cause
from stormcone.simulators.contract import Simulator

MINUTE = 60


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """What a walk must know of a cloud.

    Attributes:
        simulator: the plug-in's name; the provider's is that of the row.
        machines: the simulator's; the agent is on the first.
        approval: the word by which a request is known that approves.
        named: whether such a request names the event; else a story has one event at the most that is approved.
        asks_again: whether the cloud's SDK sends a request again by itself whose answer was lost.
        identity: the cloud's id of the first machine.
        options: of the provider beside what the simulator says.
    """

    simulator: str
    machines: tuple[str, ...]
    approval: str
    named: bool = True
    asks_again: bool = False
    identity: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


QUEUE = {"region": "us-east-1", "settings": {"queue": "stormcone"}}

CLOUDS: Mapping[str, Cloud] = MappingProxyType(
    {
        "azure": Cloud(simulator="azure", machines=("web-0", "web-1"), approval="StartRequests"),
        "alibaba": Cloud(simulator="alibaba", machines=("i-0",), approval="AcceptInquiredSystemEvent"),
        "aws": Cloud(simulator="aws", machines=("i-0",), approval="CompleteLifecycleAction", identity="i-0"),
        "aws-queue": Cloud(
            simulator="aws",
            machines=("i-0@web", "i-1@web"),
            approval="CompleteLifecycleAction",
            named=False,
            asks_again=True,
            identity="i-0",
            options=QUEUE | {"machine": "i-0"},
        ),
        "google": Cloud(
            simulator="google",
            machines=("web-0",),
            approval="performMaintenance",
            named=False,
            identity="4515870919141281073",  # of this name in the simulator's project and zone
        ),
    }
)


@dataclass(frozen=True)
class Event:
    """An event of a story: what the simulator is asked for, by the names of `Simulator.schedule`.

    Attributes:
        outcome: how the agent must see it end.
        approved: whether it must be approved.
        known_as: the agent's id for it, where that is not `{id}`, the simulator's; `{machine}` is the cloud's id of
            the machine.
    """

    impact: Impact
    order: dict[str, Any]
    outcome: Outcome = Outcome.COMPLETED
    approved: bool = True
    known_as: str = "{id}"


@dataclass(frozen=True)
class Story:
    """One scenario on one cloud.

    Attributes:
        events: what is announced at its beginning.
        moments: the seconds, from its beginning, at which the agent polls; one second is the pause before an approval
            whose answer was lost is repeated.
        acts: what happens in the cloud, by the second.
        settings: the simulator's.
        fault: what the cloud does to requests; see `Faults.add`.
        lead: how long before its time an event is prepared for, in seconds.
        early: how far ahead of its time an event may be begun, in seconds; None: it may not.
        gives_up: whether the second handler's prepare gives up.
        skips: the stages that nobody comes to.
        always: whether it is walked with every run of the suite, and not by `make crash-walk` alone.
    """

    events: tuple[Event, ...]
    moments: tuple[int, ...]
    acts: dict[int, Callable[[Simulator, Sequence[str]], None]] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    fault: dict[str, Any] | None = None
    lead: float | None = None
    early: float | None = None
    gives_up: bool = False
    skips: frozenset[Stage] = frozenset()
    always: bool = True


def azure(impact: Impact = Impact.REBOOT, **more: Any) -> Event:
    """An event of web-0 alone with the usual notice; `also` names a neighbour, so that it may not be approved."""
    outcome, also = more.pop("outcome", Outcome.COMPLETED), more.pop("also", False)
    approved = more.pop("approved", not also)
    return Event(impact, {"resources": ["web-0", *(["web-1"] if also else [])], **more}, outcome, approved)


def alibaba(native: str, impact: Impact = Impact.REBOOT, **more: Any) -> Event:
    """An event of i-0; what begins as Inquiring waits for consent."""
    outcome, approved = more.pop("outcome", Outcome.COMPLETED), more.pop("approved", native.endswith("Inquiring"))
    return Event(impact, {"resources": ["i-0"], "native_type": native, **more}, outcome, approved)


def aws(impact: Impact = Impact.REBOOT, **more: Any) -> Event:
    """An event of i-0; of AWS's only a lifecycle hook is answered, and only where a queue has told of it."""
    outcome, approved = more.pop("outcome", Outcome.COMPLETED), more.pop("approved", False)
    known_as = more.pop("known_as", "{id}")
    return Event(impact, {"resources": ["i-0"], **more}, outcome, approved, known_as)


def interruption(**more: Any) -> Event:
    """A spot instance is terminated in two minutes, and gone a minute later."""
    return aws(Impact.TERMINATE, known_as="spot/{machine}", cause=Cause.PREEMPTION, **more)


def scale_in(**more: Any) -> Event:
    """Auto Scaling takes i-0 away; it waits for an hour for its hook."""
    return aws(Impact.TERMINATE, known_as="lifecycle/{machine}", cause=Cause.SCALE_IN, **more)


def health(**more: Any) -> Event:
    """A reboot as AWS Health tells of it: by the id that the API has for it."""
    return aws(notice=QUARTER, **more)


def google(key: str, impact: Impact = Impact.FREEZE, **more: Any) -> Event:
    """What a key of the metadata announces to web-0."""
    outcome, approved = more.pop("outcome", Outcome.COMPLETED), more.pop("approved", False)
    return Event(impact, {"resources": ["web-0"], **more}, outcome, approved, f"{key}/{{machine}}")


INQUIRING = "SystemMaintenance.Reboot:Inquiring"
SCHEDULED = "SystemMaintenance.Reboot:Scheduled"
PLANNED = "upcoming-maintenance"
DISK = "SystemMaintenance.IsolateErrorDisk:Inquiring"
QUARTER = timedelta(minutes=15)
NO_PREPARE = frozenset({Stage.PREPARE})
NO_STARTED = frozenset({Stage.STARTED})


def cancel(simulator: Simulator, ids: Sequence[str]) -> None:
    simulator.cancel(ids[0])


def move(simulator: Simulator, ids: Sequence[str]) -> None:
    simulator.change(ids[0], notice=timedelta(minutes=60))  # type: ignore[attr-defined]


def begin(simulator: Simulator, ids: Sequence[str]) -> None:
    for each in ids:
        simulator.start(each)


STORIES: dict[str, dict[str, Story]] = {
    "azure": {
        "reboot": Story((azure(),), (0, 1, 11 * MINUTE)),
        "freeze": Story((azure(Impact.FREEZE),), (0, 1, 6 * MINUTE)),
        "user-caused": Story((azure(cause=Cause.USER),), (0, 1, 11 * MINUTE)),
        "canceled": Story(
            (azure(also=True, outcome=Outcome.CANCELED),), (0, MINUTE), acts={MINUTE: cancel}, skips=NO_STARTED
        ),
        "unannounced": Story(
            (azure(notice=timedelta(0), cause=Cause.HARDWARE_FAILURE, approved=False),),
            (0, 1, 11 * MINUTE),
            skips=NO_PREPARE,
        ),
        "moved": Story(
            (azure(),), (0, 1, 10 * MINUTE, 52 * MINUTE, 52 * MINUTE + 1, 63 * MINUTE), acts={1: move}, lead=10 * MINUTE
        ),
        "two at once": Story((azure(), azure(Impact.FREEZE)), (0, 1, 6 * MINUTE, 11 * MINUTE)),
        "unprepared": Story((azure(approved=False),), (0, 1, 16 * MINUTE, 26 * MINUTE), gives_up=True),
        "shared hardware": Story((azure(),), (0, 1, 16 * MINUTE, 26 * MINUTE), settings={"shared-hardware": "true"}),
        "approval without an answer": Story(
            (azure(),),
            (0, 1, 16 * MINUTE, 26 * MINUTE),
            settings={"shared-hardware": "true"},
            fault={"method": "POST", "kind": "close", "times": 1},
        ),
    },
    "alibaba": {
        "reboot": Story((alibaba(INQUIRING),), (0, 1, 2 * MINUTE)),
        # The mildest that this cloud has: it announces no freeze.
        "freeze": Story((alibaba(DISK, Impact.DEGRADED),), (0, 1, 2 * MINUTE)),
        # Made by the user through the API: CreateSimulatedSystemEvents.
        "user-caused": Story(
            (alibaba("SystemMaintenance.Redeploy", Impact.REDEPLOY, notice=QUARTER),), (0, 15 * MINUTE, 17 * MINUTE)
        ),
        "canceled": Story(
            (alibaba(SCHEDULED, notice=QUARTER, outcome=Outcome.CANCELED),),
            (0, MINUTE),
            acts={MINUTE: cancel},
            skips=NO_STARTED,
        ),
        "unannounced": Story((alibaba("SystemFailure.Reboot"),), (0, 1, 11 * MINUTE), skips=NO_PREPARE),
        "moved": Story(
            (alibaba(SCHEDULED, notice=QUARTER),),
            (0, 1, 10 * MINUTE, 52 * MINUTE, 61 * MINUTE, 63 * MINUTE),
            acts={1: move},
            lead=10 * MINUTE,
        ),
        "two at once": Story((alibaba(INQUIRING), alibaba(DISK, Impact.DEGRADED)), (0, 1, 2 * MINUTE)),
        "unprepared": Story(
            (alibaba(INQUIRING, approved=False),), (0, 5 * MINUTE, 8 * MINUTE), acts={5 * MINUTE: begin}, gives_up=True
        ),
    },
    # Nothing can be approved from within an instance.
    "aws": {
        "reboot": Story((aws(notice=QUARTER),), (0, 15 * MINUTE, 26 * MINUTE), always=False),
        "interruption": Story((interruption(),), (0, 2 * MINUTE, 4 * MINUTE)),
        # It has no time, and nobody says when it begins.
        "scale-in": Story((scale_in(outcome=Outcome.UNKNOWN),), (0, 62 * MINUTE), skips=NO_STARTED),
        "canceled": Story(
            (aws(notice=QUARTER, outcome=Outcome.CANCELED),),
            (0, MINUTE),
            acts={MINUTE: cancel},
            skips=NO_STARTED,
            always=False,
        ),
        # A hibernation begins as it is told.
        "unannounced": Story(
            (aws(Impact.HIBERNATE, known_as="spot/{machine}", cause=Cause.PREEMPTION),),
            (0, 2 * MINUTE),
            skips=NO_PREPARE,
            always=False,
        ),
        "two at once": Story(
            (aws(notice=QUARTER), interruption()), (0, 2 * MINUTE, 4 * MINUTE, 15 * MINUTE, 26 * MINUTE), always=False
        ),
    },
    # Whoever died with messages in hand is followed by one who is given them half a minute later.
    "aws-queue": {
        "maintenance": Story((health(),), (0, 31, 15 * MINUTE, 26 * MINUTE, 26 * MINUTE + 31)),
        "interruption": Story((interruption(),), (0, 31, 2 * MINUTE, 3 * MINUTE, 3 * MINUTE + 31), always=False),
        "scale-in": Story((scale_in(approved=True),), (0, 1, 31, 32, 2 * MINUTE, 2 * MINUTE + 31), skips=NO_STARTED),
        "an answer to a hook that is lost": Story(
            (scale_in(approved=True),),
            (0, 1, 31, 32, 2 * MINUTE, 2 * MINUTE + 31),
            skips=NO_STARTED,
            fault={"query": {"Action": "CompleteLifecycleAction"}, "kind": "close", "times": 1},
            always=False,
        ),
        "canceled": Story(
            (health(outcome=Outcome.CANCELED),),
            (0, 31, MINUTE, MINUTE + 31),
            acts={MINUTE: cancel},
            skips=NO_STARTED,
            always=False,
        ),
    },
    "google": {
        "begun early": Story((google(PLANNED, notice=QUARTER, approved=True),), (0, 1, 11 * MINUTE), early=60 * MINUTE),
        "freeze": Story((google("maintenance-event", notice=timedelta(minutes=1)),), (0, MINUTE, 2 * MINUTE)),
        "preempted": Story((google("preempted", Impact.TERMINATE),), (0, 30, 2 * MINUTE), always=False),
        "canceled": Story(
            (google(PLANNED, notice=QUARTER, outcome=Outcome.CANCELED),),
            (0, MINUTE),
            acts={MINUTE: cancel},
            skips=NO_STARTED,
            always=False,
        ),
        "unannounced": Story(
            (google(PLANNED, Impact.REBOOT, notice=timedelta(0), cause=Cause.HARDWARE_FAILURE),),
            (0, 11 * MINUTE),
            skips=NO_PREPARE,
            always=False,
        ),
        # So far from one another that neither can be the other in another key.
        "two at once": Story(
            (google(PLANNED, notice=timedelta(hours=4)), google("maintenance-event", notice=timedelta(minutes=1))),
            (0, MINUTE, 2 * MINUTE, 240 * MINUTE, 251 * MINUTE),
            always=False,
        ),
    },
}

REBOOTS: dict[str, dict[str, Story]] = {
    "azure": {
        "in its time": STORIES["azure"]["shared hardware"],
        # Gone before its time and never approved: that it took place is known by the boot id alone.
        "before its time": Story((azure(also=True),), (0, 2 * MINUTE, 13 * MINUTE), acts={2 * MINUTE: begin}),
    },
    "alibaba": {
        "in its time": Story((alibaba(SCHEDULED, notice=QUARTER),), (0, 15 * MINUTE, 17 * MINUTE)),
    },
    "aws": {
        "in its time": replace(STORIES["aws"]["reboot"], always=True),
        # Of an interruption nobody says how it ended.
        "taken away and given back": replace(STORIES["aws"]["interruption"], always=False),
    },
    "aws-queue": {"in its time": replace(STORIES["aws-queue"]["maintenance"], always=False)},
    "google": {
        "in its time": Story(
            (google(PLANNED, Impact.REBOOT, notice=QUARTER),), (0, 15 * MINUTE, 26 * MINUTE), always=False
        ),
        "before its time": Story(
            (google(PLANNED, Impact.REBOOT, notice=QUARTER),), (0, 2 * MINUTE, 13 * MINUTE), acts={2 * MINUTE: begin}
        ),
    },
}
"""Stories of a reboot that takes place whatever the agent does."""
