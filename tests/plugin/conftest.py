"""Suites of users, as files that pytest's own `pytester` runs."""

import textwrap
from importlib import import_module

import pytest

# Suites run in this process: what they import must be here already, or pytester drops it after each of them, and the
# next one has every class twice.
for module in (
    "aliyunsdkecs.request.v20140526.DescribeInstanceHistoryEventsRequest",
    "stormcone_alibaba.provider",
    "stormcone_azure.provider",
    "stormcone_simulators.alibaba",
    "stormcone_simulators.azure",
    "stormcone.testing.fixtures",
    "trustme",
):
    import_module(module)

SERVICE = """
    from datetime import timedelta
    import pytest
    from stormcone import App, Handler, Impact, Outcome, Phase

    class Database:
        primary, standby = "db-0", "db-1"

        def fail_over(self):
            self.primary, self.standby = self.standby, self.primary

    class Failover(Handler):
        def __init__(self, database):
            self.database = database

        def prepare(self, event, context):
            if self.database.primary == context.machine.name:
                self.database.fail_over()

        def recover(self, event, context):
            pass

    @pytest.fixture
    def database():
        return Database()

    @pytest.fixture
    def app(database):
        return App([Failover(database)])
"""


@pytest.fixture(autouse=True)
def asked_for(pytester):
    """Every suite asks for the fixtures, as a project's pytest.ini does."""
    pytester.makeini("[pytest]\naddopts = -p stormcone.testing.fixtures")


@pytest.fixture
def suite(pytester):
    """Runs a test module: the service's (its database, handler and app) and these lines."""

    def run(lines, *arguments, service=SERVICE, in_process=True):
        pytester.makepyfile(textwrap.dedent(service) + textwrap.dedent(lines))
        # hypothesis would be imported anew for every suite, only to say nothing at its end.
        options = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", *arguments)
        return pytester.runpytest_inprocess(*options) if in_process else pytester.runpytest_subprocess(*options)

    return run
