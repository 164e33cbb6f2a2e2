"""Both stores of a fleet keep the contract."""

from stormcone.testing.conformance import FleetSuite


class TestTheStores(FleetSuite):
    """In memory, and in PostgreSQL."""
