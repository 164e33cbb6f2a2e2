"""A journal tells what the cloud must have said: enough to live through it again."""

import json
from datetime import timedelta

import pytest

from stormcone import Impact, Journal
from stormcone.errors import TraceError
from stormcone.export import export
from stormcone.model import Machine, Scope
from stormcone.recording import read_trace
from stormcone.testing.conformance.journals import NOW

HALF_HOUR = timedelta(minutes=30)


@pytest.fixture
def lived(simulator, watch):
    """An agent that has lived through what the director made of its half hour."""

    def live(director, **app):
        agent = watch(simulator(), **app)
        agent.start()
        director(agent)
        agent.run(HALF_HOUR)
        return agent

    return live


def a_reboot(agent):
    agent.simulator.schedule(Impact.REBOOT, resources=["web_18"], notice=timedelta(minutes=15))


def a_move(agent):
    event = agent.simulator.schedule(Impact.REBOOT, resources=["web_18"], notice=timedelta(minutes=5))
    agent.run(timedelta(minutes=1))
    agent.simulator.change(event, notice=timedelta(minutes=10))


def called_off(agent):
    event = agent.simulator.schedule(Impact.REBOOT, resources=["web_18"], notice=timedelta(minutes=15))
    agent.run(timedelta(minutes=1))
    agent.simulator.cancel(event)


def two_at_once(agent):
    agent.simulator.schedule(Impact.REBOOT, resources=["web_18"])
    agent.simulator.schedule(Impact.FREEZE, resources=["web_19"], notice=timedelta(minutes=2))


class TestAnExport:
    @pytest.mark.parametrize(
        ("director", "approve"),
        [
            (a_reboot, "prepared"),
            (a_reboot, "never"),
            (a_move, "never"),
            (called_off, "never"),
            (two_at_once, "prepared"),
            (lambda agent: None, "prepared"),
        ],
    )
    @pytest.mark.parametrize("anonymise", [False, True])
    def test_is_replayed_with_the_same_history(self, director, approve, anonymise, lived, replay, watch, tmp_path):
        agent = lived(director, approve=approve)
        entries = export(agent.journal, tmp_path / "trace.yaml", anonymise=anonymise)
        trace = read_trace(tmp_path / "trace.yaml")
        assert len(trace.entries) == entries
        assert trace.header.origin == "journal"
        again = watch(replay(tmp_path / "trace.yaml"), approve=approve)
        again.start()
        begun = again.clock.now()
        again.run(timedelta(minutes=32))
        assert again.history(begun) == agent.history(trace.header.begun)
        assert again.simulator.differences() == []

    def test_lists_an_event_under_its_new_id_in_place_of_the_old_one(self, simulator, watch, tmp_path):
        agent = watch(simulator(**{"new-ids": "true"}))
        agent.start()
        a_reboot(agent)
        agent.run(HALF_HOUR)
        export(agent.journal, tmp_path / "trace.yaml")
        bodies = [entry.exchange.body for entry in read_trace(tmp_path / "trace.yaml").entries]
        listed = [json.loads(body)["Events"] for body in bodies if body and b"DocumentIncarnation" in body]
        assert [[event["EventStatus"] for event in events] for events in listed] == [["Scheduled"], ["Started"], []]

    def test_has_a_refused_approval_as_it_was(self, lived, tmp_path):
        def refused(agent):
            agent.simulator.faults.add(status=400, times=1, method="POST")
            a_reboot(agent)

        agent = lived(refused)
        export(agent.journal, tmp_path / "trace.yaml")
        posts = [
            entry.exchange for entry in read_trace(tmp_path / "trace.yaml").entries if entry.exchange.method == "POST"
        ]
        assert [post.status for post in posts] == [400]

    def test_is_told_also_where_the_clock_went_back_between_announcement_and_approval(self, lived, tmp_path):
        agent = lived(a_reboot)
        with agent.journal.transaction():
            early = "2020-01-01T00:00:00.000000+00:00"
            agent.journal._connection.execute("UPDATE approvals SET asked = ?, answered = ?", (early, early))
        export(agent.journal, tmp_path / "trace.yaml")
        posts = [
            entry.exchange for entry in read_trace(tmp_path / "trace.yaml").entries if entry.exchange.method == "POST"
        ]
        assert [post.status for post in posts] == [200]

    def test_of_several_lives_of_the_agent_is_one_trace(self, lived, tmp_path):
        agent = lived(a_reboot)
        agent.start()
        agent.run(timedelta(minutes=1))
        export(agent.journal, tmp_path / "trace.yaml")
        identities = [
            entry for entry in read_trace(tmp_path / "trace.yaml").entries if "/instance/" in entry.exchange.url
        ]
        assert [entry.count for entry in identities] == [2]

    def test_of_an_empty_journal_is_none(self, tmp_path):
        with Journal.open(tmp_path / "journal.db") as journal, pytest.raises(TraceError, match="is of no agent yet"):
            export(journal, tmp_path / "trace.yaml")


def test_the_journal_of_a_region_is_no_trace_of_a_machine(tmp_path):
    region = Machine(provider="alibaba", id="region:cn-hangzhou", name="region:cn-hangzhou", scope=Scope.REGION)
    with Journal.open(tmp_path / "journal.db") as journal:
        journal.begin_life(NOW, region)
        with pytest.raises(
            TraceError, match=r"watches a region, and a trace is of one machine; record what .* record$"
        ):
            export(journal, tmp_path / "trace.yaml")
    assert not (tmp_path / "trace.yaml").exists()
