"""The agent comes up where the instance endpoint fails, with a new journal too, and prepares."""

import signal
from datetime import timedelta
from typing import Any

import pytest

from stormcone import Impact


@pytest.mark.parametrize("fault", [{"status": 404}, {"status": 503}, {"kind": "hang"}], ids=str)
def test_a_new_agent_polls_and_prepares_at_once(home: Any, simulator: Any, fault: dict[str, Any]) -> None:
    simulator.faults.add(path="/metadata/instance", **fault)
    simulator.schedule(Impact.TERMINATE, resources=["web-0"], native_type="Preempt", notice=timedelta(seconds=30))
    agent = home.start(
        "run", "--provider", "azure", "--endpoint", simulator.url, "--machine", "web-0", "--on-prepare", "true"
    )
    agent.says("prepare done")
    assert simulator.events()[0]["approved_by"] == []
    assert agent.ends_by(signal.SIGTERM) == 0
