"""Commands where the events are announced and the instance endpoint fails."""

from collections.abc import Callable
from typing import Any

import pytest

from stormcone import Impact
from stormcone.cli.commands import events, run

Run = Callable[..., Any]
FAULTS = ({"status": 404}, {"status": 503}, {"status": 410}, {"status": 400}, {"kind": "junk"}, {"delay_seconds": 3600})


@pytest.fixture(params=FAULTS, ids=lambda fault: "-".join(map(str, *fault.items())))
def sick(request: pytest.FixtureRequest, simulator: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A simulator that says what is announced, and not which machine asks."""
    for module in (events, run):
        monkeypatch.setattr(module, "PATIENCE", 0.05)
    simulator.faults.add(path="/metadata/instance", **request.param)
    simulator.schedule(Impact.REBOOT, resources=["web-0"])
    return simulator


class TestEvents:
    def test_are_shown_all_the_same(self, stormcone: Run, sick: Any) -> None:
        said = stormcone("events", "--provider", "azure", "--endpoint", sick.url)
        assert said.status == 0
        assert said.out.startswith("? reboot of web-0")
        assert said.err

    def test_are_shown_as_those_of_a_machine_that_is_named(self, stormcone: Run, sick: Any) -> None:
        said = stormcone("events", "--provider", "azure", "--endpoint", sick.url, "--machine", "web-0")
        assert (said.status, said.out[:18]) == (0, "▶ reboot of web-0:")

    def test_are_told_to_programs_with_what_is_not_known(self, stormcone: Run, sick: Any) -> None:
        document = stormcone("events", "--json", "--provider", "azure", "--endpoint", sick.url).json
        assert document["machine"] == {}
        assert "affects_this_machine" not in document["events"][0]
        assert len(document["problems"]) == 1
