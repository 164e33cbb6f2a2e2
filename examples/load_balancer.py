"""Leave the load balancer's pool before a maintenance, and come back after it.

Run it with `stormcone run examples/load_balancer.py`.
"""

from datetime import timedelta

from stormcone import App, Context, Handler, Impact, MaintenanceEvent


class LoadBalancer(Handler):
    """Drains this machine; stands for a call of your load balancer's API."""

    impacts = {Impact.REBOOT, Impact.REDEPLOY, Impact.TERMINATE}
    timeout = timedelta(minutes=5)

    def prepare(self, event: MaintenanceEvent, context: Context) -> None:
        context.log.info("%s leaves the pool; connections have until %s", context.machine.name, context.deadline)

    def recover(self, event: MaintenanceEvent, context: Context) -> None:
        if not context.others:  # it has left for another event, too, and stays away until that is over
            context.log.info("%s is back in the pool (%s)", context.machine.name, event.outcome)


app = App([LoadBalancer()])


@app.prepare(impacts={Impact.FREEZE})
def checkpoint(event: MaintenanceEvent, context: Context) -> None:
    context.log.info("state written before a freeze of %s", event.duration)
