"""AWS by messages: an SQS queue to which EventBridge, SNS or Auto Scaling sends what happens to instances.

A message is given once, so it stays in the queue until the journal has it. While the agent hears hints, a thread waits
at the queue for the next message (a long poll), and a poll only takes what has come; so neither a stop nor a poll
waits. Without hints a poll asks the queue itself, and does not wait.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import ClassVar, Self

from stormcone.clock import Clock, SystemClock
from stormcone.clouds.contract import ProviderOptions, Right
from stormcone.clouds.exchange import Tap
from stormcone.clouds.sightings import TOLD
from stormcone.clouds.trace import TraceRules
from stormcone.errors import ProviderError, RequestRefused
from stormcone.model import (
    Approval,
    Capabilities,
    EventKey,
    Machine,
    MaintenanceEvent,
    Observation,
    Outcome,
    Scope,
)
from stormcone.text import folded, one_line, shortened
from stormcone_aws.envelopes import LISTING
from stormcone_aws.hooks import Hooks
from stormcone_aws.inbox import Inbox
from stormcone_aws.kinds import PROVIDER
from stormcone_aws.messages import BLOCK_PREFIX, Said, read_message
from stormcone_aws.queue_settings import NAME, QueueSettings, read_settings
from stormcone_aws.rights import asked, dry_run, rights_of
from stormcone_aws.sdk import LONGEST_WAIT, SECRETS, Sdk, require_sdk
from stormcone_aws.sqs import BATCH, Message, QueueFacts, SqsQueue
from stormcone_aws.trace import RULES

PERMISSIONS = (
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ReceiveMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "autoscaling:DescribeLifecycleHooks",
    "autoscaling:RecordLifecycleActionHeartbeat",
    "autoscaling:CompleteLifecycleAction",
    "ec2:DescribeInstances",
)
"""What the caller must be allowed to do; the last one finds the instances of a capacity block that ends."""

BATCHES = 10
"""Batches of messages that one poll receives at the most; the others come with the next one."""

WAIT_WHILE_HOLDING = 5
"""Seconds that the queue is waited at while messages are in our hands, which have to be held meanwhile."""

LISTENS_FOR = 3 * LONGEST_WAIT
"""Seconds since the last answer to the one who waits at the queue, after which a poll asks the queue itself."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds after the first failure, and after many, until the queue is waited at again."""

REMEMBERED = 10_000
"""Events of which it is remembered when they were last told of, so that an older message does not count after that."""

_log = logging.getLogger("stormcone.aws")


class AwsQueueProvider:
    """What a queue's messages say of instances: all of a region's, those that are listed, or one machine.

    A message about another instance than these, or one that nothing can be made of, is left in the queue.

    Args:
        settings: how to work.
        clock: for pauses, and for when messages are held again.
        sdk: the APIs; None for boto3's, opened when they are first needed.
        tap: told of every exchange with the APIs; None tells nobody.
    """

    name: ClassVar[str] = NAME
    capabilities: Capabilities = Capabilities(
        scope=Scope.REGION,
        poll_interval=10.0,
        can_approve=True,
        shortest_notice=120.0,
        permissions=PERMISSIONS,
        secrets=SECRETS,
    )
    trace_rules: ClassVar[TraceRules] = RULES

    def __init__(
        self, settings: QueueSettings, *, clock: Clock | None = None, sdk: Sdk | None = None, tap: Tap | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._sdk = sdk or Sdk(settings.access, self._clock, tap)
        self._queue = SqsQueue(self._sdk, settings.queue)
        self._inbox = Inbox(self._queue, self._clock)
        self._hooks = Hooks(self._sdk, self._clock)
        self._ours = frozenset(map(folded, settings.instances or filter(None, (settings.machine,))))
        self._told: dict[EventKey, datetime] = {}
        self._machine: Machine | None = None
        self._facts: QueueFacts | None = None
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._callback: Callable[[], None] | None = None
        self._listener: threading.Thread | None = None
        self._heard: float | None = None
        scope = Scope.MACHINE if settings.machine else Scope.REGION
        self.capabilities = replace(type(self).capabilities, scope=scope, can_approve=settings.complete_hooks)

    @classmethod
    def from_options(cls, options: ProviderOptions) -> Self:
        """A provider as the options say; no network.

        Raises:
            SettingsError: an option cannot be used.
            ProviderUnavailable: the SDK is not installed.
        """
        require_sdk()
        return cls(read_settings(options), clock=options.clock, tap=options.tap)

    def named(self) -> Machine | None:
        """The machine or the region as it was named; None where the queue must be asked."""
        region = self._settings.region
        if self._settings.machine:
            return self._of(region, "")
        return self._of(region, "") if region else None

    def identify(self) -> Machine:
        """The machine that was named, or the queue's region as a machine that stands for all of its instances.

        Raises:
            ProviderUnavailable: there are no credentials, or no region is named.
            ProviderError: the queue could not be asked.
        """
        facts = self._facts = self._queue.facts()
        machine = self._machine = self._of(facts.region or self._settings.region or self._sdk.region(), facts.account)
        return machine

    def facts(self) -> Mapping[str, str]:
        """The API's address, where the credentials come from, and what becomes of messages that cannot be read."""
        try:
            known = {"api": self._sdk.address("sqs"), "queue": self._settings.queue}
            redrive = {"unread messages": self._facts.redrive} if self._facts else {}
            return {**known, **redrive, "credentials": self._sdk.credentials() or "none"}
        except ProviderError:
            return {}  # a poll tells why it cannot be asked

    def rights(self) -> Sequence[Right]:
        """What the caller may do, by calls that change nothing; what becomes of messages and hooks is not tried."""
        needless = {"sqs:GetQueueUrl"} if self._queue.has_url else set()
        return rights_of(
            [each for each in PERMISSIONS if each not in needless],
            {
                "sqs:GetQueueAttributes": lambda name: asked(name, self._queue.facts),
                "sqs:GetQueueUrl": lambda name: asked(name, self._queue.look_up),
                "ec2:DescribeInstances": lambda name: dry_run(self._sdk, name),
            },
        )

    def on_hint(self, callback: Callable[[], None]) -> None:
        """Have `callback` called whenever messages have come, and wait for them from now on."""
        with self._lock:
            self._callback = callback
            if self._listener is None and not self._closing.is_set():
                self._listener = threading.Thread(target=self._listen, name="stormcone-aws-queue", daemon=True)
                self._listener.start()

    def poll(self) -> Observation:
        """What has been told since the last poll; each message is given once.

        Raises:
            ProviderError: the queue could not be asked, and nothing had come before.
        """
        trouble = ""
        try:
            self._receive()
        except ProviderError as error:
            trouble = str(error)
            messages = self._inbox.news()
            if not messages:
                raise
        else:
            messages = self._inbox.news()
        return self._observation(messages, trouble)

    def outcomes(self, ids: Collection[str]) -> Mapping[str, Outcome]:  # noqa: ARG002 - the contract's
        """Nothing: a queue is not asked how events ended, it tells."""
        return {}

    def acknowledge(self, receipt: Collection[str]) -> None:
        """Delete the messages with these marks: the journal has what they say.

        Raises:
            ProviderError: some could not be deleted; that is tried again with the next polls.
        """
        self._inbox.done(receipt)

    def approve(self, event: MaintenanceEvent) -> None:
        """End the wait of a lifecycle hook for the instance: Auto Scaling goes on at once.

        Raises:
            RequestRefused: the event waits for no hook, or the hook waits no longer.
            ProviderError: whether the answer arrived is not known; it may be repeated.
        """
        if event.approval is not Approval.STARTS or not self._settings.complete_hooks:
            raise RequestRefused(
                f"event {event.id} waits for no lifecycle hook that may be answered; nothing is left to do"
            )
        self._hooks.complete(event)

    def extend(self, event: MaintenanceEvent) -> None:
        """Have a lifecycle hook wait on for the instance.

        Raises:
            RequestRefused: it waits no longer.
            ProviderError: it could not be told.
        """
        self._hooks.extend(event)

    def close(self) -> None:
        """Let go of messages and connections. Safe to call twice; nobody waits for the one who waits at the queue.

        Who has only had a look gives the messages back at once. An agent, which must not be kept from ending, leaves
        that to the queue: they come again within seconds.
        """
        self._closing.set()
        if self._listener is None:
            self._inbox.release()
        self._sdk.close()

    # receiving

    def _receive(self) -> None:
        """Have in our hands what there is; where somebody waits at the queue, that has come already."""
        heard = self._heard
        if heard is not None and self._clock.monotonic() - heard < LISTENS_FOR:
            return
        self._inbox.tend()
        for _ in range(BATCHES):
            if self._inbox.full or self._inbox.receive(0) < BATCH:
                return

    def _listen(self) -> None:
        """Wait at the queue for the next message, again and again, until `close`."""
        pause = FIRST_PAUSE
        while not self._closing.is_set():
            try:
                came = self._wait()
                pause = FIRST_PAUSE
            except Exception as error:  # noqa: BLE001 - whatever it is, somebody must go on waiting; a poll tells why
                _log.debug("waiting at the queue failed: %s", one_line(error))
                self._heard = None
                self._clock.wait(self._closing, pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            self._heard = self._clock.monotonic()
            if came and self._callback is not None and not self._closing.is_set():
                self._callback()

    def _wait(self) -> int:
        self._inbox.tend()
        if self._inbox.full:
            self._clock.wait(self._closing, FIRST_PAUSE)
            return 0
        return self._inbox.receive(LONGEST_WAIT if self._inbox.empty else WAIT_WHILE_HOLDING)

    # reading

    def _observation(self, messages: Collection[Message], trouble: str) -> Observation:
        problems = [*filter(None, (trouble,)), *self._inbox.troubles()]
        receipt: list[str] = []
        left: list[Message] = []
        latest: dict[EventKey, tuple[datetime, MaintenanceEvent]] = {}
        for message in messages:
            said = read_message(message.body, message.sent or self._clock.now())
            why = said.unread or self._not_ours(said)
            if why:
                left.append(message)
                problems.append(f"the message {message.id} is left in the queue: {why}")
                continue
            receipt.append(message.id)
            problems += said.problems
            for event in said.events:
                if event.key not in latest or latest[event.key][0] <= said.at:
                    latest[event.key] = (said.at, event)
        self._inbox.leave(left)
        events = [
            each for key, (at, event) in latest.items() if self._news(key, at) for each in self._full(event, problems)
        ]
        return Observation(
            events=tuple(events),
            whole=frozenset(),
            pushed=frozenset({LISTING}),
            receipt=tuple(receipt),
            problems=_few(problems),
        )

    def _news(self, key: EventKey, at: datetime) -> bool:
        """Whether nothing later was told of the event: a queue gives its messages in no order, and some twice."""
        before = self._told.pop(key, None)
        self._told[key] = at if before is None else max(before, at)
        if len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]
        return before is None or before <= at

    def _not_ours(self, said: Said) -> str:
        names = {folded(name) for event in said.events for name in event.resources}
        here = self._machine.region if self._machine else self._settings.region
        if not names:
            return ""
        if not self._ours and said.region and here and folded(said.region) != folded(here):
            return f"it is about {said.region[:40]}, and the instances of {here} are watched here"
        if not self._ours or names & self._ours:
            return ""
        return "it is about none of the instances that are named here"

    def _full(self, event: MaintenanceEvent, problems: list[str]) -> Iterator[MaintenanceEvent]:
        """The event with what the message does not say and the APIs do."""
        if event.id.startswith(BLOCK_PREFIX):
            yield self._with_instances(event, problems)
        elif event.approval is Approval.STARTS:
            timed, trouble = self._hooks.timed(event)
            problems += filter(None, (trouble,))
            yield timed if self._settings.complete_hooks else timed.but(approval=Approval.NONE)
        else:
            yield event

    def _with_instances(self, event: MaintenanceEvent, problems: list[str]) -> MaintenanceEvent:
        """The end of a capacity block with the instances in it, in place of the block's own name."""
        (block,) = event.resources
        found: list[str] = []
        try:
            filters = [{"Name": "capacity-reservation-id", "Values": [block]}]
            for page in self._sdk.pages("ec2", "DescribeInstances", Filters=filters):
                reservations = page.get("Reservations", ())
                found += [each["InstanceId"] for one in reservations for each in one.get("Instances", ())]
        except ProviderError as error:
            problems.append(
                f"which instances are in {block} could not be asked, so it is named in their place: {error}"
            )
        return event.but(resources=tuple(found)) if found else event

    def _of(self, region: str, account: str) -> Machine:
        if self._settings.machine:
            name = self._settings.machine
            return Machine(provider=PROVIDER, id=name, name=name, region=region, account=account)
        name = f"region:{region}"
        return Machine(provider=PROVIDER, id=name, name=name, region=region, account=account, scope=Scope.REGION)


def _few(problems: list[str]) -> tuple[str, ...]:
    told = [shortened(text, 300) for text in problems[:TOLD]]
    more = len(problems) - len(told)
    return (*told, f"and {more} more such problem(s)") if more > 0 else tuple(told)
