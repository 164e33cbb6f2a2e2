"""A notification as a CloudEvent 1.0, as the `cloudevents` library writes it."""

import json
from typing import Any, Literal, NamedTuple

from stormcone.sinks.notification import Notification
from stormcone.sinks.parts import part

Mode = Literal["structured", "binary"]

JSON = "application/json"


class CloudEventMessage(NamedTuple):
    """A CloudEvent as HTTP or AMQP carries it.

    Attributes:
        headers: of HTTP, with the type of the content.
        body: what they are about.
    """

    headers: dict[str, str]
    body: bytes


def message_of(notification: Notification, mode: Mode, extra: str) -> CloudEventMessage:
    """The notification in one of the two modes that CloudEvents has for HTTP.

    Raises:
        PluginError: the library is not installed; `extra` brings it.
    """
    bindings = part("cloudevents.core.bindings.http", extra)
    formats = part("cloudevents.core.formats.json", extra)
    event = part("cloudevents.core.v1.event", extra)
    attributes: dict[str, Any] = {
        **notification.attributes(),
        "time": notification.time,
        "datacontenttype": JSON,
    }
    made = event.CloudEvent(attributes=attributes, data=notification.payload())
    write = bindings.to_structured if mode == "structured" else bindings.to_binary
    message = write(made, formats.JSONFormat())
    return CloudEventMessage(dict(message.headers), bytes(message.body))


def line_of(notification: Notification) -> str:
    """The notification in the JSON format of CloudEvents, on one line of ASCII; without the library."""
    return json.dumps(
        {**notification.attributes(), "datacontenttype": JSON, "data": notification.payload()}, separators=(",", ":")
    )
