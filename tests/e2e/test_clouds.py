"""The program on the clouds: one handler file, simulated events, credentials, proxies."""

import json
import shlex
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stormcone import Outcome

EXAMPLE = Path(__file__).parents[2] / "examples" / "every_cloud.py"
KEYS = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "testid", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret"}

APPROVABLE = {"azure": None, "alibaba": "SystemMaintenance.Reboot:Inquiring", "google": None}
"""The native type of a restart that begins once it is approved; None for the usual one."""

SPEED = 60
"""Of the simulators' clocks: an event that is an hour ahead leaves the agent a minute to approve it, of which loading
Google's library alone takes seconds where the machine is busy."""


@pytest.fixture
def alibaba(clouds):
    return clouds("alibaba")


def actions(simulator):
    """The operations of the API that were called, in order."""
    return [request["query"]["Action"] for request in simulator.requests() if "Action" in request["query"]]


@pytest.mark.timeout(300)  # a busy machine takes a minute to load the libraries of a cloud
class TestOneHandlerFile:
    TOLD = (
        "cloud announced",
        "Queue prepare begins",
        "Queue prepare ends succeeded",
        "approval asked",
        "approval accepted prepared by Queue",
        "cloud started",
        "cloud ended completed",
        "Queue recover begins",
        "Queue recover ends succeeded",
    )

    @pytest.mark.parametrize("cloud", APPROVABLE)
    def test_run_on_each_cloud_leaves_the_same_history(self, home, clouds, cloud):
        home.env |= KEYS
        assert self._history(home, clouds, cloud, timedelta(hours=1), APPROVABLE[cloud]) == [*self.TOLD]

    def test_run_where_nothing_can_be_approved_leaves_the_same_without_the_approval(self, home, clouds):
        told = self._history(home, clouds, "aws", timedelta(minutes=4))
        assert told == [line for line in self.TOLD if not line.startswith("approval")]

    @staticmethod
    def _history(home, clouds, cloud, notice, native_type=None):
        simulator = clouds(cloud, speed=SPEED)
        journal = home.folder / f"{cloud}.db"
        reach = ("--provider", cloud, "--endpoint", simulator.url, "--journal", journal, "--interval", "15s")
        agent = home.start("run", EXAMPLE, *reach)
        agent.says(f"watching i-aaa on {cloud}")
        hour = timedelta(hours=1)
        event = simulator.schedule(
            "reboot", resources=["i-aaa"], notice=notice, started_for=hour, native_type=native_type
        )
        agent.says("reboot of i-aaa has begun")
        simulator.complete(event)
        agent.says("Queue.recover done")
        assert agent.ends_by(signal.SIGTERM) == 0
        (story,) = home.json("history", "--journal", journal)["events"]
        assert story["event"]["outcome"] == "completed"
        return [_line(entry) for entry in story["timeline"]]


def _line(entry):
    result = "" if entry["what"] == "announced" else entry["result"].replace(" (inferred)", "")
    return " ".join(filter(None, (entry["who"], entry["what"], result)))


class TestSimulatedEvents:
    @pytest.fixture
    def reach(self, home, alibaba):
        home.env |= KEYS
        return ("--provider", "alibaba", "--endpoint", alibaba.url, "--region", "cn-hangzhou")

    def test_are_made_and_called_off_through_the_clouds_own_operations(self, home, alibaba, reach):
        made = home.json("simulate", "reboot", "--machine", "i-aaa", "--machine", "i-bbb", "--in", "10m", *reach)
        first, second = made["ids"]
        assert home.json("simulate", "cancel", first, *reach) == {"canceled": [first]}
        assert actions(alibaba) == ["CreateSimulatedSystemEvents", "CancelSimulatedSystemEvents"]
        shown = {event["id"]: (event["resources"], event["outcome"]) for event in alibaba.events()}
        assert shown == {first: (["i-aaa"], Outcome.CANCELED), second: (["i-bbb"], None)}

    def test_are_called_off_by_the_line_that_is_printed(self, home, alibaba, reach):
        said = home.run("simulate", "reboot", "--machine", "i-aaa", *reach, env={**home.env}).stdout.splitlines()
        program, *words = shlex.split(said[1].removeprefix("Call it off: "))
        assert (program, home.run(*words).returncode) == ("stormcone", 0)
        assert actions(alibaba) == ["CreateSimulatedSystemEvents", "CancelSimulatedSystemEvents"]

    def test_are_timed_by_the_simulators_clock(self, home, clouds, reach):
        fast = clouds("alibaba")
        fast.clock.advance(3 * 86400)
        reach = ("--provider", "alibaba", "--endpoint", fast.url, "--region", "cn-hangzhou")
        home.json("simulate", "reboot", "--machine", "i-aaa", "--in", "10m", *reach)
        (event,) = fast.events()
        in_ten_minutes = fast.clock.now() + timedelta(minutes=10)
        assert abs(datetime.fromisoformat(event["not_before"]) - in_ten_minutes) < timedelta(minutes=1)

    def test_go_to_the_real_service_by_the_same_code_where_no_endpoint_is_given(self, home, scripted):
        """A proxy tells where the requests go; it lets none of them through."""
        for _ in range(2):
            scripted.answer(403)
        env = {**home.env, **KEYS, "HTTPS_PROXY": scripted.url}
        reach = ("--provider", "alibaba", "--region", "cn-hangzhou")
        for command in (("reboot", "--machine", "i-aaa"), ("cancel", "e-some")):
            done = home.run("simulate", *command, *reach, env=env)
            assert done.returncode == 69
            assert "the proxy does not let it through" in done.stderr
            assert "testsecret" not in done.stderr
        asked = [(request.method, request.target) for request in scripted.asked]
        assert asked == [("CONNECT", "ecs.cn-hangzhou.aliyuncs.com:443")] * 2


class TestProxies:
    def test_of_the_environment_carry_the_api_and_never_the_metadata(self, home, alibaba, scripted):
        for _ in range(3):
            scripted.answer(502)
        env = {**home.env, **KEYS, "HTTP_PROXY": scripted.url}
        done = home.run("events", "--provider", "alibaba", "--endpoint", alibaba.url, env=env)
        assert done.returncode == 69
        assert {request.target.partition("?")[0] for request in scripted.asked} == {f"{alibaba.url}/"}
        assert actions(alibaba) == []
        assert any(request["path"].endswith("/instance-id") for request in alibaba.requests())

    def test_are_left_alone_where_no_proxy_says_so(self, home, alibaba, dead_url):
        env = {**home.env, **KEYS, "HTTP_PROXY": dead_url, "NO_PROXY": "127.0.0.1"}
        done = home.run("events", "--provider", "alibaba", "--endpoint", alibaba.url, env=env)
        assert (done.returncode, done.stdout) == (0, "Nothing is announced for i-aaa.\n")


class TestDoctor:
    @pytest.fixture
    def found(self, home, alibaba):
        """What `doctor` finds, by name."""

        def found(*options, **env):
            reach = ("--provider", "alibaba", "--endpoint", alibaba.url, "--json", *options)
            done = home.run("doctor", *reach, env={**home.env, **env})
            assert done.returncode == 0, done
            assert "testsecret" not in done.stdout
            return {check["name"]: check["found"] for check in json.loads(done.stdout)["checks"]}

        return found

    def test_names_the_credentials_that_won(self, home, found):
        role = found()
        assert role["alibaba credentials"] == "RAM role 'stormcone' of this instance"
        (home.folder / ".aliyun").mkdir()
        profile = {"name": "ci", "mode": "AK", "access_key_id": "testid", "access_key_secret": "testsecret"}
        home.write(".aliyun/config.json", json.dumps({"current": "ci", "profiles": [profile]}))
        assert found()["alibaba credentials"].startswith("profile 'ci' in ")
        assert found(**KEYS)["alibaba credentials"] == "environment (ALIBABA_CLOUD_ACCESS_KEY_ID)"
        settings = ("--set", "access-key-id=testid", "--set", "access-key-secret=testsecret")
        assert found(*settings, **KEYS)["alibaba credentials"] == "settings"

    def test_names_machine_and_address_and_says_what_is_announced(self, alibaba, found):
        alibaba.schedule("reboot", resources=["i-aaa"])
        checks = found(**KEYS)
        assert checks["cloud alibaba"].startswith("this is i-aaa, cn-hangzhou, cn-hangzhou-")
        assert (checks["alibaba api"], checks["alibaba proxy"]) == (alibaba.url, "none")
        assert checks["alibaba events"] == "1 announced"


def test_an_agent_keeps_the_clock_of_a_fast_simulator_while_it_signs_with_the_real_time(home):
    """The three terminals of the pages, at a speed at which the two clocks are soon far apart."""
    serve = ("simulator", "alibaba", "--port", 0, "--machine", "i-aaa", "--executing", 600)
    server = home.start(*serve, "--speed", 600, "--json")
    ready = json.loads(server.says("ready"))
    home.env |= KEYS
    reach = ("--provider", "alibaba", "--endpoint", ready["url"], "--region", ready["region"])
    agent = home.start("run", EXAMPLE, *reach, "--machine", "i-aaa", "--interval", "60s", "--json")
    agent.says("watching i-aaa on alibaba")
    (event,) = home.json("simulate", "reboot", "--machine", "i-aaa", "--in", "20m", *reach)["ids"]
    agent.says("Queue.recover done")
    assert agent.ends_by(signal.SIGTERM) == 0
    (story,) = home.json("history")["events"]
    assert (story["event"]["id"], story["event"]["outcome"]) == (event, "completed")
    times = {entry["what"]: datetime.fromisoformat(entry["at"]) for entry in story["timeline"]}
    assert times["announced"] < times["prepare ends"] < times["started"] < times["ended"] < times["recover ends"]
    assert times["ended"] - datetime.now(UTC) > timedelta(minutes=5)
