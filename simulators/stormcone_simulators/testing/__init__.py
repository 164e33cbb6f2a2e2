"""Driving an agent through a simulator in a test, and failing with the whole story where it goes another way.

The pytest plug-in wraps this; with unittest, or no framework at all, use it as it is:

```python
with AzureSimulator(["db-0", "db-1"], clock=ManualClock()) as simulator, AgentDriver(simulator, app) as agent:
    event = simulator.schedule(Impact.REBOOT, resources=["db-0"])
    agent.run_until(event, Phase.SCHEDULED, prepared=True)
```
"""

from stormcone_simulators.testing.driver import AgentDriver as AgentDriver
