"""What is added to the common control API, and how this project's own provider gets on with the simulator."""

import json
import subprocess
import sys
from contextlib import closing
from datetime import timedelta

import pytest

from stormcone.clouds.contract import ProviderOptions
from stormcone.errors import ProviderError, RequestRefused, SimulationError
from stormcone.model import Approval, Impact, Outcome, Phase
from stormcone.simulators.contract import SimulatorOptions
from stormcone_alibaba.provider import AlibabaProvider
from stormcone_simulators.alibaba import AlibabaSimulator
from stormcone_simulators.alibaba.types import EVENT_TYPES

HOUR = timedelta(hours=1)


class TestMachines:
    def test_they_are_listed_and_added_by_name(self, alibaba, asking, ecs):
        made = asking(alibaba.url, "POST", "/_simulator/machines", content={"ids": ["i-new"], "tags": {"a": "b"}})
        assert (made.status, made.json) == (201, {"added": 1})
        assert asking(alibaba.url, "GET", "/_simulator/machines").json["machines"] == [
            {"id": "i-aaa", "status": "Running", "tags": {}},
            {"id": "i-bbb", "status": "Running", "tags": {}},
            {"id": "i-new", "status": "Running", "tags": {"a": "b"}},
        ]
        assert ecs.call("DescribeInstances")["TotalCount"] == 3
        assert asking(alibaba.urls()["i-new"], "GET", "/latest/meta-data/instance-id").body == b"i-new"

    def test_ten_thousand_are_added_at_once_and_each_has_its_events(self, alibaba, asking, ecs):
        asked = {"count": 10_000, "prefix": "i-many"}
        assert asking(alibaba.url, "POST", "/_simulator/machines", content=asked).status == 201
        assert ecs.call("DescribeInstances")["TotalCount"] == 10_002
        event_id = alibaba.schedule("reboot", resources=["i-many9999"])
        assert [event["EventId"] for event in ecs.history(InstanceId="i-many9999")] == [event_id]
        assert ecs.call("DescribeInstancesFullStatus", HealthStatus="Warning")["TotalCount"] == 1

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            ({}, "give either ids or count"),
            ({"ids": ["i-x"], "count": 1}, "give either ids or count"),
            ({"ids": []}, "ids: tuple should have at least 1 item"),
            ({"ids": [""]}, "ids.0: string should have at least 1 character"),
            ({"ids": ["i x"]}, "the machine 'i x' is not of the form"),
            ({"ids": ["I-AAA"]}, "two machines have the same name"),
            ({"ids": ["i-x", "i-X"]}, "two machines have the same name"),
            ({"count": 0}, "count: input should be greater than or equal to 1"),
            ({"count": 3, "prefix": "i/"}, "the machine 'i/0' is not of the form"),
        ],
    )
    def test_what_cannot_be_added_is_refused_and_nothing_is_added(self, alibaba, asking, content, why):
        answer = asking(alibaba.url, "POST", "/_simulator/machines", content=content)
        assert answer.status == 400
        assert answer.json["error"].startswith(why)
        assert len(alibaba.machines()) == 2

    def test_the_python_face_refuses_in_the_same_words(self, alibaba):
        with pytest.raises(SimulationError, match="two machines have the same name"):
            alibaba.add_machines(["i-aaa"])


class TestHowToReachIt:
    def test_its_facts_name_region_and_key(self, alibaba):
        assert alibaba.facts() == {
            "region": "cn-hangzhou",
            "access_key_id": "testid",
            "access_key_secret": "testsecret",
        }

    def test_health_and_ready_line_name_them_too(self, alibaba, asking):
        health = asking(alibaba.url, "GET", "/_simulator/health").json
        assert (health["region"], health["access_key_id"]) == ("cn-hangzhou", "testid")

    def test_a_token_is_among_them_where_there_is_one(self, alibabas):
        simulator = alibabas(access_key="id:secret:token", region="cn-beijing")
        assert simulator.facts()["security_token"] == "token"
        options = simulator.provider_options()
        assert options.region == "cn-beijing"
        assert dict(options.settings) == {
            "access-key-id": "id",
            "access-key-secret": "secret",
            "security-token": "token",
        }

    def test_the_command_line_serves_it(self):
        command = [sys.executable, "-m", "stormcone", "simulator", "alibaba", "--port", "0", "--json"]
        told = ["--region", "cn-beijing", "--machine", "i-2zeaaa", "--machine", "i-2zebbb", "--access-key", "a:b"]
        with subprocess.Popen([*command, *told], stdout=subprocess.PIPE, text=True) as process:
            ready = json.loads(process.stdout.readline())
            process.terminate()
        assert ready["ready"] is True
        assert list(ready["machines"]) == ["i-2zeaaa", "i-2zebbb"]
        assert (ready["region"], ready["access_key_id"], ready["access_key_secret"]) == ("cn-beijing", "a", "b")


@pytest.fixture
def provider(alibaba):
    """The provider on i-bbb, with what the simulator says of itself."""
    with closing(AlibabaProvider.from_options(alibaba.provider_options("i-bbb"))) as provider:
        yield provider


class TestOwnProvider:
    def test_it_knows_its_machine(self, provider):
        machine = provider.identify()
        assert (machine.id, machine.region, machine.account) == ("i-bbb", "cn-hangzhou", "1234567890123456")

    @pytest.mark.parametrize("name", EVENT_TYPES)
    def test_it_understands_every_type_as_it_was_meant(self, alibaba, provider, name):
        event_type = EVENT_TYPES[name]
        event_id = alibaba.schedule(event_type.impact, resources=["i-bbb"], native_type=name)
        (event,) = provider.poll().events
        (told,) = alibaba.events()
        assert (event.impact, event.cause) == (event_type.impact, event_type.cause)
        assert (event.native_type, event.phase) == (name, told["phase"])
        assert event.id == event_id or name.startswith("Instance:")

    def test_it_follows_an_event_to_its_end(self, alibaba, provider, clock):
        event_id = alibaba.schedule(Impact.REBOOT, resources=["i-bbb"], notice=HOUR)
        assert [event.phase for event in provider.poll().events] == [Phase.SCHEDULED]
        clock.advance(HOUR)
        assert [event.phase for event in provider.poll().events] == [Phase.STARTED]
        clock.advance(HOUR)
        assert provider.outcomes([event_id])[event_id].outcome is Outcome.COMPLETED

    def test_its_approval_is_the_owners_consent(self, alibaba, provider):
        name = "SystemMaintenance.Reboot:Inquiring"
        alibaba.schedule(Impact.REBOOT, resources=["i-bbb"], native_type=name)
        (event,) = provider.poll().events
        assert event.approval is Approval.CONSENT
        provider.approve(event)
        (told,) = alibaba.events()
        assert (told["phase"], told["approved_by"]) == ("started", ["i-bbb"])

    def test_it_makes_simulated_events_and_calls_them_off(self, alibaba, provider, clock):
        ids = provider.simulate(Impact.STOP, resources=["i-aaa", "i-bbb"], not_before=clock.now() + HOUR)
        assert [event["id"] for event in alibaba.events()] == list(ids)
        provider.cancel_simulated(ids)
        assert {event["outcome"] for event in alibaba.events()} == {"canceled"}

    def test_without_a_key_it_signs_as_the_instances_role(self, alibaba, monkeypatch, tmp_path, no_proxies):
        monkeypatch.setenv("HOME", str(tmp_path))  # where there is no profile
        for name in ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"):
            monkeypatch.delenv(name, raising=False)
        options = ProviderOptions(endpoint=alibaba.urls()["i-aaa"], clock=alibaba.clock)
        with closing(AlibabaProvider.from_options(options)) as provider:
            assert provider.poll().events == ()

    def test_a_wrong_secret_is_no_empty_schedule(self, alibaba):
        options = alibaba.provider_options()
        settings = {**options.settings, "access-key-secret": "wrong"}
        wrong = ProviderOptions(
            endpoint=options.endpoint, clock=options.clock, region=options.region, settings=settings
        )
        with closing(AlibabaProvider.from_options(wrong)) as provider, pytest.raises((ProviderError, RequestRefused)):
            provider.poll()

    def test_a_simulator_that_the_command_line_would_make_needs_nothing_said(self, clock):
        with (
            AlibabaSimulator.from_options(SimulatorOptions(clock=clock)) as simulator,
            closing(AlibabaProvider.from_options(simulator.provider_options())) as provider,
        ):
            assert provider.poll().events == ()
