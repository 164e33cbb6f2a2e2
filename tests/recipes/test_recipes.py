"""Each recipe, as a user would copy it, with the servers that it is for: with stormcone the client loses nothing.

Time is real here, as the servers are: a play waits for states, and its short form lasts some seconds.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 240.0
"""Real seconds after which a play counts as stuck; only a failing test takes so long."""

CANNOT = 69


@pytest.fixture(scope="module")
def play():
    """Play a recipe's short form; answers what the client saw without stormcone, and with it."""

    def played(name):
        command = [sys.executable, "-W", "error", "-m", "recipes", name, "--short", "--json"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
        if done.returncode == CANNOT:
            pytest.skip(done.stderr.strip())
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["plays"].values()

    return played


@pytest.mark.timeout(PATIENCE)
class TestThePool:
    """A machine behind a balancer reboots."""

    @pytest.mark.parametrize("name", ["haproxy", "nginx"])
    def test_no_request_is_lost_and_the_machine_comes_back(self, play, name):
        without, with_ = play(name)
        assert with_["lost"] == 0, with_["why"]
        assert without["lost"] > 0
        assert with_["figures"]["answers of web-0 since the reboot"] > 0


@pytest.mark.timeout(PATIENCE)
class TestTheStandby:
    """The primary of a database reboots."""

    def test_no_transaction_is_lost_and_none_that_was_committed_is_missing(self, play):
        without, with_ = play("postgresql")
        assert with_["lost"] == 0, with_["why"]
        assert without["lost"] > 0
        assert with_["figures"]["transactions committed and not there"] == 0


@pytest.mark.timeout(PATIENCE)
class TestTheQueue:
    """The machine of a worker reboots."""

    def test_every_job_has_its_result_in_time_and_none_is_begun_twice(self, play):
        without, with_ = play("queue_worker")
        assert with_["lost"] == 0, with_["why"]
        assert without["lost"] > 0
        assert with_["figures"]["jobs begun more than once"] == 0
        assert with_["figures"]["jobs of web-0 since the reboot"] > 0


@pytest.mark.timeout(PATIENCE)
class TestTheComputation:
    """The machine of a long computation reboots."""

    def test_no_step_is_done_again_and_none_is_left_out(self, play):
        without, with_ = play("checkpoint")
        assert with_["lost"] == 0
        assert without["lost"] > 0
        assert with_["figures"]["steps left out"] == 0


@pytest.mark.timeout(PATIENCE)
class TestTheEnd:
    """The machine of a service reboots that has something in memory."""

    def test_no_value_that_was_acknowledged_is_gone(self, play):
        without, with_ = play("shutdown")
        assert with_["lost"] == 0, with_["why"]
        assert without["lost"] > 0


@pytest.mark.timeout(PATIENCE)
class TestTheCentralLog:
    """A machine reboots, and then its central log is away for a while."""

    def test_the_log_hears_of_every_event(self, play):
        without, with_ = play("central_log")
        assert with_["lost"] == 0, with_["why"]
        assert without["lost"] > 0


class TestTheProgram:
    """`python -m recipes`."""

    def test_a_recipe_that_there_is_not_is_refused_with_those_that_there_are(self):
        command = [sys.executable, "-m", "recipes", "haprox"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "no recipe is called haprox; there are: haproxy" in done.stderr

    def test_what_is_not_installed_is_said_and_not_played(self, tmp_path):
        command = [sys.executable, "-m", "recipes", "haproxy"]
        env = {"PATH": str(tmp_path)}
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=env)
        assert done.returncode == CANNOT
        assert "haproxy: not played, as there is no haproxy here" in done.stderr
