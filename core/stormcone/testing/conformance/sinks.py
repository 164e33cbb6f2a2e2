"""What the agent relies on in every sink."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from stormcone.clock import ManualClock
from stormcone.errors import SinkError, SinkRefused
from stormcone.model import Impact, MaintenanceEvent, Phase
from stormcone.plugins import sink_class
from stormcone.sinks.contract import NamedSink, Sink, SinkSettings, secrets_of
from stormcone.sinks.notification import (
    PREFIX,
    TYPES,
    Notification,
    NotificationData,
    ToldApproval,
    ToldChange,
    ToldRun,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class SinkUnderTest:
    """A sink that is held to the suite, with a receiver that is really there.

    Attributes:
        type: the name of its entry point.
        settings: as the configuration would have them; they let all types through that the suite sends.
        received: all that the receiver has taken by now, in its order, each as a text in which the notification's text
            can be found.
        away: nobody receives within this block; None: there is nothing that could be away.
    """

    type: str
    settings: Mapping[str, Any]
    received: Callable[[], Sequence[str]]
    away: Callable[[], AbstractContextManager[None]] | None = field(default=None)

    def open(self) -> Sink:
        """The sink, as the agent makes it."""
        plugin = sink_class(self.type)
        return plugin.from_settings(self.checked(), ManualClock(NOW))

    def checked(self) -> SinkSettings:
        """Its settings, as its model has them."""
        return sink_class(self.type).Settings.model_validate(dict(self.settings))


class SinkSuite:
    """Every sink: it tells of each notification, or says that it could not, and keeps secrets to itself.

    The module adds the fixture `subject`, a `SinkUnderTest`.
    """

    @pytest.fixture
    def sink(self, subject: SinkUnderTest) -> Iterator[Sink]:
        """The sink, open until the test ends."""
        with closing(subject.open()) as sink:
            yield sink

    def test_it_tells_of_every_type_in_their_order(self, subject: SinkUnderTest, sink: Sink) -> None:
        """Whatever there is to tell can be told, and arrives in the order in which it was sent.

        Source: `Sink.send`, `stormcone.sinks.notification.TYPES`.
        """
        told = [sample(kind) for kind in TYPES]
        for notification in told:
            sink.send(notification)
        arrived(subject, *told)

    def test_what_has_been_taken_has_been_taken_when_send_returns(self, subject: SinkUnderTest, sink: Sink) -> None:
        """The journal forgets what `send` returned for: it must not be in a buffer of the sink's.

        Source: `Sink.send`.
        """
        for number in range(3):
            notification = sample("maintenance.scheduled", text=f"number {number} of three")
            sink.send(notification)
            arrived(subject, notification)

    def test_the_same_may_be_told_again(self, subject: SinkUnderTest, sink: Sink) -> None:
        """After a crash a notification is sent once more, as it was, with the same id: that is no error.

        Source: `Sink.send`.
        """
        notification = sample("run.succeeded")
        sink.send(notification)
        sink.send(notification)
        arrived(subject, notification)

    def test_any_text_arrives(self, subject: SinkUnderTest, sink: Sink) -> None:
        """What clouds and handlers write is told, in any language and with any sign.

        Source: `NotificationData.text`.
        """
        for text in ("Wartung läuft an", "维护 計画停止", "a {brace} and a % sign", "<b>bold</b> & 'quoted' \\ slash"):
            sink.send(sample("run.failed", text=text))
        assert len(subject.received()) >= 4

    def test_the_largest_notification_is_told(self, subject: SinkUnderTest, sink: Sink) -> None:
        """An event of a hundred machines with long texts is told like any other.

        Source: `stormcone.agent.outbox`, MOST_NAMES and LONGEST_TEXT.
        """
        event = an_event(
            resources=tuple(
                f"machine-with-a-name-that-is-as-long-as-names-may-be-{number:03}" for number in range(100)
            ),
            description="w" * 2000,
        )
        notification = sample("maintenance.scheduled", event=event)
        sink.send(notification)
        arrived(subject, notification)

    def test_it_may_be_used_by_one_thread_after_another(self, subject: SinkUnderTest, sink: Sink) -> None:
        """The agent sends from a thread of its own each time, and makes and closes the sink in another.

        Source: `Sink`.
        """
        faults: list[BaseException] = []
        told = [sample("run.started", text=f"from thread {number}") for number in range(3)]

        def work(notification: Notification) -> None:
            try:
                sink.send(notification)
            except BaseException as error:  # noqa: BLE001 - it is told in the test's thread
                faults.append(error)

        for notification in told:
            thread = threading.Thread(target=work, args=(notification,))
            thread.start()
            thread.join()
        assert faults == []
        arrived(subject, *told)

    def test_to_make_one_tells_nobody(self, subject: SinkUnderTest) -> None:
        """An agent starts also where a receiver is away.

        Source: `Sink.from_settings`.
        """
        if subject.away is None:
            subject.open().close()
        else:
            with subject.away():
                subject.open().close()
        assert list(subject.received()) == []

    def test_a_receiver_that_is_away_is_an_error_that_passes(self, subject: SinkUnderTest) -> None:
        """`SinkError`, not `SinkRefused`, for which the notification would be dropped; the same sink then goes on.

        Source: `Sink.send`.
        """
        if subject.away is None:
            pytest.skip("there is nothing that could be away")
        before, lost, after = sample("run.started"), sample("run.retrying"), sample("run.succeeded")
        with closing(subject.open()) as sink:
            sink.send(before)
            with subject.away(), pytest.raises(SinkError) as failed:
                sink.send(lost)
            assert not isinstance(failed.value, SinkRefused)
            assert str(failed.value)
            sink.send(lost)
            sink.send(after)
        arrived(subject, before, lost, after)

    def test_its_errors_and_settings_show_no_secret(self, subject: SinkUnderTest) -> None:
        """What opens doors is a secret of the settings' model, and in no error, whoever writes that.

        Source: design, "The journal": no credential is ever written to it.
        """
        settings = subject.checked()
        secrets = secrets_of(settings)
        shown = repr(settings) + str(settings)
        assert not [secret for secret in secrets if secret in shown]
        if subject.away is None:
            return
        with closing(subject.open()) as sink, subject.away(), pytest.raises(SinkError) as failed:
            sink.send(sample("run.started"))
        said = NamedSink(name="tried", sink=sink, secrets=secrets).said(failed.value)
        assert said.isprintable()
        assert not [secret for secret in secrets if secret in said]

    def test_an_unknown_setting_is_refused(self, subject: SinkUnderTest) -> None:
        """A misspelt setting is told before the agent starts.

        Source: `SinkSettings`.
        """
        with pytest.raises(ValidationError):
            sink_class(subject.type).Settings.model_validate({**subject.settings, "no_such_setting": "x"})

    def test_every_setting_says_what_it_is(self, subject: SinkUnderTest) -> None:
        """`stormcone sink types` and the reference are made of the model's own words.

        Source: `SinkSettings`.
        """
        fields = sink_class(subject.type).Settings.model_fields
        assert issubclass(sink_class(subject.type).Settings, SinkSettings)
        assert [name for name, each in fields.items() if not each.description] == []

    def test_it_may_be_closed_twice_and_unused(self, subject: SinkUnderTest) -> None:
        """Closing is safe at any time.

        Source: `Sink.close`.
        """
        sink = subject.open()
        sink.close()
        sink.close()


def an_event(**changes: Any) -> MaintenanceEvent:
    """A reboot of web-0 in 15 minutes, but for the changes."""
    return MaintenanceEvent.model_validate(
        {
            "id": "E-1",
            "provider": "test",
            "impact": Impact.REBOOT,
            "phase": Phase.SCHEDULED,
            "resources": ("web-0",),
            "not_before": NOW + timedelta(minutes=15),
            **changes,
        }
    )


def sample(kind: str, *, text: str = "", event: MaintenanceEvent | None = None) -> Notification:
    """A notification of that type, whose text names it."""
    run = ToldRun(handler="lb", stage="prepare", attempt=1, begun=NOW, ended=NOW + timedelta(seconds=1), note="because")
    approval = ToldApproval(reason="prepared by lb")
    about = kind.partition(".")[0]
    return Notification(
        id=f"id-of-{kind}-{abs(hash(text)):x}",
        type=PREFIX + kind,
        source="/stormcone/test/vm-0",
        subject="web-0",
        time=NOW + timedelta(seconds=1),
        correlation="E-1",
        data=NotificationData(
            text=text or f"what {kind} says",
            resource={"cloud.provider": "test", "host.name": "web-0"},
            event=an_event() if event is None and kind != "sink.test" else event,
            change=ToldChange() if about == "maintenance" else None,
            run=run if about == "run" else None,
            approval=approval if about in {"approval", "postponement"} else None,
        ),
    )


def arrived(subject: SinkUnderTest, *told: Notification) -> None:
    """The receiver has taken these, in this order."""
    received = subject.received()
    places = []
    for notification in told:
        found = [number for number, text in enumerate(received) if notification.data.text in text]
        assert found, f"{notification.type} has not arrived"
        places.append(found[0])
    assert all(earlier <= later for earlier, later in pairwise(places)), "they have not arrived in their order"
