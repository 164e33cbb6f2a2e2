"""A simulated VM of Compute Engine, and a provider on it."""

import pytest

from stormcone.clock import ManualClock
from stormcone_google.provider import GoogleProvider
from stormcone_simulators.google import GoogleSimulator


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def make_cloud(clock):
    made = []

    def make(*machines, **options):
        made.append(GoogleSimulator(machines or ("web-0", "web-1"), clock=clock, **options))
        made[-1].start_server()
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def cloud(make_cloud):
    return make_cloud()


@pytest.fixture
def make_provider():
    made = []

    def make(simulator, on=None, **changes):
        options = simulator.provider_options(on)
        made.append(GoogleProvider.from_options(type(options)(**{**vars(options), **changes})))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def provider(cloud, make_provider):
    return make_provider(cloud)
