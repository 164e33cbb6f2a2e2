"""What goes wrong with Alibaba Cloud is told in one clear sentence by every command, and nothing secret is in it."""

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import timedelta

import pytest

from stormcone import Impact, ManualClock
from stormcone.clock import SystemClock
from stormcone_alibaba.provider import AlibabaProvider
from stormcone_simulators.alibaba import AlibabaSimulator

KEY_ID, SECRET = "LTAI-of-the-tests", "very-secret/of+the=tests"
INSTANCE = "i-aaa"

NO_SDK = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"aliyunsdkcore", "aliyunsdkecs"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
"""

ONE_NONCE = """
from aliyunsdkcore.utils import parameter_helper

parameter_helper.get_uuid = lambda: "the-same-nonce-every-time"
"""

CANCEL = ("simulate", "cancel", "e-some")
COMMANDS = (("events",), ("doctor",), ("simulate", "reboot", "--machine", INSTANCE, "--in", "10m"))


@pytest.fixture
def start():
    """Starts a simulator that only the tests' key opens."""
    with ExitStack() as stack:

        def start(**options):
            usual = {"access_key": f"{KEY_ID}:{SECRET}", "clock": SystemClock()}
            return stack.enter_context(AlibabaSimulator([INSTANCE], **(usual | options)))

        yield start


@pytest.fixture
def told(home):
    """What each command says where it fails, on both streams; `doctor` goes on and tells all that it finds."""

    def told(simulator, *, secret=SECRET, commands=COMMANDS, key=True, **env):
        keys = {"ALIBABA_CLOUD_ACCESS_KEY_ID": KEY_ID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": secret} if key else {}
        reach = ("--provider", "alibaba", "--endpoint", simulator.url, "--region", "cn-hangzhou")

        def run(command):
            done = home.run(*command, *reach, env={**home.env, **keys, **env})
            text = done.stdout + done.stderr
            assert done.returncode in {1, 65, 69, 70, 78}, text
            assert not [word for word in (secret, KEY_ID, "Signature=", "Traceback") if word in text], text
            if command[0] != "doctor":
                assert done.stdout == ""
                assert done.stderr.startswith("stormcone: ")
                assert done.stderr.count("\n") == 1
            return text

        with ThreadPoolExecutor() as at_once:
            return dict(zip(commands, at_once.map(run, commands), strict=True))

    return told


@pytest.fixture
def meddling(home):
    """Code that every program of the test runs first; answers the environment for it."""

    def meddling(code):
        home.write("sitecustomize.py", code)
        return {"PYTHONPATH": f"{home.folder}:{home.env.get('PYTHONPATH', '')}"}

    return meddling


def each_says(said, words):
    assert [command for command, text in said.items() if words not in text] == [], said


class TestOneClearSentence:
    def test_for_a_wrong_secret(self, start, told):
        each_says(told(start(), secret="not+the/secret="), "so the access key secret is wrong")

    def test_for_a_stale_clock(self, start, told):
        ahead = ManualClock(SystemClock().now() + timedelta(hours=1))
        said = told(start(signing_clock=ahead))
        each_says(said, "this machine's clock is more than 15 minutes off")
        each_says(said, "set the clock, with NTP")

    def test_for_a_nonce_that_is_used_again(self, start, told, meddling):
        simulator, env = start(), meddling(ONE_NONCE)
        each_says(told(simulator, commands=[CANCEL], **env), "one of the events is not known")
        each_says(told(simulator, **env), "the same signed request came twice")

    def test_for_an_unknown_region(self, start, told):
        each_says(told(start(region="cn-beijing")), "there is no such region at this address")

    def test_for_a_missing_sdk(self, start, told, meddling):
        each_says(told(start(), **meddling(NO_SDK)), "run pip install stormcone[alibaba]")

    def test_for_missing_credentials(self, start, told):
        said = told(start(), key=False, ALIBABA_CLOUD_ECS_METADATA_DISABLED="true")
        each_says(said, "there are no credentials for Alibaba Cloud")
        each_says(said, "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET")

    def test_for_throttling(self, start, told):
        simulator = start(throttle=1, clock=ManualClock())
        with closing(AlibabaProvider.from_options(simulator.provider_options())) as provider:
            in_an_hour = simulator.clock.now() + timedelta(hours=1)
            provider.cancel_simulated(provider.simulate(Impact.REBOOT, resources=[INSTANCE], not_before=in_an_hour))
            provider.poll()
        each_says(told(simulator), "the account has asked too often in this minute")

    def test_for_an_address_where_nothing_listens(self, start, told):
        gone = start()
        address = type("Gone", (), {"url": gone.url})
        gone.close()
        each_says(told(address), "refused")


class TestTheFirstStart:
    """What only a person can cure ends it, whichever way the agent knows what it watches; later ones go on."""

    ON_THE_INSTANCE = ()
    IN_A_REGION_THAT_IS_NAMED = ("--region", "cn-hangzhou")
    OF_A_NAMED_INSTANCE = ("--machine", INSTANCE)
    OF_A_NAMED_INSTANCE_FROM_ELSEWHERE = ("--machine", INSTANCE, "--region", "cn-hangzhou")
    OF_A_REGION = ("--set", "scope=region")
    OF_A_NAMED_REGION = ("--set", "scope=region", "--region", "cn-hangzhou")
    SCOPES = (
        ON_THE_INSTANCE,
        IN_A_REGION_THAT_IS_NAMED,
        OF_A_NAMED_INSTANCE,
        OF_A_NAMED_INSTANCE_FROM_ELSEWHERE,
        OF_A_REGION,
        OF_A_NAMED_REGION,
    )

    @pytest.fixture
    def agent(self):
        """The words that start an agent."""
        return lambda simulator, *scope: (
            *("run", "--on-prepare", "true", "--provider", "alibaba", "--interval", "0.1s"),
            *("--endpoint", simulator.url, *scope),
        )

    @pytest.fixture
    def keys(self, home):
        return {**home.env, "ALIBABA_CLOUD_ACCESS_KEY_ID": KEY_ID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": SECRET}

    def test_with_a_wrong_clock(self, home, start, agent, keys):
        wrong = start(signing_clock=ManualClock(SystemClock().now() + timedelta(hours=1)))

        def run(number):
            journal = {"STORMCONE_JOURNAL": str(home.folder / f"{number}.db")}
            return home.run(*agent(wrong, *self.SCOPES[number]), env={**keys, **journal})

        with ThreadPoolExecutor(2) as at_once:
            for done in at_once.map(run, range(len(self.SCOPES))):
                assert done.returncode == 69, done
                assert "this machine's clock is more than 15 minutes off" in done.stderr
                assert done.stderr.count("\n") == 1

    def test_what_may_pass_is_waited_for(self, home, start, agent, keys):
        busy = start()
        busy.faults.add(status=503, query={"Action": "DescribeInstanceHistoryEvents"}, times=6)
        running = home.start(*agent(busy), **keys)
        running.says("watching i-aaa on alibaba")
        running.says("answers again")
        assert running.ends_by(signal.SIGTERM) == 0

    def test_a_later_one_goes_on(self, home, start, agent, keys):
        right = start()
        running = home.start(*agent(right), **keys)
        running.says("watching i-aaa on alibaba")
        running.ends_by(signal.SIGTERM)
        wrong = start(signing_clock=ManualClock(SystemClock().now() + timedelta(hours=1)))
        running = home.start(*agent(wrong), **keys)
        running.says("this machine's clock is more than 15 minutes off")
        assert running.ends_by(signal.SIGTERM) == 0
