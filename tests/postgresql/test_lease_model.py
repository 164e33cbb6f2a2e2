"""Whatever the order in which agents take, renew, lose and give back a lease: one at a time writes and acts.

The server is real. Time passes where the lease's end lies further back there, and each agent's own clock further on.
"""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from stormcone.errors import JournalError, JournalFenced
from stormcone.postgresql.address import JOURNAL_OPTIONS, DatabaseAddress

store = pytest.importorskip("stormcone.journal.postgresql.store")
lease_module = pytest.importorskip("stormcone.journal.postgresql.lease")

DURATION = 15.0
NAMES = ("one", "two", "three")
names = st.sampled_from(NAMES)


class Unrenewed(lease_module.Lease):
    """A lease that is renewed when the model says so."""

    def _keep(self) -> None:
        self._end.wait()


class LeaseModel(RuleBasedStateMachine):
    """Three agents and one lease."""

    database = None

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.leases, self.stale = {}, set()
        self.epoch, self.holder, self.until = 0, "", 0.0

    @initialize()
    def begin(self):
        lease_module.seconds = lambda: self.now
        self.server = self.database.connect()
        self.server.execute("UPDATE lease SET epoch = 0, holder = '', until = 'epoch'")

    def teardown(self):
        for each in self.leases.values():
            each._end.set()
            each._thread.join()
        self.server.close()

    @property
    def lasts(self):
        return self.now < self.until

    @rule(name=names)
    def comes(self, name):
        """It is started, or started again: what it had before, it knows nothing of."""
        if self.holder == name and self.lasts:
            return
        new = Unrenewed(self.database, DURATION)
        held = new.take(self.server)
        assert (held is None) == (not self.lasts), "it is had by who comes when it is over"
        if held is None:
            if name in self.leases:
                self.leases[name]._end.set()
            self.leases[name] = new
            self.epoch, self.holder, self.until = self.epoch + 1, name, self.now + DURATION

    @rule(name=names)
    def renews(self, name):
        mine = self.leases.get(name)
        if mine is None:
            return
        if self.holder == name:  # also where it was over, and nobody has taken it
            mine._renew(self.server)
            self.until = self.now + DURATION
        else:
            with pytest.raises(JournalFenced):
                mine._renew(self.server)

    @rule(name=names)
    def writes(self, name):
        mine = self.leases.get(name)
        if mine is None:
            return
        written = False
        try:
            with self.server.transaction():
                transaction = mine.guard(self.server)
                written = True
            mine.committed(transaction)
        except JournalFenced:
            assert self.holder != name, "who has it is not fenced"
        except JournalError:
            assert self.holder == name
            assert not self.lasts, "it writes as long as it lasts"
        assert written == (self.holder == name and self.lasts)

    @rule(name=names)
    def acts(self, name):
        mine = self.leases.get(name)
        if mine is None:
            return
        try:
            may = mine.may_act()
        except JournalFenced:
            assert self.holder != name
            return
        assert not may or (self.holder == name and self.lasts), "nothing is sent by who has lost it"
        if self.holder == name and self.until - self.now > DURATION / 2:
            assert may, "who has just taken or renewed it may"

    @rule(name=names)
    def gives_back(self, name):
        mine = self.leases.pop(name, None)
        if mine is None:
            return
        mine.release()
        if self.holder == name:
            self.until = min(self.until, self.now)

    @rule(passed=st.sampled_from([1.0, 4.0, 9.5, 14.5, 16.0, 3600.0]))
    def time_passes(self, passed):
        self.now += passed
        self.server.execute("UPDATE lease SET until = until - %s * interval '1 second'", [passed])


def test_one_at_a_time_writes_and_acts(journal_address, monkeypatch):
    address = DatabaseAddress.parse(journal_address, own=JOURNAL_OPTIONS)
    store.PostgresqlJournal.open(address).close()
    LeaseModel.database, _, _ = store._database(address, writes=True)
    monkeypatch.setattr(lease_module, "seconds", lease_module.seconds)  # the model's is gone afterwards
    run_state_machine_as_test(
        LeaseModel,
        settings=settings(
            max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
