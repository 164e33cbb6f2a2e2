"""The sink `queue`: each notification is a persistent message of AMQP 0-9-1, which RabbitMQ speaks."""

import contextlib
from typing import Any, ClassVar, Self, cast
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from stormcone.clock import Clock
from stormcone.errors import SettingsError, SinkError
from stormcone.sinks.cloudevent import Mode, message_of
from stormcone.sinks.contract import Secret, SinkSettings
from stormcone.sinks.notification import Notification
from stormcone.sinks.parts import part, quieten
from stormcone.text import one_line

PATIENCE = 10.0
"""Seconds until a connection stands, and that a broker may hold us off for want of memory or disk."""

HEARTBEAT = 30
"""Seconds between two signs of life on a connection: one that is dead is noticed while an answer is waited for."""


class QueueSinkSettings(SinkSettings):
    """The settings of the sink `queue`."""

    url: Secret = Field(description="The broker: `amqp://USER:PASSWORD@HOST/VHOST`, or `amqps://` with TLS.")
    queue: str = Field(
        "stormcone", description="The queue, if no `exchange` is set; it is durable, and created if it does not exist."
    )
    exchange: str = Field("", description="An existing exchange, instead of a queue; the routing key is the type.")
    mode: Mode = Field("structured", description="As for a webhook; in `binary` the attributes are headers.")

    @field_validator("url")
    @classmethod
    def _is_amqp(cls, value: SecretStr) -> SecretStr:
        parts = urlsplit(value.get_secret_value())
        if parts.scheme not in {"amqp", "amqps"} or not parts.hostname:
            raise ValueError("it is not an amqp:// or amqps:// address")
        return value


class QueueSink:
    """Publishes each notification, and waits until the broker has it on its disk."""

    Settings: ClassVar[type[SinkSettings]] = QueueSinkSettings

    def __init__(self, settings: QueueSinkSettings) -> None:
        self._settings = settings
        self._pika = part("pika", "queue")
        part("cloudevents", "queue")
        quieten("pika")
        self._place = urlsplit(settings.url.get_secret_value()).netloc.rpartition("@")[2]
        self._parameters = self._parameters_of(settings.url.get_secret_value())
        self._connection: Any = None
        self._channel: Any = None

    @classmethod
    def from_settings(cls, settings: SinkSettings, clock: Clock) -> Self:  # noqa: ARG003 - the contract's face
        """The sink; no connection is made yet."""
        return cls(cast(QueueSinkSettings, settings))

    def send(self, notification: Notification) -> None:
        """Publish it; a connection that has died since the last one is made anew, once."""
        used = self._channel is not None
        try:
            try:
                self._publish(notification)
            except self._pika.exceptions.AMQPConnectionError:
                if not used:
                    raise
                self.close()
                self._publish(notification)
        except self._pika.exceptions.UnroutableError:
            raise SinkError(f"{self._place}: nothing takes what is published there; make the queue") from None
        except self._pika.exceptions.NackError:
            raise SinkError(f"{self._place}: the broker could not keep it") from None
        except (self._pika.exceptions.AMQPError, OSError) as error:
            self.close()
            raise SinkError(f"{self._place}: {one_line(_cause(error))}") from None

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(Exception):  # it may be closed already, in any of many ways
                connection.close()

    def _publish(self, notification: Notification) -> None:
        if self._channel is None:
            self._open()
        headers, body = message_of(notification, self._settings.mode, "queue")
        content_type = headers.pop("content-type")
        exchange = self._settings.exchange
        self._channel.basic_publish(
            exchange=exchange,
            routing_key=notification.type if exchange else self._settings.queue,
            body=body,
            mandatory=True,
            properties=self._pika.BasicProperties(
                content_type=content_type,
                delivery_mode=2,
                message_id=notification.id,
                correlation_id=notification.correlation,
                timestamp=int(notification.time.timestamp()),
                type=notification.type,
                app_id="stormcone",
                # The binding of AMQP has its own mark, and underscores in place of the hyphens of HTTP.
                headers={f"cloudEvents_{name.removeprefix('ce-')}": value for name, value in headers.items()},
            ),
        )

    def _open(self) -> None:
        self._connection = self._pika.BlockingConnection(self._parameters)
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()
        if not self._settings.exchange:
            self._channel.queue_declare(self._settings.queue, durable=True)

    def _parameters_of(self, url: str) -> Any:
        try:
            parameters = self._pika.URLParameters(url)
        except (ValueError, TypeError, KeyError, AssertionError, AttributeError) as error:
            raise SettingsError(f"the broker's address cannot be used: {type(error).__name__}; see the docs") from None
        parameters.socket_timeout = parameters.stack_timeout = PATIENCE
        parameters.blocked_connection_timeout = PATIENCE
        parameters.heartbeat = HEARTBEAT
        parameters.client_properties = {"product": "stormcone"}
        return parameters


def _cause(error: BaseException) -> BaseException:
    """What lies behind an error of the library's own, which often says nothing itself."""
    for each in (*error.args, getattr(error, "exception", None), *getattr(error, "exceptions", ())):
        if isinstance(each, BaseException):
            return _cause(each)
    return error
