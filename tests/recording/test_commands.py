"""The commands: record on one side, replay on the other, and the journal's own trace."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
import requests

from stormcone import Impact
from stormcone.clock import SystemClock
from stormcone.recording import Recorder, read_trace
from stormcone_simulators.aws import AwsSimulator
from stormcone_simulators.azure import AzureSimulator


def environment(folder):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STORMCONE_")}
    return {**kept, "HOME": str(folder), "NO_COLOR": "1"}


@pytest.fixture
def start(tmp_path):
    """Starts the program; what still runs at the end is killed."""
    running = []

    def run(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "stormcone", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(tmp_path),
        )
        running.append(process)
        return process

    yield run
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def cloud():
    clock = SystemClock(speed=600)
    with AzureSimulator(["web_18"], clock=clock) as cloud:
        yield cloud


def finish(process):
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


class TestRecord:
    def test_records_for_a_while_and_says_what_it_has(self, start, cloud, tmp_path):
        cloud.schedule(Impact.REBOOT, resources=["web_18"], notice=timedelta(minutes=5))
        path = tmp_path / "trace.yaml"
        status, out, err = finish(
            start(
                "record",
                "--provider",
                "azure",
                "--endpoint",
                cloud.url,
                "-o",
                path,
                "--for",
                "10m",
                "--interval",
                "30s",
                "--json",
            )
        )
        said = json.loads(out)
        assert (status, said["file"], said["bytes"]) == (0, str(path), path.stat().st_size), err
        trace = read_trace(path)
        # The machine and its first poll at least: how many more fit into the time is a matter of speed.
        assert said["entries"] == len(trace.entries) >= 2
        assert said["exchanges"] == sum(entry.count for entry in trace.entries)
        assert (trace.header.provider, trace.header.machine) == ("azure", "web_18")

    def test_finds_the_cloud_by_itself_and_keeps_the_search_out_of_the_trace(self, start, cloud, tmp_path):
        path = tmp_path / "trace.yaml"
        status, _, err = finish(start("record", "--endpoint", cloud.url, "-o", path, "--for", "1m", "--anonymise"))
        assert status == 0, err
        assert "web_18" not in path.read_text()
        assert all("/metadata/" in entry.exchange.url for entry in read_trace(path).entries)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
    def test_leaves_a_readable_file_however_it_ends(self, start, cloud, tmp_path, number):
        path = tmp_path / "trace.yaml"
        process = start("record", "--provider", "azure", "--endpoint", cloud.url, "-o", path, "--interval", "5s")
        end = time.monotonic() + 20
        while not (path.exists() and path.read_text().count("- request:") == 2):
            assert time.monotonic() < end, process.poll()
            time.sleep(0.02)
        process.send_signal(number)
        status, _, _ = finish(process)
        assert status == (0 if number is not signal.SIGKILL else -signal.SIGKILL)
        assert len(read_trace(path).entries) == 2

    def test_says_that_the_file_is_there_already(self, start, cloud, tmp_path):
        (tmp_path / "trace.yaml").write_text("precious")
        status, out, err = finish(
            start("record", "--provider", "azure", "--endpoint", cloud.url, "-o", tmp_path / "trace.yaml")
        )
        assert (status, out) == (73, "")
        assert "is there already" in err

    def test_says_at_once_that_nothing_answers(self, start, dead_url, tmp_path):
        status, _, err = finish(
            start("record", "--provider", "azure", "--endpoint", dead_url, "-o", tmp_path / "t.yaml")
        )
        assert (status, (tmp_path / "t.yaml").exists()) == (69, False)
        assert "connection refused" in err


class TestReplay:
    @pytest.fixture
    def trace(self, exchange, tmp_path):
        path = tmp_path / "trace.yaml"
        with Recorder(path, provider="azure", begun=exchange().at, machine="web_18") as recorder:
            recorder.record(exchange())
        return path

    @pytest.mark.parametrize("as_json", [True, False])
    def test_serves_the_trace_and_tells_the_differences_at_the_end(self, start, trace, as_json):
        process = (
            start("simulator", "azure", "--replay", trace, "--port", "0", "--speed", "60", "--json", *[])
            if as_json
            else start("simulator", "azure", "--replay", trace, "--port", "0")
        )
        line = process.stdout.readline()
        url = json.loads(line)["url"] if as_json else line.partition(" ready at ")[2].partition(" ")[0]
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{url}/metadata/scheduledevents?api-version=2020-07-01", headers={"Metadata": "true"})
            session.get(f"{url}/metadata/instance?api-version=2021-02-01", headers={"Metadata": "true"})
        assert answer.json() == {"DocumentIncarnation": 1, "Events": []}
        process.send_signal(signal.SIGINT)
        status, out, err = finish(process)
        assert (status, err) == (0, "")
        if as_json:
            assert [difference["kind"] for difference in json.loads(out)["differences"]] == ["not_recorded"]
        else:
            assert "web_18: GET /metadata/instance was not recorded" in out

    @pytest.mark.parametrize("option", [["--machine", "web-0"], ["--scenario", "user-reboot"], ["--etag"]])
    def test_takes_no_option_that_the_trace_answers(self, start, trace, option):
        status, _, err = finish(start("simulator", "azure", "--replay", trace, *option))
        assert status == 2
        assert f"{option[0]} makes no sense with --replay" in err

    def test_says_what_is_wrong_with_a_file(self, start, tmp_path):
        (tmp_path / "trace.yaml").write_text("interactions: [")
        status, _, err = finish(start("simulator", "azure", "--replay", tmp_path / "trace.yaml"))
        assert (status, err.count("\n")) == (73, 1)
        assert "line 2" in err


AWS = [("aws", ["scope=region"]), ("aws-queue", ["queue=stormcone"])]


class TestAwssApis:
    @pytest.mark.parametrize(
        ("provider", "settings"),
        [("aws", ["scope=region"]), ("aws-queue", ["queue=stormcone"])],
        ids=["region", "queue"],
    )
    def test_are_recorded_without_names_and_replayed_to_the_same_commands(
        self, start, tmp_path, monkeypatch, provider, settings
    ):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testid")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testsecret")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        path = tmp_path / "trace.yaml"
        how = ["--provider", provider, "--region", "us-east-1"]
        with AwsSimulator(["i-0acbe0123456789ab"], clock=SystemClock(speed=60)) as cloud:
            identifier = cloud.schedule(Impact.REBOOT, resources=["i-0acbe0123456789ab"])
            there = [*how, *(f"--set={each}" for each in settings), "--endpoint", cloud.url]
            status, _, err = finish(start("record", *there, "-o", path, "--for", "1m", "--anonymise"))
        assert status == 0, err
        text = path.read_text()
        secret = ("i-0acbe0123456789ab", identifier.removeprefix("instance-event-"), "testid", "123456789012")
        assert not [word for word in secret if word in text]
        process = start("simulator", "aws", "--replay", path, "--port", "0", "--json")
        ready = json.loads(process.stdout.readline())
        if provider == "aws-queue":
            settings = [f"queue={ready['queue']}"]
        here = [*how, *(f"--set={each}" for each in settings), "--endpoint", ready["url"]]
        status, out, err = finish(start("events", *here, "--json"))
        assert status == 0, err
        (event,) = json.loads(out)["events"]
        assert (event["impact"], event["id"].startswith("instance-event-")) == ("reboot", True)
        process.send_signal(signal.SIGINT)
        status, out, err = finish(process)
        assert (status, json.loads(out)) == (0, {"differences": []}), err


class TestHistory:
    @pytest.fixture
    def journal(self, simulator, watch, tmp_path):
        agent = watch(simulator())
        agent.start()
        agent.simulator.schedule(Impact.REBOOT, resources=["web_18"])
        agent.run(timedelta(minutes=20))
        return agent.journal.path

    def test_exports_a_trace_once(self, start, journal, tmp_path):
        path = tmp_path / "trace.yaml"
        status, out, err = finish(start("history", "--journal", journal, "--export", path, "--json"))
        assert (status, err) == (0, "")
        assert json.loads(out)["entries"] == len(read_trace(path).entries)
        assert finish(start("history", "--journal", journal, "--export", path))[0] == 73

    def test_exports_without_names_where_asked(self, start, journal, tmp_path):
        path = tmp_path / "trace.yaml"
        status, out, _ = finish(start("history", "--journal", journal, "--export", path, "--anonymise"))
        assert (status, "web" in path.read_text()) == (0, False)
        assert "`stormcone simulator --replay` plays it" in out

    def test_exports_all_or_nothing(self, start, journal, tmp_path):
        status, _, err = finish(start("history", "ID", "--journal", journal, "--export", tmp_path / "trace.yaml"))
        assert (status, "leave the ID out" in err) == (2, True)
