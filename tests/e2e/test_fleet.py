"""Two agents of a fleet as programs, on a real PostgreSQL and the simulator of Azure."""

import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stormcone.errors import FleetError
from stormcone.journal import Journal
from stormcone.model import Impact

BOTH = ["web-0", "web-1"]


class TwoAgents:
    """Two agents of a fleet, each with its configuration, and what an operator would ask."""

    def __init__(self, home: Any, simulator: Any, url: str, groups: str) -> None:
        from stormcone.fleet.postgresql import PostgresqlFleet
        from stormcone.fleet.tables import SCHEMA
        from stormcone.postgresql.address import DatabaseAddress
        from stormcone.postgresql.database import Database

        address = DatabaseAddress.parse(url)
        self.home, self.simulator = home, simulator
        self.file = home.write(
            "stormcone.toml",
            'on_prepare = "true"\ninterval = "0.2s"\n[fleet]\nurl = "env:FLEET"\nname = "shop"\nsilence = "3s"\n'
            + groups,
        )
        self.env = {"FLEET": url, "STORMCONE_CONFIG": str(self.file)}
        home.env.update(self.env)
        self.fleet = PostgresqlFleet(address, "shop", reads=True)
        self.database = Database(address, subject="the test", kind=FleetError, search=SCHEMA, most=1)
        self.agents = {
            name: home.start("run", "--endpoint", url, "--journal", home.folder / f"{name}.db")
            for name, url in simulator.urls().items()
        }
        for agent in self.agents.values():
            agent.says("identified")
        home.until(lambda: self.known() == BOTH, "both in the fleet")

    def known(self) -> list[str]:
        try:
            return [member.name for member in self.fleet.overview().members]
        except FleetError:  # the first agent is still to make it
            return []

    def announce(self, *names: str, impact: Impact = Impact.FREEZE) -> None:
        self.event = self.simulator.schedule(impact, resources=list(names), notice=timedelta(minutes=15))

    def claim(self) -> Any:
        return next((ballot.claim for ballot in self.fleet.overview().ballots if ballot.claim), None)

    def claims_end_in(self, span: str) -> None:
        """However slow the machine is, what the test needs comes before that."""
        with self.database.connection() as connection:
            connection.execute("UPDATE approvals SET until = clock_timestamp() + %s::interval", [span])

    def close(self) -> None:
        self.fleet.close()
        self.database.close()


GROUPS = '[groups.web]\nmax_unavailable = "1"\nmachines = ["web-*"]\n'


@pytest.fixture
def two(home: Any, simulators: Any, postgresql: Any, database: str, request: Any) -> Any:
    groups = getattr(request, "param", "")
    agents = TwoAgents(home, simulators(shared_hardware=True), postgresql.url(database), groups)
    yield agents
    agents.close()


def asked(journal: Path) -> bool:
    """Whether an approval has been asked for, as the journal has it."""
    with Journal.read(journal) as book:
        return any(book.approvals(episode.id) for episode in book.episodes())


class TestTwoAgents:
    def test_approve_once(self, two: TwoAgents, home: Any) -> None:
        two.announce(*BOTH)
        two.agents["web-0"].says("approved: prepared by commands; agreed by web-0, web-1")
        two.agents["web-1"].says("not approved: web-0 (at ")
        assert home.approvals(two.simulator) == ["web-0"]
        (approval,) = home.until(lambda: home.json("fleet")["approvals"], "the approval")
        assert (approval["state"], approval["by"], approval["waits_for"]) == ("accepted", "web-0", [])

    @pytest.mark.parametrize("two", [GROUPS], indirect=True)
    def test_wait_for_their_turn_and_can_be_looked_at(self, two: TwoAgents, home: Any) -> None:
        two.announce("web-0", impact=Impact.REBOOT)
        two.agents["web-0"].says("approved")
        two.announce("web-1", impact=Impact.REBOOT)
        two.agents["web-1"].says("waits for its turn in group web: web-0 is away (reboot")
        two.agents["web-0"].says("fleet: shop; groups: web (1 away)")
        seen = home.json("fleet")
        assert [(each["name"], each["state"], each["groups"]) for each in seen["members"]] == [
            ("web-0", "heard", ["web"]),
            ("web-1", "heard", ["web"]),
        ]
        lines = home.run("fleet").stdout.splitlines()
        assert lines[0] == "fleet shop: 2 machines"
        assert max(map(len, lines)) <= 80
        assert "  web: 2 machines, 1 may be away, 1 are" in lines
        assert any("web-1 has waited for its turn for" in line for line in lines)
        events = home.json("status", "--journal", home.folder / "web-1.db")["events"]
        (event,) = [each for each in events if each["resources"] == ["web-1"]]
        assert event["decision"].startswith("waits for its turn in group web: web-0 is away")
        with Journal.read(home.folder / "web-1.db") as book:
            assert any("waits for its turn in group web: web-0" in each.decision for each in book.episodes())
        assert home.approvals(two.simulator) == ["web-0"]

    def test_another_approves_where_the_one_with_the_claim_is_killed_before_the_answer(
        self, two: TwoAgents, home: Any
    ) -> None:
        two.simulator.faults.add(method="POST", machine="web-0", status=503, delay_seconds=600)
        two.announce(*BOTH)
        claim = home.until(two.claim, "a claim")
        assert (claim.holder.startswith("azure/"), claim.epoch) == (True, 1)
        two.agents["web-0"].says("commands.prepare done")
        two.claims_end_in("1 hour")
        home.until(lambda: asked(home.folder / "web-0.db"), "the approval in the journal of web-0")
        said = home.run("explain", "--journal", home.folder / "web-1.db", "--event", two.event).stdout
        assert "approved now: not yet: all are prepared, and web-0 approves it for all [unclaimed]" in said
        two.agents["web-0"].ends_by(signal.SIGKILL)
        assert "web-1" not in home.approvals(two.simulator)
        two.claims_end_in("-1 minute")
        two.agents["web-1"].says("approved: prepared by commands; agreed by web-0, web-1")
        assert home.approvals(two.simulator).count("web-1") == 1
        assert two.claim().epoch == 2

    def test_without_the_database_shared_events_wait_and_own_ones_go_on(
        self, two: TwoAgents, home: Any, postgresql: Any
    ) -> None:
        postgresql.stop()
        try:
            two.agents["web-0"].says("meanwhile events that name others wait")
            two.announce(*BOTH)
            two.announce("web-1")
            two.agents["web-1"].says("freeze of web-1 approved")
            two.agents["web-0"].says("it names other machines, and the fleet's database is silent since")
            assert home.approvals(two.simulator) == ["web-1"]
        finally:
            postgresql.start()
        two.agents["web-0"].says("freeze of web-0, web-1 approved")
        assert home.approvals(two.simulator) == ["web-1", "web-0"]

    def test_while_the_database_hangs_own_events_go_on(
        self, two: TwoAgents, home: Any, postgresql: Any, database: str
    ) -> None:
        import psycopg

        hanging = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        with (
            psycopg.connect(postgresql.url(database)) as other,
            psycopg.connect(postgresql.url(database), autocommit=True) as look,
        ):
            other.execute("LOCK TABLE stormcone_fleet.members")
            home.until(lambda: look.execute(hanging).fetchone() == (2,), "both exchanges wait")
            two.announce(*BOTH)
            two.announce("web-1")
            two.agents["web-1"].says("freeze of web-1 approved")
            assert home.approvals(two.simulator) == ["web-1"]
            two.agents["web-0"].says("it names other machines, and the fleet's database is silent since")
        two.agents["web-0"].says("freeze of web-0, web-1 approved")
        assert home.approvals(two.simulator) == ["web-1", "web-0"]


class TestTheConfiguration:
    def test_a_fleet_and_a_leader_are_refused(self, home: Any) -> None:
        file = home.write("both.toml", 'leader = "first"\non_prepare = "true"\n[fleet]\nurl = "postgresql://db/x"\n')
        file.chmod(0o600)
        done = home.run(
            "run", "--config", file, "--endpoint", "http://127.0.0.1:9", "--provider", "azure", "--machine", "a"
        )
        assert done.returncode == 64
        assert "in a fleet all machines of an event agree, and nobody leads" in done.stderr

    def test_a_fleet_that_is_not_there_is_one_sentence(self, home: Any) -> None:
        done = home.run("fleet")
        assert (done.returncode, done.stderr) == (
            64,
            "stormcone: no fleet is named; add [fleet] with its url to the configuration\n",
        )
