"""What `doctor` looks at, what it makes of it, and what it says is to be done."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from stormcone.cli.checks import cloud, given, here
from stormcone.cli.checks.check import Light, well
from stormcone.clouds.contract import Right
from stormcone.clouds.exchange import Exchange
from stormcone.clouds.http.client import Timeouts
from stormcone.health.addresses import Address, own_socket
from stormcone.health.face import Health
from stormcone.health.server import HealthListener
from stormcone.journal import Journal, SinkRecord
from stormcone.model import Capabilities, Machine, Observation, Scope
from stormcone.plugins import PROVIDERS
from stormcone_simulators.aws import AwsSimulator
from stormcone_simulators.google import GoogleSimulator

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def exchange(**given_):
    return Exchange(**{"at": NOW, "method": "GET", "url": "http://169.254.169.254/metadata", "status": 200, **given_})


class TestTheClock:
    @pytest.mark.parametrize(
        ("seconds", "light", "found"),
        [
            (0, Light.GREEN, "as the cloud's"),
            (1, Light.GREEN, "as the cloud's"),
            (-4, Light.GREEN, "3 s from the cloud's"),
            (6, Light.YELLOW, "5 s from the cloud's"),
            (-61, Light.RED, "60 s from the cloud's"),
        ],
    )
    def test_is_compared_with_the_dates_of_answers(self, seconds, light, found):
        date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
        (check,) = cloud.clock("azure", [exchange(headers={"date": date})])
        assert (check.light, check.found, check.ok) == (light, found, light is not Light.RED)
        assert ("NTP" in check.advice) is (light is not Light.GREEN)

    @pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}])
    def test_of_answers_without_a_date_is_not_known(self, headers):
        assert list(cloud.clock("azure", [exchange(headers=headers)])) == []


class TestTheCalls:
    def test_what_is_refused_is_named_once_with_what_to_do(self):
        refused = exchange(url="https://ec2.eu-west-1.amazonaws.com/?Action=DescribeInstanceStatus", status=403)
        (check,) = cloud.calls("aws", [exchange(), refused, refused])
        assert (check.name, check.light) == ("aws permission", Light.RED)
        assert check.found == "GET ec2.eu-west-1.amazonaws.com/ was refused (403)"

    @pytest.mark.parametrize(("seconds", "light"), [(0.9, Light.GREEN), (1.0, Light.YELLOW)])
    def test_a_slow_one_should_be_looked_at(self, seconds, light):
        assert cloud.latency("azure", seconds).light is light


class TestTheProxies:
    def test_without_any_there_is_nothing_to_say(self):
        assert list(here.proxies({"PATH": "/bin"})) == []

    @pytest.mark.parametrize("name", ["http_proxy", "HTTPS_PROXY", "ALL_PROXY"])
    def test_one_that_would_catch_metadata_is_told_with_the_line_that_helps(self, name):
        (check,) = here.proxies({name: "http://proxy:3128"})
        assert (check.light, check.ok) == (Light.YELLOW, True)
        assert check.advice.endswith("NO_PROXY=169.254.169.254,100.100.100.200,metadata.google.internal")

    def test_one_that_leaves_it_out_is_well(self):
        hosts = ",".join(here.METADATA_HOSTS)
        (check,) = here.proxies({"https_proxy": "http://user:secret@proxy:3128", "NO_PROXY": hosts})
        assert check.light is Light.GREEN
        assert "secret" not in check.found

    def test_one_that_leaves_some_of_it_out_names_the_rest(self):
        (check,) = here.proxies({"http_proxy": "http://proxy:3128", "no_proxy": "169.254.169.254"})
        assert "100.100.100.200" in check.found
        assert "169.254.169.254" not in check.found


class TestThePlugins:
    def test_are_listed_and_one_that_fails_says_why(self, monkeypatch):
        broken = type("B", (), {"name": "oci", "distribution": "oci-stormcone 1.0", "error": "No module named 'oci'"})
        found = type("P", (), {"broken": (broken,), "found": {"azure": object, "aws": object}})
        monkeypatch.setattr(here, "load_plugins", lambda group: found)
        first, second = here.plugins([PROVIDERS])
        assert (first.name, first.light) == ("plug-in oci", Light.YELLOW)
        assert first.found == "that of oci-stormcone 1.0 cannot be used: No module named 'oci'"
        assert second == well("providers", "aws, azure")


class TestTheAgent:
    def test_that_runs_and_is_not_ready_is_told(self, stormcone, simulator, tmp_path):
        class Silent(Health):
            def answer(self, path, *, private):
                answer = super().answer(path, private=private)
                assert answer.status == 503
                return answer

        health = Silent(simulator.clock)
        listener = HealthListener(own_socket(tmp_path / "journal.db"), health, lambda _: None)
        assert listener.listening.wait(20)
        try:
            said = stormcone("doctor", "--provider", "azure", "--endpoint", simulator.url)
        finally:
            listener.close()
        assert said.status == 0
        assert (
            "! agent: the one that runs with this journal is not ready: no agent is at work yet; stormcone status"
            in said.out
        )
        assert isinstance(own_socket(tmp_path / "journal.db"), Address)


class TestWhatIsToBeRun:
    @pytest.fixture
    def doctor(self, stormcone, simulator):
        return lambda *words: stormcone("doctor", *words, "--provider", "azure", "--endpoint", simulator.url)

    def test_handlers_are_shown_with_what_they_take_and_what_approves(self, doctor, tmp_path):
        (tmp_path / "h.py").write_text(
            "from stormcone import App\n\napp = App()\n\n\n@app.prepare\ndef drain(e, c): ...\n"
        )
        said = doctor("h.py")
        assert (said.status, said.err) == (0, "")
        assert "✓ handler drain: prepare; impacts all but none; prepares 60 min ahead" in said.out
        assert "✓ approval: once every prepare has succeeded" in said.out

    def test_a_broken_handler_file_is_red(self, doctor, tmp_path):
        (tmp_path / "h.py").write_text("from stormcone import Appp\n")
        said = doctor("h.py")
        assert said.status == 1
        assert "✗ handlers: " in said.out
        assert "Appp" in said.out

    def test_a_command_that_is_not_there_is_red(self, doctor):
        said = doctor("--on-prepare", "no-such-program --now")
        assert said.status == 1
        assert "✗ handlers: the command for prepare cannot be run: " in said.out
        assert "no-such-program" in said.out

    def test_one_that_is_found_is_well(self, doctor):
        assert doctor("--on-prepare", "true").status == 0

    def test_where_no_handler_prepares_that_should_be_looked_at(self, doctor):
        said = doctor("--on-recover", "true")
        assert said.status == 0
        assert "! approval: never, since no handler prepares" in said.out

    def test_sinks_are_made_and_shown_with_what_became_of_them(self, doctor, tmp_path):
        with Journal.open(tmp_path / "journal.db") as book:
            book.outbox.subscribe(["ops"])
        said = doctor("--on-prepare", "true", "--sink", "ops=log", "--sink", f"ops.file={tmp_path / 'log'}")
        assert (said.status, said.err) == (0, "")
        assert "✓ sink ops: log; 0 waiting, 0 sent" in said.out

    def test_a_sink_that_could_not_be_reached_says_how_to_try_it(self, doctor, monkeypatch, tmp_path):
        standing = {"ops": SinkRecord(name="ops", waiting=3, error="connection refused")}
        monkeypatch.setattr(given, "_records", lambda journal: standing)
        said = doctor("--on-prepare", "true", "--sink", "ops=log", "--sink", f"ops.file={tmp_path / 'log'}")
        assert said.status == 0
        (line,) = [line for line in said.out.splitlines() if "sink ops" in line]
        assert line == (
            "! sink ops: log; 3 waiting, 0 sent; not reached the last time: connection refused; stormcone sink test ops"
        )

    def test_a_sink_that_cannot_be_made_is_red(self, doctor):
        said = doctor("--on-prepare", "true", "--sink", "ops=webhook")
        assert said.status == 1
        assert "✗ sink ops: " in said.out


class TestTheRights:
    def test_are_told_one_by_one_with_what_to_do(self, stormcone):
        with GoogleSimulator(["web-0"], denied=["compute.instances.performMaintenance"]) as google:
            said = stormcone("doctor", "--provider", "google", "--endpoint", google.url)
        assert (said.status, said.err) == (0, "")
        assert "✓ google permission compute.instances.get: granted" in said.out
        assert (
            "! google permission compute.instances.performMaintenance: refused; "
            "grant the caller compute.instances.performMaintenance"
        ) in said.out

    def test_that_cannot_be_asked_are_neither_well_nor_ill(self):
        class Asking:
            capabilities = Capabilities(scope=Scope.REGION, poll_interval=1.0, permissions=("sqs:DeleteMessage",))

            def rights(self):
                return [Right(permission="sqs:DeleteMessage")]

        (check,) = cloud.rights("aws-queue", Asking())
        assert (check.name, check.light, check.ok) == ("aws-queue permission sqs:DeleteMessage", Light.GREY, True)
        assert check.found == "not known: cannot be asked without doing it"

    def test_of_a_queue_are_asked_for_as_far_as_that_can_be(self, stormcone, monkeypatch):
        for name, value in (("ACCESS_KEY_ID", "testid"), ("SECRET_ACCESS_KEY", "testsecret")):
            monkeypatch.setenv(f"AWS_{name}", value)
        with AwsSimulator(["i-0one"]) as aws:
            cloud = ("--provider", "aws-queue", "--endpoint", aws.url, "--region", "us-east-1")
            said = stormcone("doctor", *cloud, "--set", "queue=stormcone")
        assert (said.status, said.err) == (0, "")
        name = "aws-queue permission autoscaling:CompleteLifecycleAction"
        assert f"- {name}: not known: cannot be asked without doing it" in said.out

    def test_are_not_needed_everywhere(self, stormcone, simulator):
        said = stormcone("doctor", "--provider", "azure", "--endpoint", simulator.url)
        assert "- azure permissions: none are needed" in said.out


class TestATokenThatIsLostOnItsWay:
    def test_is_told_with_the_command_that_mends_it(self, stormcone, monkeypatch):
        monkeypatch.setattr("stormcone_aws.provider.PATIENT", Timeouts(connect=30, read=1))
        with AwsSimulator(["i-0one"], hops=1) as aws:
            said = stormcone("doctor", "--provider", "aws", "--endpoint", aws.url)
        assert said.status != 0
        assert "--http-put-response-hop-limit 2" in f"{said.out}{said.err}"


class TestTheOtherClouds:
    def test_are_no_faults_once_this_one_is_found(self, stormcone, simulator):
        said = stormcone("doctor", "--endpoint", simulator.url)
        assert said.status == 0
        assert "✓ cloud azure: this is web-0" in said.out
        assert "- cloud google: not found here: " in said.out
        assert "✗" not in said.out

    def test_are_where_none_is_found(self, stormcone, scripted):
        said = stormcone("doctor", "--endpoint", scripted.url)
        assert said.status == 69
        assert "✗ cloud azure: " in said.out
        assert "✗ cloud google: " in said.out


class TestTheCloud:
    def test_the_names_that_events_must_carry_are_told(self, stormcone, simulator):
        said = stormcone("doctor", "--provider", "azure", "--endpoint", simulator.url)
        (line,) = [line for line in said.out.splitlines() if line.startswith("✓ azure names: ")]
        assert line.startswith("✓ azure names: events are this machine's where they name web-0")

    def test_a_simulators_clock_is_its_own(self, stormcone, simulator):
        assert "azure clock" not in stormcone("doctor", "--provider", "azure", "--endpoint", simulator.url).out

    def test_colours_are_for_terminals(self, stormcone, simulator):
        assert "\x1b" not in stormcone("doctor", "--provider", "azure", "--endpoint", simulator.url).out


def test_all_events_are_those_of_one_who_watches_a_region():
    class Watcher:
        name, capabilities = "test", Capabilities(scope=Scope.REGION, poll_interval=1.0)

        def poll(self):
            return Observation()

    region = Machine(provider="test", id="region:x", name="region:x", scope=Scope.REGION)
    found = next(iter(cloud._looked_at("test", Watcher(), region, None)))
    assert (found.name, found.found) == ("test names", "all events of the region are its own")
