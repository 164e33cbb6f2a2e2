"""A production incident becomes a test: what was recorded is lived through again, by any client of the protocol."""

import json
from datetime import timedelta

import pytest
import requests

from stormcone import Impact
from stormcone.errors import ProviderError, SimulationError, TraceError
from stormcone.model import Outcome
from stormcone.plugins import provider_class
from stormcone.recording import Recorder, read_trace
from stormcone_simulators.azure import AzureReplay
from stormcone_simulators.scenarios.format import scenario_names

HOUR = timedelta(hours=1)
EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"


def record(lab, path, director, length=HOUR / 2, cloud="azure", **app):
    """Record an agent's time with what the director makes of it; answers the trace and the agent."""
    agent = lab.watch(lab.simulator(cloud), **app)
    agent.start(path)
    director(agent.simulator)
    agent.run(length)
    return path, agent


@pytest.fixture
def recorded(archive):
    """The same, once for each director."""

    def once(director, **app):
        return archive((director, *app.items()), lambda lab, path: record(lab, path, director, **app))

    return once


def a_reboot(cloud):
    cloud.schedule(Impact.REBOOT, resources=["web_18"], notice=timedelta(minutes=15))


def get(replay, path=EVENTS, **headers):
    with requests.Session() as session:
        session.trust_env = False
        return session.get(replay.url + path, headers={"Metadata": "true", **headers}, timeout=30)


def approve(replay, *event_ids):
    with requests.Session() as session:
        session.trust_env = False
        body = json.dumps({"StartRequests": [{"EventId": event_id} for event_id in event_ids]})
        return session.post(replay.url + EVENTS, data=body, headers={"Metadata": "true"}, timeout=30).status_code


class TestAnAgentOnTheReplay:
    @pytest.mark.parametrize("cloud", ["azure", "alibaba"])
    @pytest.mark.parametrize("scenario", scenario_names())
    def test_lives_through_the_same_history(self, scenario, cloud, lab, replay, watch):
        try:
            path, first = record(lab, lab.path("yaml"), lambda simulator: simulator.play(scenario), HOUR, cloud)
        except SimulationError as error:
            pytest.skip(f"not on this cloud: {error}")
        again = watch(replay(path, cloud=cloud))
        again.start()
        begun = again.clock.now()
        again.run(HOUR)
        assert again.history(begun) == first.history(read_trace(path).header.begun)
        assert first.history(begun), "the scenario has shown no event"
        assert again.simulator.differences() == []

    @pytest.mark.parametrize("approve", ["prepared", "never"])
    def test_sees_times_of_its_own_day(self, approve, recorded, replay, watch):
        path, first = recorded(a_reboot, approve=approve)
        again = watch(replay(path), approve=approve)
        again.start()
        begun = again.clock.now()
        again.run(HOUR / 2)
        (then,), (now,) = first.journal.episodes(), again.journal.episodes()
        noticed = [
            record.event.not_before - at
            for journal, episode, at in (
                (first.journal, then, read_trace(path).header.begun),
                (again.journal, now, begun),
            )
            for record in journal.changes(episode.id)[:1]
        ]
        assert abs(noticed[0] - noticed[1]) < timedelta(seconds=1)
        assert now.event.id == then.event.id

    def test_lives_through_an_outage_as_well(self, recorded, replay):
        def outage(cloud):
            cloud.faults.add(status=503, times=6, path="/metadata/scheduledevents")

        path, _ = recorded(outage)
        cloud = replay(path)
        provider = provider_class("azure").from_options(cloud.provider_options())
        with pytest.raises(ProviderError, match="503"):
            provider.poll()
        cloud.clock.advance(300)
        assert provider.poll().events == ()
        provider.close()

    def test_meets_what_got_no_answer_as_a_passing_fault(self, recorded, replay):
        path, _ = recorded(lambda cloud: cloud.faults.add(kind="reset", times=2, path="/metadata/scheduledevents"))
        assert [entry.exchange.fault for entry in read_trace(path).entries if entry.exchange.fault]
        assert get(replay(path)).status_code == 504


class TestTheReplay:
    def test_begins_with_the_first_request_of_a_client(self, recorded, replay):
        path, _ = recorded(a_reboot, approve="never")
        cloud = replay(path)
        cloud.clock.advance(7200)
        assert [event["phase"] for event in cloud.events()] == ["scheduled"]
        assert get(cloud).json()["Events"][0]["EventStatus"] == "Scheduled"
        cloud.clock.advance(15 * 60 + 10)
        assert get(cloud).json()["Events"][0]["EventStatus"] == "Started"
        cloud.clock.advance(10 * 60)
        assert get(cloud).json()["Events"] == []

    def test_keeps_showing_the_end_after_the_end(self, recorded, replay):
        path, _ = recorded(a_reboot)
        cloud = replay(path)
        get(cloud)
        cloud.clock.advance(cloud.length.total_seconds() + 86400)
        assert get(cloud).json()["Events"] == []

    def test_shows_the_same_bytes_as_long_as_nothing_changes(self, recorded, replay):
        path, _ = recorded(a_reboot, approve="never")
        cloud = replay(path)
        bodies = set()
        for _ in range(20):
            bodies.add(get(cloud).content)
            cloud.clock.advance(1.37)
        assert len(bodies) == 1

    def test_lists_events_as_every_simulator_does(self, recorded, replay):
        path, first = recorded(a_reboot)
        cloud = replay(path)
        get(cloud)
        cloud.clock.advance(3600)
        (event,) = cloud.events()
        (known,) = first.simulator.events()
        same = ("id", "impact", "cause", "native_type", "resources", "phase", "outcome", "duration_seconds")
        assert {name: event[name] for name in same} == {name: known[name] for name in same}
        assert event["ended_at"].startswith("2027-06-05T04:")

    def test_honours_if_none_match_as_was_recorded(self, simulator, watch, replay, tmp_path):
        cloud = simulator(etag="true")
        agent = watch(cloud)
        agent.start(tmp_path / "trace.yaml")
        a_reboot(cloud)
        agent.run(HOUR / 4)
        again = replay(tmp_path / "trace.yaml")
        etag = get(again).headers["ETag"]
        assert get(again, **{"If-None-Match": etag}).status_code == 304
        assert get(again).status_code == 200

    @pytest.mark.parametrize(
        "move",
        [
            lambda cloud: cloud.schedule(Impact.REBOOT, resources=["web_18"]),
            lambda cloud: cloud.change("X", notice=HOUR),
            lambda cloud: cloud.cancel("X"),
            lambda cloud: cloud.start("X"),
            lambda cloud: cloud.complete("X", Outcome.COMPLETED),
            lambda cloud: cloud.play("user-reboot"),
        ],
        ids=["schedule", "change", "cancel", "start", "complete", "play"],
    )
    def test_lets_nobody_make_or_move_events(self, recorded, replay, move):
        path, _ = recorded(a_reboot)
        with pytest.raises(SimulationError, match="a replay shows what was recorded"):
            move(replay(path))

    def test_takes_faults_like_every_simulator(self, recorded, replay):
        path, _ = recorded(a_reboot)
        cloud = replay(path)
        cloud.faults.add(status=410, times=1)
        assert [get(cloud).status_code, get(cloud).status_code] == [410, 200]

    def test_wants_the_header_that_the_cloud_wants(self, recorded, replay):
        path, _ = recorded(a_reboot)
        assert get(replay(path), Metadata="false").status_code == 400

    def test_serves_several_machines_each_with_its_own_trace(self, recorded, simulator, watch, replay, tmp_path):
        one, _ = recorded(a_reboot, approve="never")
        cloud = simulator(machines=("db_0",))
        agent = watch(cloud)
        agent.start(tmp_path / "db.yaml")
        agent.run(timedelta(minutes=2))
        both = replay(one, tmp_path / "db.yaml")
        listed = {name: requests_of(url) for name, url in both.urls().items()}
        assert {name: len(events) for name, events in listed.items()} == {"web_18": 1, "db_0": 0}


def requests_of(url):
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url + EVENTS, headers={"Metadata": "true"}, timeout=30).json()["Events"]


class TestDifferences:
    @pytest.fixture
    def cloud(self, recorded, replay):
        path, first = recorded(a_reboot)
        cloud = replay(path)
        cloud.event = first.journal.episodes()[0].event.id
        return cloud

    def kinds(self, cloud):
        return [difference["kind"] for difference in cloud.differences()]

    def test_an_approval_at_its_time_is_none(self, cloud):
        get(cloud)
        assert approve(cloud, cloud.event) == 200
        assert cloud.differences() == []
        cloud.clock.advance(3600)
        assert cloud.differences() == []

    def test_an_approval_that_does_not_come_is_missing_once_its_time_has_passed(self, cloud):
        get(cloud)
        assert cloud.differences() == []
        cloud.clock.advance(60)
        (difference,) = cloud.differences()
        assert (difference["kind"], difference["machine"]) == ("approval_missing", "web_18")
        assert cloud.event in difference["text"]

    def test_an_approval_that_comes_later_is_late(self, cloud):
        get(cloud)
        cloud.clock.advance(300)
        assert approve(cloud, cloud.event) == 200
        assert self.kinds(cloud) == ["approval_late"]
        assert "5 min later" in cloud.differences()[0]["text"]

    def test_an_approval_that_comes_sooner_is_early(self, simulator, watch, replay, tmp_path):
        cloud = simulator()
        agent = watch(cloud, approve="never")
        agent.start(tmp_path / "trace.yaml")
        a_reboot(cloud)
        agent.run(timedelta(minutes=5))
        (episode,) = agent.journal.episodes()
        recorder = Recorder(
            tmp_path / "late.yaml", provider="azure", begun=read_trace(tmp_path / "trace.yaml").header.begun
        )
        for entry in read_trace(tmp_path / "trace.yaml").entries:
            recorder.record(entry.exchange)
        trace = provider_class("azure").trace
        (told,) = trace.approval(agent.agent.machine, episode.event, 200, recorder._saved_at + timedelta(minutes=4))
        recorder.record(told)
        recorder.close()
        again = replay(tmp_path / "late.yaml")
        get(again)
        assert approve(again, episode.event.id) == 200
        assert self.kinds(again) == ["approval_early"]

    def test_an_approval_again_is_additional_and_answered_as_the_last(self, cloud):
        get(cloud)
        assert [approve(cloud, cloud.event), approve(cloud, cloud.event.lower())] == [200, 200]
        assert self.kinds(cloud) == ["approval_additional"]

    def test_an_approval_that_was_not_recorded_gets_the_usual_answer(self, recorded, replay):
        path, first = recorded(a_reboot, approve="never")
        cloud = replay(path)
        event = first.journal.episodes()[0].event.id
        assert [approve(cloud, event), approve(cloud, "0" * 36)] == [200, 400]
        assert self.kinds(cloud) == ["approval_additional"] * 2
        cloud.clock.advance(3600)
        assert approve(cloud, event) == 400, "it is no longer listed by then"

    def test_a_refusal_is_answered_as_recorded(self, simulator, watch, replay, tmp_path):
        cloud = simulator()
        agent = watch(cloud)
        agent.start(tmp_path / "trace.yaml")
        cloud.faults.add(status=400, times=1, method="POST")
        a_reboot(cloud)
        agent.run(HOUR / 4)
        again = replay(tmp_path / "trace.yaml")
        get(again)
        assert approve(again, agent.journal.episodes()[0].event.id) == 400
        again.clock.advance(600)
        assert self.kinds(again) == []

    def test_another_version_is_told_once_with_both_and_answered_all_the_same(self, cloud):
        for _ in range(3):
            assert get(cloud, "/metadata/scheduledevents?api-version=2019-01-01").json()["Events"]
        (difference,) = cloud.differences()
        assert (difference["kind"], difference["count"]) == ("asked_otherwise", 3)
        assert "api-version is '2019-01-01' and was '2020-07-01'" in difference["text"]

    @pytest.mark.parametrize("path", ["/metadata/instance/network?api-version=2021-02-01", "/elsewhere"])
    def test_what_was_never_asked_is_not_found(self, cloud, path):
        assert get(cloud, path).status_code == 404
        assert self.kinds(cloud) == ["not_recorded"]

    def test_the_control_api_lists_them(self, cloud):
        get(cloud, "/elsewhere")
        assert get(cloud, "/_simulator/differences").json() == {"differences": cloud.differences()}


class TestWhatCannotBeReplayed:
    def test_is_a_trace_of_another_cloud(self, exchange, tmp_path):
        with Recorder(tmp_path / "trace.yaml", provider="elsewhere", begun=exchange().at) as recorder:
            recorder.record(exchange())
        with pytest.raises(TraceError, match="a trace of elsewhere cannot be replayed by the simulator of azure"):
            AzureReplay(read_trace(tmp_path / "trace.yaml"))

    def test_is_a_trace_without_an_exchange(self, exchange, tmp_path):
        Recorder(tmp_path / "trace.yaml", provider="azure", begun=exchange().at).close()
        with pytest.raises(TraceError, match="holds no exchange"):
            AzureReplay(read_trace(tmp_path / "trace.yaml"))

    def test_is_nothing(self):
        with pytest.raises(TraceError, match="needs a trace"):
            AzureReplay()

    def test_is_two_traces_of_one_machine(self, recorded):
        path, _ = recorded(a_reboot)
        trace = read_trace(path)
        with pytest.raises(TraceError, match="two of the traces are of one machine"):
            AzureReplay(trace, trace)
