"""How long a simulator that runs for days remembers."""

from stormcone.model import Impact


def test_of_the_ended_events_only_the_last_ones_are_kept(azure, monkeypatch):
    monkeypatch.setattr("stormcone_simulators.events._KEPT", 2)
    lasting, *ended = [azure.schedule(Impact.REBOOT, resources=["web-0"]) for _ in range(4)]
    for event_id in ended:
        azure.complete(event_id)
    assert [event["id"] for event in azure.events()] == [lasting, *ended[1:]]
