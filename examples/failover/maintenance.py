"""Keep the primary of a database away from maintenance.

stormcone run examples/failover/maintenance.py
"""

from datetime import timedelta

from database import Database, Lagging
from stormcone import App, Context, Handler, Impact, MaintenanceEvent, Retry


class Failover(Handler):
    """Fails over where this node is the primary; afterwards the node goes on as the standby."""

    impacts = {impact for impact in Impact if impact.loses_memory}
    timeout = timedelta(minutes=5)

    def __init__(self, database: Database) -> None:
        self.database = database

    def prepare(self, event: MaintenanceEvent, context: Context) -> None:
        if self.database.primary != context.machine.name:
            context.log.info("%s is the standby and may go", context.machine.name)
            return
        try:
            self.database.fail_over()
        except Lagging as error:
            raise Retry(str(error), after=timedelta(seconds=10)) from error

    def recover(self, event: MaintenanceEvent, context: Context) -> None:
        if self.database.standby == context.machine.name:
            self.database.catch_up()


app = App([Failover(Database(primary="db-0", standby="db-1"))])
