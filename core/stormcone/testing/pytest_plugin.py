"""What every pytest in an environment with stormcone gets: one marker, and nothing that could clash or costs time.

The fixtures have short names, so a project asks for them: `pytest_plugins = ["stormcone.testing.fixtures"]`.
"""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marker is for."""
    config.addinivalue_line(
        "markers",
        "stormcone(machines=[...], https=False, machine=None, thread=False): the machines of this test's simulators, "
        "whether those speak HTTPS, on which of them `agent` runs (the first), and whether in threads of its own; for "
        "`stormcone.testing.fixtures`.",
    )
