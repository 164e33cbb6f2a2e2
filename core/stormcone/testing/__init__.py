"""Driving an agent through a simulator in a test, and failing with the whole story where it goes another way.

The pytest plug-in wraps this; with unittest, or no framework at all, use it as it is:

```python
with AzureSimulator(["db-0", "db-1"], clock=ManualClock()) as simulator, AgentDriver(simulator, app) as agent:
    event = simulator.schedule(Impact.REBOOT, resources=["db-0"])
    agent.run_until(event, Phase.SCHEDULED, prepared=True)
```
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stormcone.testing.driver import AgentDriver as AgentDriver


def __getattr__(name: str) -> Any:
    # The pytest plug-in is in this package and loaded by every pytest: no agent is imported before a test wants one.
    if name != "AgentDriver":
        raise AttributeError(f"module 'stormcone.testing' has no attribute {name!r}")
    from stormcone.testing.driver import AgentDriver

    return AgentDriver
