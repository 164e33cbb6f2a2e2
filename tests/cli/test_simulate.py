"""Simulated events: what is said of one is what that cloud can do."""

import pytest

from stormcone.clock import ManualClock
from stormcone.plugins import simulator_class
from stormcone.simulators.contract import SimulatorOptions


@pytest.fixture
def on(monkeypatch):
    """Makes the words that reach a cloud's own interface, on a simulator of it."""
    made = []

    def make(name):
        options = SimulatorOptions(machines=["i-web0"], clock=ManualClock())
        made.append(simulator_class(name).from_options(options))
        made[-1].start_server()
        return ["--machine", "i-web0", "--in", "1m", "--provider", name, "--endpoint", made[-1].url]

    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    yield make
    for each in made:
        each.close()


def announced(said):
    assert (said.status, said.err) == (0, ""), said
    return said.out.splitlines()


def test_what_can_be_called_off_is_said_with_how(stormcone, on):
    first, second = announced(stormcone("simulate", "reboot", *on("alibaba"), "--region", "cn-hangzhou"))
    assert first.startswith("Announced: reboot of i-web0, ")
    assert second.startswith("Call it off: stormcone simulate cancel e-")


def test_nothing_is_said_of_calling_off_where_it_goes_to_its_end(stormcone, on):
    reach = on("google")
    (only,) = announced(stormcone("simulate", "freeze", *reach))
    assert only.startswith("Announced: freeze of i-web0, ")
    refused = stormcone("simulate", "cancel", "maintenance-event/1", *reach[4:])
    assert (refused.status, refused.out) == (65, "")
    assert "goes to its end" in refused.err
