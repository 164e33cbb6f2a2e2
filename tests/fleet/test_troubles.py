"""Agents of a fleet whose database is away, read-only, fails over to its standby, or is restored from yesterday.

What holds in each: events of one machine go on; an event of two waits, and is approved once, when the database is back.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.postgresql.way import Pair, frozen

from stormcone.clock import ManualClock
from stormcone.fleet.membership import Membership
from stormcone.handlers import App, Context, Handler
from stormcone.journal.boundaries import Boundary, watched
from stormcone.model import Impact, MaintenanceEvent
from stormcone.postgresql.server import PostgresqlServer
from stormcone.rules.agreement import VoteState
from stormcone.testing.driver import AgentDriver
from stormcone_simulators.azure import AzureSimulator

psycopg = pytest.importorskip("psycopg")

from stormcone.fleet.postgresql import PostgresqlFleet  # noqa: E402 - it needs the driver
from stormcone.postgresql.address import DatabaseAddress  # noqa: E402

BOTH = ("web-0", "web-1")
CLAIM = timedelta(seconds=250)
SILENT = "it names other machines, and the fleet's database is silent since"


class Drain(Handler):
    def prepare(self, event: MaintenanceEvent, context: Context) -> None: ...

    def recover(self, event: MaintenanceEvent, context: Context) -> None: ...


class TwoMachines:
    """Two agents on a clock that the test moves, with a real database, whose clock nobody moves."""

    def __init__(self, stack: ExitStack, url: str) -> None:
        self.clock = ManualClock()
        self.simulator = stack.enter_context(
            AzureSimulator(machines=[f"{name}@0" for name in BOTH], clock=self.clock, shared_hardware=True)
        )
        self._url = url
        self._stack = stack
        self.agents = {name: self._agent(name) for name in BOTH}

    def _agent(self, name: str) -> AgentDriver:
        membership = Membership(fleet=self.fleet())
        return self._stack.enter_context(AgentDriver(self.simulator, App([Drain()]), machine=name, fleet=membership))

    def fleet(self, *, reads: bool = False) -> PostgresqlFleet:
        fleet = PostgresqlFleet(DatabaseAddress.parse(self._url), "shop", claim=CLAIM, reads=reads)
        self._stack.callback(fleet.close)
        return fleet

    def live(self, seconds: int, *names: str) -> None:
        """All of them, or these alone."""
        for _ in range(seconds):
            self.clock.advance(1)
            for name in names or BOTH:
                self.agents[name].step()

    def vote(self) -> None:
        """Both are prepared, and neither has looked yet what that means."""
        self.live(1)
        ballot = self.ballot()
        assert ([vote.state for vote in ballot.votes], ballot.claim) == ([VoteState.PREPARED] * 2, None)

    def ballot(self) -> Any:
        """What the fleet knows of the only event."""
        (ballot,) = self.fleet(reads=True).overview().ballots
        return ballot

    def announce(self, *names: str) -> str:
        return self.simulator.schedule(Impact.FREEZE, resources=list(names), notice=timedelta(minutes=15))

    def approvals(self) -> list[str]:
        return [request["machine"] for request in self.simulator.requests() if request["method"] == "POST"]

    def told(self, name: str) -> str:
        return "\n".join(notice.text for notice in self.agents[name].notices)

    def own_events_go_on_and_shared_ones_wait(self) -> None:
        """For a while; answers when the database has been silent for long enough to be missed."""
        self.live(40)
        self.announce(*BOTH)
        self.announce("web-1")
        self.live(10)
        assert self.approvals() == ["web-1"]
        for name in BOTH:
            assert SILENT in self.told(name)
            assert "meanwhile events that name others wait" in self.told(name)

    def agreement_goes_on(self) -> None:
        self.live(60)
        assert self.approvals() == ["web-1", "web-0"]
        assert "freeze of web-0, web-1 approved: prepared by Drain; agreed by web-0, web-1" in self.told("web-0")
        assert "the fleet answers again" in self.told("web-0")


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], TwoMachines]]:
    monkeypatch.setattr("stormcone.postgresql.database.WAIT", 0.2)  # of each try while nobody answers
    with ExitStack() as stack:

        def made(url: str) -> TwoMachines:
            machines = TwoMachines(stack, url)
            machines.live(2)
            return machines

        yield made


def test_away(two: Any, postgresql: PostgresqlServer, database: str) -> None:
    machines = two(postgresql.url(database))
    postgresql.stop(signal.SIGKILL)
    try:
        machines.own_events_go_on_and_shared_ones_wait()
    finally:
        postgresql.start()
    machines.agreement_goes_on()


def test_frozen(two: Any, postgresql: PostgresqlServer, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes connections and never answers."""
    machines = two(postgresql.url(database, connect_timeout="2"))
    with frozen(postgresql), monkeypatch.context() as patch:
        patch.setattr("stormcone.postgresql.database.ANSWER", 0.1)
        machines.own_events_go_on_and_shared_ones_wait()
    machines.agreement_goes_on()


def test_read_only(two: Any, postgresql: PostgresqlServer, database: str) -> None:
    machines = two(postgresql.url(database))
    with psycopg.connect(postgresql.url(), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])
        machines.own_events_go_on_and_shared_ones_wait()
        assert "read-only" in machines.told("web-0")
        assert [member.name for member in machines.fleet(reads=True).overview().members] == list(BOTH)
        admin.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])
    machines.agreement_goes_on()


@pytest.mark.usefixtures("postgresql")
def test_failing_over_to_its_standby(two: Any) -> None:
    with PostgresqlServer() as primary, PostgresqlServer(follows=primary) as standby:
        machines = two(f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/postgres")
        until_both_are_known(standby)
        primary.stop(signal.SIGKILL)
        machines.own_events_go_on_and_shared_ones_wait()
        assert [member.name for member in machines.fleet(reads=True).overview().members] == list(BOTH)
        standby.promote()
        machines.agreement_goes_on()
        ballots = machines.fleet(reads=True).overview().ballots
        (ballot,) = [ballot for ballot in ballots if ballot.claim is not None]
        assert (ballot.claim.epoch, ballot.name_of(ballot.answer.by)) == (1, "web-0")


def until_both_are_known(standby: PostgresqlServer) -> None:
    """Wait until the standby has what the agents have said."""
    members: Any = []
    with psycopg.connect(standby.url(), autocommit=True) as look:
        while len(members) < len(BOTH):
            with suppress(psycopg.errors.UndefinedTable):  # that has not come yet either
                members = look.execute("SELECT name FROM stormcone_fleet.members").fetchall()


class TestFailingOverInMidVote:
    """To a standby that had not received the last yet: what it does not know must be said again."""

    @pytest.fixture
    def pair(self, postgresql: PostgresqlServer) -> Iterator[Pair]:
        with PostgresqlServer() as primary, PostgresqlServer(follows=primary) as standby:
            yield Pair(primary, standby)

    @pytest.fixture
    def machines(self, two: Any, pair: Pair) -> TwoMachines:
        machines: TwoMachines = two(pair.url())
        until_both_are_known(pair.standby)
        machines.announce(*BOTH)
        return machines

    def test_a_claim_is_lost_and_the_approval_sent_twice(self, machines: TwoMachines, pair: Pair) -> None:
        """As soon as both have said again that they are prepared: nobody knows any more that it was on its way."""
        machines.vote()
        pair.part()
        machines.simulator.faults.add(method="POST", kind="close", times=1)

        class Killed(BaseException):
            """When the request is out, and its answer lost."""

        def die(boundary: str) -> None:
            if boundary == Boundary.AFTER_APPROVAL:
                raise Killed

        with watched(die), pytest.raises(Killed):
            machines.live(5, "web-0")
        machines.live(20, "web-1")
        assert machines.approvals() == ["web-0"], "nobody else has the claim"
        pair.fail_over()
        machines.agents["web-0"].restart()
        machines.live(60)
        assert machines.approvals() == ["web-0", "web-0"]
        assert machines.ballot().claim.epoch == 1

    def test_a_vote_that_is_lost_is_none(self, machines: TwoMachines, pair: Pair) -> None:
        """Nothing is approved that was agreed on the lost server alone, until all have said so again."""
        machines.live(1, "web-0")
        pair.part()
        machines.simulator.faults.add(method="POST", status=503)
        machines.vote()
        machines.live(5, "web-0")
        assert machines.ballot().claim is not None
        pair.fail_over()
        machines.simulator.faults.clear()
        before = len(machines.approvals())
        machines.live(25, "web-0")
        assert len(machines.approvals()) == before
        machines.live(40)
        assert len(machines.approvals()) == before + 1

    def test_a_veto_that_is_lost_is_one_still(self, machines: TwoMachines, pair: Pair) -> None:
        """The standby has that the machine is prepared: that is true again only once it has said so again."""
        machines.vote()
        pair.part()
        machines.agents["web-1"].agent.take_app(App([Drain()], approve="never"))
        machines.live(1, "web-1")
        assert [vote.state for vote in machines.ballot().votes].count(VoteState.VETOED) == 1
        pair.fail_over()
        machines.live(25, "web-0")
        assert machines.approvals() == []
        machines.live(40)
        assert machines.approvals() == []
        assert "web-1 vetoed" in machines.told("web-0")


def test_restored_from_yesterday(two: Any, postgresql: PostgresqlServer, database: str) -> None:
    at = ("-h", "127.0.0.1", "-p", str(postgresql.port))
    backup = Path(postgresql.folder, f"{database}.dump")
    machines = two(postgresql.url(database))
    old = machines.announce(*BOTH)
    machines.live(5)
    postgresql.run("pg_dump", *at, "-Fc", "-f", backup, database)
    (before,) = machines.fleet(reads=True).overview().ballots
    machines.simulator.cancel(old)
    new = machines.announce(*BOTH)
    machines.live(40)
    approved = machines.approvals()
    postgresql.run("dropdb", *at, "--force", database)
    postgresql.run("createdb", *at, database)
    postgresql.run("pg_restore", *at, "-d", database, backup)
    with psycopg.connect(postgresql.url(database)) as look:
        assert look.execute("SELECT DISTINCT event FROM stormcone_fleet.said").fetchall() == [(before.key.id,)]
    machines.live(60)
    assert machines.approvals() == approved, "what the cloud has answered is known to who was answered"
    (after,) = machines.fleet(reads=True).overview().ballots
    assert after.key.id == new.lower()
    assert after.answer is not None
    assert {vote.member for vote in after.votes} == {member.id for member in after.members}
