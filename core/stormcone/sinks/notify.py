"""The sink `notify`: each notification is a short text for people, sent through Apprise."""

import io
from collections.abc import Mapping
from string import Formatter
from typing import Any, ClassVar, Self, cast

from pydantic import Field, field_validator

from stormcone.clock import Clock
from stormcone.errors import SettingsError, SinkError
from stormcone.sinks.contract import Secret, SinkSettings
from stormcone.sinks.log import FAILURES
from stormcone.sinks.notification import Notification
from stormcone.sinks.parts import part, quieten
from stormcone.text import stamp

FOR_PEOPLE = ("maintenance.*", "run.failed", "run.vetoed", "approval.denied", "approval.accepted", "sink.test")
"""What people want to read, unless they say otherwise."""

FIELDS = (
    "text",
    "kind",
    "type",
    "machine",
    "provider",
    "region",
    "time",
    "event",
    "impact",
    "cause",
    "phase",
    "outcome",
    "not_before",
    "description",
    "handler",
    "stage",
    "note",
    "reason",
)
"""What a template may name; what a notification does not have is empty."""


class NotifySinkSettings(SinkSettings):
    """The settings of the sink `notify`."""

    only: tuple[str, ...] = Field(
        FOR_PEOPLE, description="Which notifications it gets, as patterns of their type: `maintenance.*`."
    )
    urls: tuple[Secret, ...] = Field(
        min_length=1, description="Who gets them, as Apprise addresses: `slack://...`, `mailto://...`, `msteams://...`."
    )
    title: str = Field("{machine}: {kind}", description="The title; names in braces are replaced by what happened.")
    text: str = Field("{text}", description="The text, with the same names.")
    neighbours: bool = Field(False, description="Whether to report events that name only other machines, too.")

    @field_validator("urls", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("title", "text")
    @classmethod
    def _can_be_filled(cls, value: str) -> str:
        try:
            names = {name for _, name, _, _ in Formatter().parse(value) if name is not None}
        except ValueError as error:
            raise ValueError(f"it is not a template: {error}; write {{{{ for a brace") from None
        if unknown := sorted(names - set(FIELDS)):
            raise ValueError(f"there is no {{{unknown[0]}}}; there are {', '.join(FIELDS)}")
        return value


class NotifySink:
    """Sends each notification to every URL; one that has taken it is not told again for another that has not."""

    Settings: ClassVar[type[SinkSettings]] = NotifySinkSettings

    def __init__(self, settings: NotifySinkSettings) -> None:
        self._settings = settings
        self._apprise = part("apprise", "notify")
        quieten("apprise")
        self._services: list[Any] = []
        for number, url in enumerate(settings.urls, 1):
            found = self._apprise.Apprise()
            if not found.add(url.get_secret_value()):
                raise SettingsError(f"Apprise cannot use the URL number {number} of the sink's; see its documentation")
            self._services += list(found)
        self._told: tuple[str, set[int]] = ("", set())

    @classmethod
    def from_settings(cls, settings: SinkSettings, clock: Clock) -> Self:  # noqa: ARG003 - the contract's face
        """The sink; nothing is sent yet."""
        return cls(cast(NotifySinkSettings, settings))

    def send(self, notification: Notification) -> None:
        """Tell each of the services that has not been told of it."""
        if not (notification.data.affects_machine or self._settings.neighbours):
            return
        fields = fields_of(notification)
        if self._told[0] != notification.id:
            self._told = (notification.id, set())
        failed = [
            why
            for number, service in enumerate(self._services)
            if number not in self._told[1] and (why := self._send(number, service, notification, fields))
        ]
        if failed:
            raise SinkError("; ".join(failed))

    def close(self) -> None:
        """Nothing is kept open."""

    def _send(self, number: int, service: Any, notification: Notification, fields: Mapping[str, str]) -> str:
        """Tell one service; answers why it could not be told, or ""."""
        kind = "failure" if notification.kind in FAILURES else "info"
        with self._apprise.LogCapture(level=self._apprise.logging.WARNING, fmt="%(message)s") as said:
            done = service.notify(
                title=self._settings.title.format_map(fields),
                body=self._settings.text.format_map(fields) or " ",
                notify_type=self._apprise.NotifyType(kind),
            )
            words = " ".join(cast(io.StringIO, said).getvalue().split())
        if done:
            self._told[1].add(number)
            return ""
        return f"{getattr(service, 'service_name', 'Apprise')}: {words or 'it was not sent, and Apprise says no more'}"


def fields_of(notification: Notification) -> dict[str, str]:
    """What a template may name."""
    data = notification.data
    event, run, approval = data.event, data.run, data.approval
    found: dict[str, object] = {
        "text": data.text,
        "kind": notification.kind,
        "type": notification.type,
        "machine": notification.subject,
        "provider": data.resource.get("cloud.provider"),
        "region": data.resource.get("cloud.region"),
        "time": stamp(notification.time),
        "event": notification.correlation,
        "note": run.note if run else "",
        "handler": run.handler if run else "",
        "stage": run.stage if run else "",
        "reason": approval.reason if approval else "",
    }
    if event is not None:
        found |= {name: getattr(event, name) for name in ("impact", "cause", "phase", "outcome", "description")}
        found["not_before"] = stamp(event.not_before) if event.not_before else ""
    return {name: str(found.get(name) or "") for name in FIELDS}
