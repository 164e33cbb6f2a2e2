"""Tables that have a version, and the way up from every older one: steps as data, one transaction."""

from dataclasses import dataclass
from zlib import crc32

from psycopg.sql import SQL, Identifier

from stormcone.errors import StormconeError
from stormcone.postgresql.database import Connection

_IS_THERE = "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = %s AND tablename = 'version'"
_NOTE = "CREATE TABLE IF NOT EXISTS {}.version (part text PRIMARY KEY, number integer NOT NULL)"


@dataclass(frozen=True)
class Tables:
    """The tables of one part of stormcone, in a schema of PostgreSQL's.

    Attributes:
        schema: where they are; made if it is not there.
        part: which part of stormcone they belong to; one schema may hold several.
        steps: step n brings them from version n to n + 1, as SQL that names no schema; never edit one that has been
            released, add one.
    """

    schema: str
    part: str
    steps: tuple[str, ...]

    def version(self, connection: Connection) -> int:
        """The version that they have; 0 where there are none."""
        # Not to_regclass, which may still say that there is none right after another session has made it.
        if not connection.execute(_IS_THERE, [self.schema]).fetchone():
            return 0
        row = connection.execute(
            SQL("SELECT number FROM {}.version WHERE part = %s").format(Identifier(self.schema)), [self.part]
        ).fetchone()
        return int(row["number"]) if row else 0

    def check(self, connection: Connection, subject: str, too_new: type[StormconeError]) -> int:
        """The version that they have.

        Raises:
            StormconeError: `too_new`: a newer stormcone wrote them.
        """
        found = self.version(connection)
        if found > len(self.steps):
            raise too_new(
                f"{subject} has version {found} and this stormcone knows versions up to {len(self.steps)}; "
                "run the newer stormcone, or name another"
            )
        return found

    def upgrade(self, connection: Connection, subject: str, too_new: type[StormconeError]) -> bool:
        """Bring them to this version, all steps in one transaction; one program at a time. Answers whether any was due.

        Where nothing is to be done, nothing is locked or written, so a user without rights to make tables will do.

        Raises:
            StormconeError: `too_new`: a newer stormcone wrote them.
            psycopg.Error: it cannot be done; nothing was.
        """
        if self.check(connection, subject, too_new) == len(self.steps):
            return False
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [crc32(f"stormcone {self.schema}".encode())])
            found = self.check(connection, subject, too_new)  # another may have been quicker
            schema = Identifier(self.schema)
            connection.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
            connection.execute(SQL(_NOTE).format(schema))
            connection.execute(SQL("SET LOCAL search_path TO {}").format(schema))
            for step in self.steps[found:]:
                connection.execute(step.encode())
            connection.execute(
                "INSERT INTO version VALUES (%s, %s) ON CONFLICT (part) DO UPDATE SET number = excluded.number",
                [self.part, len(self.steps)],
            )
        return True
