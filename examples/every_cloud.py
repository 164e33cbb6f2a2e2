"""One handler file for Azure, Alibaba Cloud, AWS and Google Cloud.

On a machine, or against a simulator:

stormcone run examples/every_cloud.py

Run as a program, it shows what each cloud leads it through, on simulators and without an account:

python examples/every_cloud.py
"""

from datetime import timedelta

from stormcone import App, Context, Handler, Impact, MaintenanceEvent


class Queue(Handler):
    """Takes no new work before a maintenance that loses memory; stands for a call of your own service."""

    impacts = {impact for impact in Impact if impact.loses_memory}
    timeout = timedelta(minutes=10)

    def prepare(self, event: MaintenanceEvent, context: Context) -> None:
        context.log.info("%s takes no new work before the %s", context.machine.name, event.impact)
        if not context.wait(60):  # stands for the end of what is begun
            return  # told to end: cut off, and run again in the agent's next life

    def recover(self, event: MaintenanceEvent, context: Context) -> None:
        context.log.info("%s takes work again: %s", context.machine.name, event.outcome)


# Azure asks nobody whether an event may happen, only whether it may begin early. Some events of Alibaba Cloud wait
# for their owner's consent without a limit: `approve_consent` gives it, once the queue is empty. On Google Cloud to
# approve is to begin at once, so it takes a word on how early that may be. On AWS all begins at its time.
app = App([Queue()], approve_consent=True, approve_early=timedelta(hours=1))


def main() -> None:
    from stormcone import ManualClock, Phase
    from stormcone.plugins import simulator_class
    from stormcone.simulators.contract import SimulatorOptions
    from stormcone.testing import AgentDriver

    # What lets a restart wait for approval is all in which the clouds differ here.
    for cloud, native_type in {
        "azure": None,
        "alibaba": "SystemMaintenance.Reboot:Inquiring",
        "google": None,
        "aws": None,
    }.items():
        simulator = simulator_class(cloud).from_options(SimulatorOptions(machines=["i-0"], clock=ManualClock()))
        with simulator, AgentDriver(simulator, app) as agent:
            event = simulator.schedule(
                Impact.REBOOT,
                resources=["i-0"],
                notice=timedelta(minutes=15),
                started_for=timedelta(minutes=5),
                native_type=native_type,
            )
            agent.run_until(event, Phase.SCHEDULED, prepared=True, approved=agent.capabilities.can_approve)
            agent.run_for(minutes=1)
            agent.run_until(event, Phase.ENDED, within=timedelta(minutes=30))
            print(cloud)
            for entry in agent.timeline(event):
                print(f"  {entry.who:<10}{entry.what:<16}{entry.result}")


if __name__ == "__main__":
    main()
