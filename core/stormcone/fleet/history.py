"""The history of a whole fleet: a sink that writes each notification into the fleet's database, and what is read of it.

An agent's journal comes first: what waits in its outbox is sent when the database is back, and is written once, however
often it is sent.
"""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Self, cast

from pydantic import BeforeValidator, Field, field_validator

from stormcone.clock import Clock
from stormcone.errors import FleetError, SettingsError, SinkError
from stormcone.postgresql.address import DatabaseAddress
from stormcone.sinks.cloudevent import line_of
from stormcone.sinks.contract import Secret, SinkSettings
from stormcone.sinks.notification import Notification
from stormcone.sinks.parts import part
from stormcone.text import folded, span_of

SCHEMA = "stormcone_history"
"""Where its table is, in the database that is named."""

KEPT = timedelta(days=90)
"""How long what was told is kept, unless told otherwise."""

_DAY = 86400.0

_STEPS = (
    """
    CREATE TABLE told (
        fleet text NOT NULL,
        id text NOT NULL,
        number bigint GENERATED ALWAYS AS IDENTITY,
        at timestamptz NOT NULL,
        machine text NOT NULL,
        event text NOT NULL,
        notification json NOT NULL,
        PRIMARY KEY (fleet, id)
    );
    CREATE INDEX told_at ON told (fleet, at);
    CREATE INDEX told_event ON told (fleet, event);
    """,
)


def _length(value: object) -> object:
    return span_of(value) if isinstance(value, str) else value


class FleetSinkSettings(SinkSettings):
    """The settings of the sink `fleet`."""

    inherits: ClassVar[str] = "fleet"
    url: Secret = Field(description="The database: `postgresql://...`, or where that stands; unset, that of `[fleet]`.")
    name: str = Field("default", description="The fleet's name; unset, that of `[fleet]`.")
    keep: Annotated[timedelta, BeforeValidator(_length)] = Field(
        KEPT, description="How long it is kept, such as `90d`; each agent removes what is older, once a day."
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, value: Secret) -> Secret:
        try:
            DatabaseAddress.parse(value.get_secret_value())
        except SettingsError as error:
            raise ValueError(str(error)) from None
        return value


class FleetSink:
    """Writes each notification into the database; it has been committed when `send` returns."""

    Settings: ClassVar[type[SinkSettings]] = FleetSinkSettings

    def __init__(self, settings: FleetSinkSettings) -> None:
        part("psycopg_pool", "fleet")
        from stormcone.postgresql.database import Database
        from stormcone.postgresql.versions import Tables

        address = DatabaseAddress.parse(settings.url.get_secret_value())
        self._fleet = settings.name
        self._keep = settings.keep
        self._subject = f"the history of the fleet {settings.name} in {address}"
        self._database = Database(address, subject=self._subject, kind=SinkError, search=SCHEMA, most=1)
        self._tables = Tables(schema=SCHEMA, part="history", steps=_STEPS)
        self._tidy_due: float | None = None

    @classmethod
    def from_settings(cls, settings: SinkSettings, clock: Clock) -> Self:  # noqa: ARG003 - the contract's face
        """The sink; no connection is made yet."""
        return cls(cast(FleetSinkSettings, settings))

    def send(self, notification: Notification) -> None:
        """Write it, unless it is there already."""
        event = notification.data.event
        row = {
            "fleet": self._fleet,
            "id": notification.id,
            "at": notification.time,
            "machine": notification.subject,
            "event": folded(event.id if event else notification.correlation),
            "notification": line_of(notification),
        }
        with self._database.connection() as connection:
            self._tidy(connection)
            connection.execute(
                "INSERT INTO told (fleet, id, at, machine, event, notification) VALUES "
                "(%(fleet)s, %(id)s, %(at)s, %(machine)s, %(event)s, %(notification)s) ON CONFLICT DO NOTHING",
                {name: value.replace("\0", " ") if isinstance(value, str) else value for name, value in row.items()},
            )

    def close(self) -> None:
        """Let go of connections."""
        self._database.close(patience=0.0)  # a machine that goes down waits for no database

    def _tidy(self, connection: Any) -> None:
        """Have the table as this version has it, and once a day remove what is older than it is to be."""
        now = time.monotonic()
        if self._tidy_due is not None and now < self._tidy_due:
            return
        if self._tidy_due is None:
            self._tables.upgrade(connection, self._subject, SinkError)
        connection.execute("DELETE FROM told WHERE fleet = %s AND at < now() - %s", [self._fleet, self._keep])
        self._tidy_due = now + _DAY


class FleetHistory:
    """What the agents of a fleet have told.

    Args:
        address: where the database is.
        fleet: the fleet's name.
    """

    def __init__(self, address: DatabaseAddress, fleet: str) -> None:
        from stormcone.postgresql.database import Database
        from stormcone.postgresql.versions import Tables

        self._fleet = fleet
        self._subject = f"the history of the fleet {fleet} in {address}"
        self._database = Database(address, subject=self._subject, kind=FleetError, search=SCHEMA, writes=False, most=1)
        self._tables = Tables(schema=SCHEMA, part="history", steps=_STEPS)

    def told(
        self, *, event: str = "", machine: str = "", since: datetime | None = None, last: int
    ) -> list[Mapping[str, Any]]:
        """The last notifications, oldest first, as CloudEvents.

        Args:
            event: only of the event with this id; "" for all.
            machine: only of this machine; "" for all.
            since: only of what has happened since then.
            last: how many at the most.

        Raises:
            FleetError: the database cannot be asked, or no agent has told it anything.
        """
        with self._database.connection() as connection:
            if not self._tables.check(connection, self._subject, FleetError):
                raise FleetError(f"{self._subject} is not there yet; give the agents a sink of the type fleet")
            rows = connection.execute(
                "SELECT notification FROM told WHERE fleet = %(fleet)s AND (%(event)s = '' OR event = %(event)s) "
                "AND (%(machine)s = '' OR lower(machine) = %(machine)s) "
                "AND (%(since)s::timestamptz IS NULL OR at >= %(since)s) ORDER BY at DESC, number DESC LIMIT %(last)s",
                {
                    "fleet": self._fleet,
                    "event": folded(event),
                    "machine": folded(machine),
                    "since": since,
                    "last": last,
                },
            ).fetchall()
        return [row["notification"] for row in reversed(rows)]

    def close(self) -> None:
        """Let go of connections. Safe to call twice."""
        self._database.close()
