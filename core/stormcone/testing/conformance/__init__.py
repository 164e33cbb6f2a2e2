"""What every provider, simulator, journal, sink and fleet must do, as suites that whoever writes one runs over it.

A test module of a few lines runs a suite; each case's docstring is the promise and its source:

```python
import pytest
from stormcone.testing.conformance import Cloud, ProviderSuite, SimulatorSuite

@pytest.fixture
def subject():
    return Cloud(name="lighthouse")

class TestProvider(ProviderSuite): ...
class TestSimulator(SimulatorSuite): ...
```

stormcone's own run through the same suites.
"""

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{module}" for module in ("fleets", "journals", "outboxes", "providers", "simulators"))
)

from stormcone.testing.conformance.cases import cases as cases  # noqa: E402 - rewriting is registered first
from stormcone.testing.conformance.clouds import Cloud as Cloud  # noqa: E402
from stormcone.testing.conformance.clouds import PolledEndpoint as PolledEndpoint  # noqa: E402
from stormcone.testing.conformance.fleets import FleetSuite as FleetSuite  # noqa: E402
from stormcone.testing.conformance.fleets import FleetUnderTest as FleetUnderTest  # noqa: E402
from stormcone.testing.conformance.journals import JournalSuite as JournalSuite  # noqa: E402
from stormcone.testing.conformance.journals import JournalUnderTest as JournalUnderTest  # noqa: E402
from stormcone.testing.conformance.outboxes import OutboxSuite as OutboxSuite  # noqa: E402
from stormcone.testing.conformance.providers import ProviderSuite as ProviderSuite  # noqa: E402
from stormcone.testing.conformance.simulators import SimulatorSuite as SimulatorSuite  # noqa: E402
from stormcone.testing.conformance.sinks import SinkSuite as SinkSuite  # noqa: E402
from stormcone.testing.conformance.sinks import SinkUnderTest as SinkUnderTest  # noqa: E402

SUITES = (ProviderSuite, SimulatorSuite, JournalSuite, OutboxSuite, SinkSuite, FleetSuite)
"""All suites, for whoever lists their cases."""
