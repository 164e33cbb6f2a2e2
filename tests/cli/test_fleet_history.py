"""`stormcone fleet history`: what all agents have told, on a real PostgreSQL."""

from contextlib import closing
from datetime import UTC, datetime

import pytest

from stormcone.clock import ManualClock
from stormcone.fleet.history import FleetSink, FleetSinkSettings
from stormcone.testing.conformance.sinks import NOW, sample

pytest.importorskip("psycopg")

from stormcone.fleet.contract import MemberIdentity, Saying
from stormcone.fleet.postgresql import PostgresqlFleet
from stormcone.postgresql.address import DatabaseAddress


@pytest.fixture
def fleet(tmp_path, postgresql, database, monkeypatch):
    """The address of a fleet that the configuration names."""
    url = postgresql.url(database)
    file = tmp_path / "stormcone.toml"
    file.write_text(f'[fleet]\nurl = "{url}"\nname = "shop"\n')
    file.chmod(0o600)
    monkeypatch.setenv("STORMCONE_CONFIG", str(file))
    return url


@pytest.fixture
def told(fleet):
    """Two notifications of two machines."""
    settings = FleetSinkSettings.model_validate({"url": fleet, "name": "shop"})
    with closing(FleetSink.from_settings(settings, ManualClock(NOW))) as sink:
        for machine in ("web-0", "web-1"):
            told = sample("approval.accepted", text=f"\x1b[31mreboot of {machine} approved")
            sink.send(told.model_copy(update={"time": datetime.now(UTC), "subject": machine}))


@pytest.mark.usefixtures("told")
class TestTheHistoryOfAFleet:
    def test_has_a_line_for_each_thing_told_and_nothing_raw(self, stormcone):
        said = stormcone("fleet", "history")
        assert (said.status, said.err) == (0, "")
        first, second = said.out.splitlines()
        assert "  web-0  approval.accepted  " in first
        assert second.endswith("reboot of web-1 approved")
        assert "\x1b" not in said.out

    def test_is_of_one_machine_since_a_date_where_that_is_asked(self, stormcone):
        assert len(stormcone("fleet", "history", "--machine", "WEB-1").out.splitlines()) == 1
        assert len(stormcone("fleet", "history", "--last", "1").out.splitlines()) == 1
        said = stormcone("fleet", "history", "--since", "2999-01-01")
        assert (said.status, said.out) == (0, "The agents have told of nothing like that.\n")

    def test_is_json_for_programs(self, stormcone):
        document = stormcone("fleet", "history", "--json").json
        assert document["fleet"] == "shop"
        assert [each["subject"] for each in document["notifications"]] == ["web-0", "web-1"]
        assert document["notifications"][0]["type"] == "dev.stormcone.approval.accepted"


def test_a_history_that_nobody_writes_says_what_to_do(stormcone, fleet):
    said = stormcone("fleet", "history")
    assert said.status == 77
    assert said.err.endswith("is not there yet; give the agents a sink of the type fleet\n")

    def test_takes_its_configuration_before_or_after_its_name(self, stormcone, tmp_path, monkeypatch):
        monkeypatch.delenv("STORMCONE_CONFIG")
        file = tmp_path / "stormcone.toml"
        for words in (("fleet", "--config", file, "history"), ("fleet", "history", "--config", file)):
            assert len(stormcone(*map(str, words)).out.splitlines()) == 2

    def test_takes_a_flag_of_the_group_before_the_variable(self, stormcone, tmp_path, monkeypatch):
        monkeypatch.setenv("STORMCONE_CONFIG", str(tmp_path / "not there.toml"))
        said = stormcone("fleet", "--config", str(tmp_path / "stormcone.toml"), "history")
        assert len(said.out.splitlines()) == 2


class TestDoctor:
    def test_says_whether_the_fleet_answers_and_who_is_heard(self, stormcone, fleet, simulator):
        with closing(PostgresqlFleet(DatabaseAddress.parse(fleet), "shop")) as store:
            store.exchange(Saying(member=MemberIdentity(id="1", name="web-0", names=())))
        said = stormcone("doctor", "--provider", "azure", "--endpoint", simulator.url)
        assert "✓ fleet shop: its database answers; of 1 members 1 are heard" in said.out

    def test_doubts_where_it_does_not(self, stormcone, fleet, simulator, tmp_path):
        file = tmp_path / "stormcone.toml"
        file.write_text('[fleet]\nurl = "postgresql://me@127.0.0.1:1/fleets"\nname = "shop"\n')
        said = stormcone("doctor", "--provider", "azure", "--endpoint", simulator.url)
        assert "! fleet shop: " in said.out
        assert "; until then events that name others wait" in said.out
        assert said.status == 0, "an agent could work"
