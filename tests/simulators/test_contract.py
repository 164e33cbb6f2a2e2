"""What every simulator does alike, whatever its cloud; a cloud's peculiarities stand in its row of the table."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from stormcone.clock import ManualClock
from stormcone.errors import SettingsError, SimulationError
from stormcone.model import Impact
from stormcone.plugins import SIMULATORS, load_plugins, simulator_class
from stormcone.simulator import Simulator, SimulatorOptions


@dataclass(frozen=True)
class Cloud:
    """One cloud's row.

    Attributes:
        name: the plug-in's name.
        machines: two machines.
        lacks: an impact that it has no event for.
        scenario: one that it can play.
        client_path: a request of a client.
    """

    name: str
    machines: tuple[str, str]
    lacks: Impact
    scenario: str
    client_path: str


CLOUDS = [
    Cloud(
        name="azure",
        machines=("web-0", "web-1"),
        lacks=Impact.STOP,
        scenario="user-reboot",
        client_path="/metadata/scheduledevents?api-version=2020-07-01",
    ),
    Cloud(
        name="alibaba",
        machines=("i-aaa", "i-bbb"),
        lacks=Impact.FREEZE,
        scenario="redeploy",
        client_path="/latest/meta-data/instance-id",
    ),
]


@pytest.fixture(params=CLOUDS, ids=lambda cloud: cloud.name)
def cloud(request):
    return request.param


@pytest.fixture
def simulator(cloud, clock):
    made = simulator_class(cloud.name).from_options(SimulatorOptions(machines=cloud.machines, clock=clock))
    with made:
        yield made


@pytest.fixture
def reboot(simulator, cloud) -> Callable[..., str]:
    return lambda **order: simulator.schedule(Impact.REBOOT, resources=[cloud.machines[0]], **order)


def phases(simulator):
    return [event["phase"] for event in simulator.events()]


def test_every_installed_simulator_is_in_the_table():
    assert set(load_plugins(SIMULATORS).found) == {cloud.name for cloud in CLOUDS}


class TestFace:
    def test_it_has_the_face_of_a_simulator(self, simulator, cloud):
        assert isinstance(simulator, Simulator)
        assert simulator.name == cloud.name
        assert simulator.url.startswith("http://127.0.0.1:")
        assert list(simulator.urls()) == list(cloud.machines)
        assert all(isinstance(value, str) for value in simulator.facts().values())

    def test_its_settings_are_data_and_their_defaults_can_be_given(self, cloud):
        simulator = simulator_class(cloud.name)
        given = {
            setting.name: "false" if setting.default is None else setting.default for setting in simulator.settings
        }
        simulator.from_options(SimulatorOptions(machines=cloud.machines, settings=given)).close()
        assert all(setting.help.endswith(".") for setting in simulator.settings)

    def test_an_unknown_setting_is_refused(self, cloud):
        with pytest.raises(SettingsError, match="has no setting 'colour'"):
            simulator_class(cloud.name).from_options(SimulatorOptions(settings={"colour": "red"}))

    def test_two_can_run_at_once_and_know_nothing_of_each_other(self, simulator, cloud, reboot):
        with simulator_class(cloud.name).from_options(SimulatorOptions(clock=ManualClock())) as other:
            reboot()
            assert simulator.url != other.url
            assert other.events() == []


class TestEvents:
    def test_an_event_is_announced_starts_and_ends_by_the_clock(self, simulator, reboot, clock):
        event_id = reboot(notice=timedelta(minutes=5), started_for=timedelta(minutes=1))
        assert [event["id"] for event in simulator.events()] == [event_id]
        assert phases(simulator) == ["scheduled"]
        clock.advance(minutes=5)
        assert phases(simulator) == ["started"]
        clock.advance(minutes=1)
        assert phases(simulator) == ["ended"]
        assert simulator.events()[0]["outcome"] == "completed"

    def test_an_event_can_be_started_and_ended_by_hand(self, simulator, reboot):
        event_id = reboot()
        simulator.start(event_id)
        assert phases(simulator) == ["started"]
        simulator.complete(event_id)
        assert phases(simulator) == ["ended"]

    def test_an_event_that_is_called_off_does_not_start(self, simulator, reboot, clock):
        event_id = reboot(notice=timedelta(minutes=5))
        simulator.cancel(event_id)
        clock.advance(hours=1)
        (event,) = simulator.events()
        assert (event["outcome"], event["started_at"]) == ("canceled", None)

    def test_a_moved_event_starts_at_its_new_time(self, simulator, reboot, clock):
        event_id = reboot(notice=timedelta(minutes=5))
        simulator.change(event_id, not_before=clock.now() + timedelta(hours=1))
        clock.advance(minutes=59)
        assert phases(simulator) == ["scheduled"]
        clock.advance(minutes=1)
        assert phases(simulator) == ["started"]

    def test_every_event_says_the_same_things(self, simulator, reboot):
        reboot()
        assert set(simulator.events()[0]) >= {
            "id",
            "phase",
            "outcome",
            "impact",
            "cause",
            "native_type",
            "resources",
            "not_before",
            "duration_seconds",
            "description",
            "approved_by",
        }

    def test_what_ended_cannot_be_touched_any_more(self, simulator, reboot):
        event_id = reboot()
        simulator.complete(event_id)
        for touch in (simulator.start, simulator.cancel, simulator.complete):
            with pytest.raises(SimulationError, match=event_id):
                touch(event_id)
        with pytest.raises(SimulationError, match=event_id):
            simulator.change(event_id, description="x")

    def test_of_the_ended_events_only_the_last_ones_are_kept(self, simulator, reboot, monkeypatch):
        monkeypatch.setattr("stormcone_simulators.events._KEPT", 2)
        lasting, *ended = [reboot() for _ in range(4)]
        for event_id in ended:
            simulator.complete(event_id)
        assert [event["id"] for event in simulator.events()] == [lasting, *ended[1:]]

    def test_an_impact_that_the_cloud_lacks_is_refused_by_name(self, simulator, cloud):
        with pytest.raises(SimulationError, match=cloud.lacks.value):
            simulator.schedule(cloud.lacks, resources=[cloud.machines[0]])

    def test_an_unknown_machine_is_refused_by_name(self, simulator):
        with pytest.raises(SimulationError, match="'nobody'"):
            simulator.schedule(Impact.REBOOT, resources=["nobody"])

    def test_an_unknown_event_is_refused_by_id(self, simulator):
        with pytest.raises(SimulationError, match="there is no event 'x'"):
            simulator.cancel("x")


class TestControl:
    def test_the_control_api_does_what_the_python_face_does(self, simulator, cloud, asking):
        order = {"impact": "reboot", "resources": [cloud.machines[0]], "notice_seconds": 60}
        made = asking(simulator.url, "POST", "/_simulator/events", content=order)
        assert made.status == 201
        event_id = made.json["id"]
        assert asking(simulator.url, "GET", "/_simulator/events").json["events"] == simulator.events()
        assert asking(simulator.url, "POST", f"/_simulator/events/{event_id}/start").status == 204
        assert asking(simulator.url, "POST", f"/_simulator/events/{event_id}/complete").status == 204
        assert phases(simulator) == ["ended"]

    def test_health_names_the_simulator(self, simulator, cloud, asking):
        assert asking(simulator.url, "GET", "/_simulator/health").json["simulator"] == cloud.name

    def test_a_client_is_logged_and_faulted(self, simulator, cloud, asking):
        simulator.faults.add(status=503, times=1)
        url = simulator.urls()[cloud.machines[1]]
        assert asking(url, "GET", cloud.client_path, headers={"Metadata": "true"}).status == 503
        assert asking(url, "GET", cloud.client_path, headers={"Metadata": "true"}).status == 200
        assert [(request["machine"], request["status"]) for request in simulator.requests()] == [
            (cloud.machines[1], 503),
            (cloud.machines[1], 200),
        ]


class TestScenarios:
    def test_a_scenario_is_played(self, simulator, cloud, clock):
        assert cloud.scenario in simulator.scenarios()
        simulator.play(cloud.scenario)
        assert len(simulator.events()) == 1
        clock.advance(hours=1)
        assert phases(simulator) == ["ended"]

    def test_every_scenario_is_played_or_refused_before_it_begins(self, simulator, clock):
        for name in simulator.scenarios():
            before = len(simulator.events())
            try:
                simulator.play(name)
            except SimulationError:
                assert len(simulator.events()) == before
        clock.advance(timedelta(days=30))
        assert set(phases(simulator)) == {"ended"}
