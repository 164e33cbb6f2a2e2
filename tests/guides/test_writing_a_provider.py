"""The guide "A provider of your own in an afternoon", followed to the letter."""

import os
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def lighthouse(guide, tmp_path_factory):
    """The guide's distribution, written as it says and installed beside stormcone: its folder and the environment."""
    folder, site = tmp_path_factory.mktemp("lighthouse"), tmp_path_factory.mktemp("site")
    for block in guide("writing-a-provider.md"):
        if block.file:
            path = folder / block.file
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text)
    # As `pip install .`, into a folder of its own, without the network.
    offline = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "install", *offline, "--target", str(site), str(folder)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(site), "PYTEST_ADDOPTS": "", "XDG_CACHE_HOME": str(site / "cache")}
    environment.pop("PYTEST_XDIST_WORKER", None)
    return folder, environment


def run(lighthouse, *command):
    folder, environment = lighthouse
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("files", "number"),
    [
        (("test_conformance.py", "test_handler.py"), 50),
        (("test_harbour.py",), 7),
    ],
)
def test_its_tests_pass(lighthouse, files, number):
    tests = [f"tests/{file}" for file in files]
    done = run(lighthouse, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    assert done.returncode == 0, done.stdout + done.stderr
    closing = done.stdout.splitlines()[-1]
    assert "failed" not in closing
    assert int(closing.split(" passed")[0].split()[-1]) > number


def test_its_provider_is_listed_beside_the_others(lighthouse):
    done = run(lighthouse, "-m", "stormcone", "providers", "--json")
    assert done.returncode == 0, done.stderr
    assert {"azure", "lighthouse", "lighthouse-harbour"} <= set(done.stdout.replace('"', " ").split())


TAPPED = """
import sys
from stormcone.clouds.contract import ProviderOptions
from stormcone.clock import SystemClock
from stormcone_lighthouse.provider import LighthouseProvider
from stormcone_lighthouse.simulator import LighthouseSimulator
from stormcone.simulators.contract import SimulatorOptions

told = []
with LighthouseSimulator.from_options(SimulatorOptions()) as simulator:
    provider = LighthouseProvider.from_options(
        ProviderOptions(endpoint=simulator.url, clock=SystemClock(), tap=told.append)
    )
    provider.identify()
    provider.poll()
    provider.close()
print(*(exchange.url.partition("/v1/")[2] for exchange in told))
"""


def test_its_exchanges_can_be_recorded(lighthouse):
    done = run(lighthouse, "-c", TAPPED)
    assert (done.stdout, done.stderr) == ("self notices\n", "")


SILENT = """

class TestSilent(ProviderSuite):
    @pytest.fixture(autouse=True)
    def silent(self, provider, monkeypatch):
        monkeypatch.setattr(provider, "poll", Observation)
"""


def test_a_provider_that_breaks_a_promise_is_shown_the_promise(lighthouse):
    folder, _ = lighthouse
    kept = (folder / "tests" / "test_conformance.py").read_text()
    (folder / "test_silent.py").write_text(f"from stormcone import Observation\n{kept}{SILENT}")
    done = run(lighthouse, "-m", "pytest", "-p", "no:cacheprovider", "-k", "TestSilent and seen", "test_silent.py")
    assert done.returncode == 1
    assert "An event comes in neutral words, with the cloud's id, time and payload." in done.stdout
    assert 'Source: design, "The model".' in done.stdout
