"""What tests and the command line rely on in every simulator, whatever its cloud."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from stormcone.clock import ManualClock
from stormcone.errors import SettingsError, SimulationError
from stormcone.plugins import simulator_class
from stormcone.simulators.contract import Simulator, SimulatorOptions
from stormcone.testing.conformance.clouds import Cloud, CloudSuite, ServerAnswer, ask

EVENT_FIELDS = frozenset(
    {
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
        "created_at",
        "started_at",
        "ended_at",
    }
)
"""What every event says, in `events()` and in the control API alike."""


class SimulatorSuite(CloudSuite):
    """Every simulator: its face, its events by its clock, its control API, faults, scenarios."""

    @pytest.fixture
    def announce(self, simulator: Simulator, subject: Cloud) -> Callable[..., str]:
        """Announces an event of the first machine, in five minutes."""

        def announce(**order: Any) -> str:
            order = {"resources": subject.machines[:1], "notice": timedelta(minutes=5), **order}
            return simulator.schedule(subject.impact, **order)

        return announce

    @pytest.fixture
    def client(self, simulator: Simulator, subject: Cloud) -> Callable[[str], ServerAnswer]:
        """A request such as the cloud's clients make, from a machine."""
        return lambda machine: ask(
            simulator.urls()[machine], "GET", subject.client_path, headers=subject.client_headers
        )

    # its face

    def test_it_has_the_face_of_a_simulator(self, simulator: Simulator, subject: Cloud) -> None:
        """A simulator is a plug-in with the face of `Simulator`, on loopback, with an address for each machine.

        Source: design, "Simulators".
        """
        assert isinstance(simulator, Simulator)
        assert simulator.name == subject.name
        assert simulator.url.startswith("http://127.0.0.1:")
        assert list(simulator.urls()) == list(subject.machines)
        assert all(isinstance(value, str) for value in simulator.facts().values())

    def test_its_settings_are_data_and_their_defaults_can_be_given(self, subject: Cloud) -> None:
        """A simulator's own options are declared, so that the command line can make options of them.

        Source: `Setting`.
        """
        simulator = simulator_class(subject.name)
        given = {
            setting.name: "false" if setting.default is None else setting.default for setting in simulator.settings
        }
        simulator.from_options(SimulatorOptions(machines=subject.machines, settings=given)).close()
        assert all(setting.help.endswith(".") for setting in simulator.settings)

    def test_an_unknown_setting_is_refused(self, subject: Cloud) -> None:
        """A misspelt option is an error that names it.

        Source: `Simulator.from_options`, SettingsError.
        """
        with pytest.raises(SettingsError, match="has no setting 'colour'"):
            simulator_class(subject.name).from_options(SimulatorOptions(settings={"colour": "red"}))

    def test_two_can_run_at_once_and_know_nothing_of_each_other(
        self, simulator: Simulator, subject: Cloud, announce: Callable[..., str]
    ) -> None:
        """No state is global, so that tests can run side by side.

        Source: design, "Simulators".
        """
        with simulator_class(subject.name).from_options(SimulatorOptions(clock=ManualClock())) as other:
            announce()
            assert simulator.url != other.url
            assert other.events() == []

    def test_it_may_be_closed_twice_and_answers_no_more(self, simulator: Simulator) -> None:
        """`close` lets go of the port, and is safe to call twice.

        Source: `Simulator.close`.
        """
        url = simulator.url
        simulator.close()
        simulator.close()
        with pytest.raises(OSError, match=r"."):
            ask(url, "GET", "/_simulator/health")

    # its events

    def test_an_event_is_announced_starts_and_ends_by_the_clock(
        self, simulator: Simulator, announce: Callable[..., str], clock: ManualClock
    ) -> None:
        """Events move by the simulator's clock alone, and keep their id from first sight to the end.

        Source: design, "Simulators": ids are stable.
        """
        event_id = announce(notice=timedelta(minutes=5), started_for=timedelta(minutes=1))
        phases = [self._phases(simulator)]
        for minutes in (5, 1):
            clock.advance(minutes=minutes)
            phases.append(self._phases(simulator))
        assert phases == [["scheduled"], ["started"], ["ended"]]
        (event,) = simulator.events()
        assert (event["id"], event["outcome"]) == (event_id, "completed")

    def test_a_clock_that_jumps_passes_through_every_state(
        self, simulator: Simulator, announce: Callable[..., str], clock: ManualClock
    ) -> None:
        """However far the clock jumps, an event starts and ends at its own times.

        Source: design, "Simulators".
        """
        announce(notice=timedelta(minutes=5), started_for=timedelta(minutes=1))
        begun = clock.now()
        clock.advance(hours=5)
        (event,) = simulator.events()
        assert (event["started_at"], event["ended_at"]) == tuple(
            (begun + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z") for minutes in (5, 6)
        )

    def test_an_event_can_be_started_and_ended_by_hand(
        self, simulator: Simulator, announce: Callable[..., str]
    ) -> None:
        """A test need not wait for a time.

        Source: `Simulator.start`, `Simulator.complete`.
        """
        event_id = announce()
        simulator.start(event_id)
        assert self._phases(simulator) == ["started"]
        simulator.complete(event_id)
        assert self._phases(simulator) == ["ended"]

    def test_an_event_that_is_called_off_does_not_start(
        self, simulator: Simulator, announce: Callable[..., str], clock: ManualClock
    ) -> None:
        """What is called off has no impact.

        Source: `Simulator.cancel`.
        """
        event_id = announce(notice=timedelta(minutes=5))
        simulator.cancel(event_id)
        clock.advance(hours=1)
        (event,) = simulator.events()
        assert (event["outcome"], event["started_at"]) == ("canceled", None)

    def test_a_moved_event_starts_at_its_new_time(
        self, simulator: Simulator, announce: Callable[..., str], clock: ManualClock
    ) -> None:
        """A new time takes the place of the old one.

        Source: `Simulator.change`.
        """
        event_id = announce(notice=timedelta(minutes=5))
        simulator.change(event_id, not_before=clock.now() + timedelta(hours=1))
        clock.advance(minutes=59)
        assert self._phases(simulator) == ["scheduled"]
        clock.advance(minutes=1)
        assert self._phases(simulator) == ["started"]

    def test_every_event_says_the_same_things(self, simulator: Simulator, announce: Callable[..., str]) -> None:
        """Whoever drives simulators of several clouds reads the same fields from all of them.

        Source: design, the table of the control API.
        """
        announce()
        assert set(simulator.events()[0]) >= EVENT_FIELDS

    def test_what_ended_cannot_be_touched_any_more(self, simulator: Simulator, announce: Callable[..., str]) -> None:
        """An end is final, and the refusal names the event.

        Source: design, "The life of an event".
        """
        event_id = announce()
        simulator.complete(event_id)
        for touch in (simulator.start, simulator.cancel, simulator.complete):
            with pytest.raises(SimulationError, match=event_id):
                touch(event_id)
        with pytest.raises(SimulationError, match=event_id):
            simulator.change(event_id, description="x")

    def test_an_impact_that_the_cloud_lacks_is_refused_by_name(self, simulator: Simulator, subject: Cloud) -> None:
        """A simulator does not make up events that the real cloud does not have.

        Source: `Simulator.schedule`, SimulationError.
        """
        if subject.lacks is None:
            pytest.skip("this cloud has an event for every impact")
        with pytest.raises(SimulationError, match=subject.lacks.value):
            simulator.schedule(subject.lacks, resources=subject.machines[:1])

    def test_an_unknown_machine_is_refused_by_name(self, simulator: Simulator, subject: Cloud) -> None:
        """A misspelt machine is an error and not an event that nobody sees.

        Source: `Simulator.schedule`, SimulationError.
        """
        with pytest.raises(SimulationError, match="'nobody'"):
            simulator.schedule(subject.impact, resources=["nobody"])

    def test_an_unknown_event_is_refused_by_id(self, simulator: Simulator) -> None:
        """A misspelt id is an error that names it.

        Source: `Simulator.cancel`, SimulationError.
        """
        with pytest.raises(SimulationError, match="there is no event 'x'"):
            simulator.cancel("x")

    # its control API

    def test_the_control_api_does_what_the_python_face_does(self, simulator: Simulator, subject: Cloud) -> None:
        """Tests in any language can drive it.

        Source: design, the table of the control API.
        """
        order = {"impact": subject.impact.value, "resources": [subject.machines[0]], "notice_seconds": 60}
        made = ask(simulator.url, "POST", "/_simulator/events", order)
        assert made.status == 201
        event_id = made.json["id"]
        assert ask(simulator.url, "GET", "/_simulator/events").json["events"] == simulator.events()
        assert ask(simulator.url, "POST", f"/_simulator/events/{event_id}/start").status == 204
        assert ask(simulator.url, "POST", f"/_simulator/events/{event_id}/complete").status == 204
        assert self._phases(simulator) == ["ended"]

    def test_the_clock_can_be_moved_from_outside(self, simulator: Simulator, clock: ManualClock) -> None:
        """A program in another language moves time as a Python test does.

        Source: design, the table of the control API.
        """
        before = clock.now()
        assert ask(simulator.url, "POST", "/_simulator/clock", {"advance_seconds": 900}).status == 200
        assert clock.now() - before == timedelta(minutes=15)

    def test_health_names_the_simulator(self, simulator: Simulator, subject: Cloud) -> None:
        """`GET /_simulator/health` answers 200 once it is ready, and says what it is.

        Source: design, the table of the control API.
        """
        health = ask(simulator.url, "GET", "/_simulator/health")
        assert (health.status, health.json["simulator"]) == (200, subject.name)

    # its clients

    def test_a_client_is_logged_and_faulted(
        self, simulator: Simulator, subject: Cloud, client: Callable[[str], ServerAnswer]
    ) -> None:
        """Every request is logged with the machine that asked, and a fault takes as many answers as it says.

        Source: design, the table of the control API.
        """
        machine = subject.machines[1]
        simulator.faults.add(status=503, times=1)
        assert [client(machine).status, client(machine).status] == [503, 200]
        assert [(asked["machine"], asked["status"]) for asked in simulator.requests()] == [
            (machine, 503),
            (machine, 200),
        ]

    def test_a_fault_may_be_for_one_machine_and_be_taken_away(
        self, simulator: Simulator, subject: Cloud, client: Callable[[str], ServerAnswer]
    ) -> None:
        """A fault is for whom it says, until it is cleared.

        Source: design, "Simulators".
        """
        first, second = subject.machines
        simulator.faults.add(status=500, machine=second)
        assert [client(first).status, client(second).status] == [200, 500]
        simulator.faults.clear()
        assert client(second).status == 200

    def test_a_fault_that_says_nothing_is_refused(self, simulator: Simulator) -> None:
        """A misspelt fault is an error and not one that never happens.

        Source: `Faults.add`, SimulationError.
        """
        with pytest.raises(SimulationError, match="fault"):
            simulator.faults.add(kind="no-such-kind")

    def test_its_own_provider_reaches_it(self, simulator: Simulator, subject: Cloud) -> None:
        """`provider_options` is all that a provider needs, as any of the machines.

        Source: `Simulator.provider_options`.
        """
        assert simulator.provider_options().endpoint
        assert simulator.provider_options(subject.machines[1]).clock is simulator.clock
        with pytest.raises(SimulationError, match="'nobody'"):
            simulator.provider_options("nobody")

    # its scenarios

    def test_a_scenario_is_played(self, simulator: Simulator, subject: Cloud, clock: ManualClock) -> None:
        """A script of events happens by the clock, to its end.

        Source: design, "Simulators".
        """
        assert subject.scenario in simulator.scenarios()
        simulator.play(subject.scenario)
        assert len(simulator.events()) == 1
        clock.advance(hours=1)
        assert self._phases(simulator) == ["ended"]

    def test_every_scenario_is_played_or_refused_before_it_begins(
        self, simulator: Simulator, clock: ManualClock
    ) -> None:
        """What a cloud cannot do is said at once and not half way through.

        Source: `Simulator.play`, SimulationError.
        """
        for name in simulator.scenarios():
            before = len(simulator.events())
            try:
                simulator.play(name)
            except SimulationError:
                assert len(simulator.events()) == before
        clock.advance(timedelta(days=30))
        assert set(self._phases(simulator)) == {"ended"}

    def _phases(self, simulator: Simulator) -> list[str]:
        return [event["phase"] for event in simulator.events()]
