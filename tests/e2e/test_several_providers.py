"""The agent with several providers on its command line: each maintenance is told once, and each source's health."""

import json
import signal
from datetime import timedelta

import pytest

AWS = ("--provider", "aws", "--provider", "aws-queue")
ORDER = "sh -c 'echo $STORMCONE_STAGE $STORMCONE_EVENT_ID >> orders'"


@pytest.fixture
def aws(clouds, home):
    home.env |= {
        "AWS_ACCESS_KEY_ID": "testid",
        "AWS_SECRET_ACCESS_KEY": "testsecret",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return clouds("aws", speed=10)


@pytest.fixture
def agent(home, aws):
    """An agent on the instance i-aaa, by its metadata and by the queue."""
    reach = ("--endpoint", aws.url, "--region", "us-east-1", "--set", "aws-queue.queue=stormcone")
    orders = ("--on-prepare", ORDER, "--lead", "30d", "--on-recover", ORDER)
    agent = home.start("run", *orders, *AWS, *reach, "--interval", "1s")
    agent.says("watching i-aaa on aws")
    return agent


def orders(home):
    file = home.folder / "orders"
    return file.read_text().split("\n")[:-1] if file.exists() else []


def status(home):
    done = home.run("status", "--json")
    document = json.loads(done.stdout)
    return {source["name"]: source for source in document["sources"]}


class TestBothSources:
    def test_tell_of_one_maintenance_and_it_is_handled_once(self, home, aws, agent):
        event = aws.schedule("reboot", resources=["i-aaa"], notice=timedelta(days=14))
        agent.says("reboot of i-aaa announced")
        home.until(lambda: not aws.queues()["stormcone"], "the queue to be empty")
        agent.says("commands.prepare done")
        home.until(lambda: min(source["polls"] for source in status(home).values()) > 5, "some polls more")
        aws.cancel(event)
        agent.says("reboot of i-aaa has ended")
        agent.says("commands.recover done")
        assert agent.ends_by(signal.SIGTERM) == 0
        (story,) = home.json("history")["events"]
        assert [line.partition(" ")[0] for line in orders(home)] == ["prepare", "recover"]
        stages = [entry["what"] for entry in story["timeline"] if entry["who"] == "commands"]
        assert stages == ["prepare begins", "prepare ends", "recover begins", "recover ends"]
        assert story["event"]["outcome"] == "canceled"

    def test_are_each_told_of_with_their_own_health(self, home, aws, agent):
        home.until(lambda: all(source["last_success"] for source in status(home).values()), "both to answer")
        aws.faults.add(status=503, query={"Action": "ReceiveMessage"})
        aws.faults.add(status=503, method="POST")
        told = agent.says("what aws-queue tells of is unknown")
        assert "ReceiveMessage" in told
        home.until(lambda: status(home)["aws-queue"]["error"], "the error in the status")
        sources = status(home)
        assert ("ReceiveMessage" in sources["aws-queue"]["error"], sources["aws"]["error"]) == (True, None)
        assert not any("what aws tells of is unknown" in line for line in agent.out)
        # What is down holds up nothing of the other.
        aws.schedule("terminate", resources=["i-aaa"], notice=timedelta(minutes=2))
        agent.says("terminate of i-aaa announced")
        agent.says("commands.prepare done")
        aws.faults.clear()
        agent.says("aws-queue answers again")
        home.until(lambda: status(home)["aws-queue"]["error"] is None, "no error in the status")


def test_of_two_clouds_each_tells_of_its_own(home, aws, clouds):
    simulator = clouds("azure", speed=10)
    reach = ("--endpoint", f"azure={simulator.url}", "--endpoint", f"aws={aws.url}", "--region", "aws=us-east-1")
    agent = home.start(
        "run", "--on-prepare", "true", "--provider", "azure", "--provider", "aws", *reach, "--interval", "1s"
    )
    agent.says("watching i-aaa on azure")
    simulator.schedule("reboot", resources=["i-aaa"])
    agent.says("reboot of i-aaa announced")
    aws.schedule("terminate", resources=["i-aaa"], notice=timedelta(minutes=2))
    agent.says("terminate of i-aaa announced")
    assert agent.ends_by(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("options", "status", "why"),
    [
        (("--provider", "aws", "--provider", "aws"), 2, "twice"),
        ((*AWS, "--set", "aws-quue.queue=q"), 2, "no provider here is aws-quue; write one of aws, aws-queue"),
        ((*AWS, "--set", "aws-queue.queeu=q"), 64, "queeu"),
        (AWS, 64, "queue"),
        ((*AWS, "--endpoint", "http://a", "--endpoint", "http://b"), 2, "--endpoint aws-queue=..."),
        (("--provider", "aws", "--provider", "nimbus"), 78, "no such cloud: nimbus"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_anything_runs(home, aws, options, status, why):
    done = home.run("run", "--on-prepare", ORDER, *options)
    assert (done.returncode, why in done.stderr) == (status, True), done.stderr
    assert orders(home) == []
