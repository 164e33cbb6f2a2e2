"""Scenarios: their format, and each one's course on Azure, minute by minute."""

from datetime import timedelta

import pytest

from stormcone.errors import SimulationError
from stormcone_simulators.scenarios.format import MAX_TEXT, parse_scenario, scenario_names

S, D, F = "Scheduled", "Started", "Freeze"

# Minutes from the start, and what web-0 of two machines reads then: (type, status, resources, seconds) of each event.
COURSES = {
    "live-migration": [
        (0, [(F, S, "0", 5)]),
        (14.9, [(F, S, "0", 5)]),
        (15, [(F, D, "0", 5)]),
        (19.9, [(F, D, "0", 5)]),
        (20, []),
    ],
    "host-agent-maintenance": [(0, [(F, S, "0", 9)]), (15, [(F, D, "0", 9)]), (24.9, [(F, D, "0", 9)]), (25, [])],
    "network-update": [(0, [(F, S, "0", 0)]), (15, [(F, D, "0", 0)]), (20, [])],
    "user-reboot": [
        (0, [("Reboot", S, "0", -1)]),
        (15, [("Reboot", D, "0", -1)]),
        (24.9, [("Reboot", D, "0", -1)]),
        (25, []),
    ],
    "redeploy": [(0, [("Redeploy", S, "0", -1)]), (15, [("Redeploy", D, "0", -1)]), (25, [])],
    "user-redeploy": [(0, [("Redeploy", S, "0", -1)]), (15, [("Redeploy", D, "0", -1)]), (25, [])],
    "canceled-maintenance": [(0, [("Reboot", S, "0", -1)]), (7.9, [("Reboot", S, "0", -1)]), (8, []), (60, [])],
    "spot-eviction": [(0, [("Preempt", S, "0", -1)]), (0.5, [("Preempt", D, "0", -1)]), (1.5, [])],
    "terminate": [(0, [("Terminate", S, "0", -1)]), (5, [("Terminate", D, "0", -1)]), (6, [])],
    "hardware-failure": [(0, [("Reboot", D, "0", -1)]), (9.9, [("Reboot", D, "0", -1)]), (10, [])],
    "degraded-hardware": [
        (0, [("Redeploy", S, "0", -1)]),
        (7 * 24 * 60 - 1, [("Redeploy", S, "0", -1)]),
        (7 * 24 * 60, [("Redeploy", D, "0", -1)]),
        (7 * 24 * 60 + 10, []),
    ],
    "second-impact": [(0, [(F, S, "0", 5)]), (15, [(F, D, "0", 5)]), (18, [(F, D, "0", 2)]), (25, [])],
    "fault-domains": [
        (0, [("Reboot", S, "0", -1)]),
        (15, [("Reboot", D, "0", -1)]),
        (25, [("Reboot", S, "1", -1)]),
        (40, [("Reboot", D, "1", -1)]),
        (50, []),
    ],
}
REFUSED = {"host-stop": "stop", "performance-impact": "degraded", "subscription-expiry": "stop"}


@pytest.fixture
def play(azure, tmp_path):
    """Plays the text of a scenario."""

    def play_text(text):
        path = tmp_path / "x.toml"
        path.write_text(text)
        azure.play(path)

    return play_text


def seen(machine):
    return [
        (
            event["EventType"],
            event["EventStatus"],
            "".join(name[-1] for name in event["Resources"]),
            event["DurationInSeconds"],
        )
        for event in machine.events
    ]


class TestCourses:
    def test_every_scenario_has_its_course_here(self):
        assert set(COURSES) | set(REFUSED) == set(scenario_names())

    @pytest.mark.parametrize("name", COURSES)
    def test_a_scenario_takes_its_course(self, azure, machine, clock, name):
        azure.play(name)
        start = clock.now()
        for minute, expected in COURSES[name]:
            clock.advance(start + timedelta(minutes=minute) - clock.now())
            assert (minute, seen(machine)) == (minute, expected)

    @pytest.mark.parametrize("name", COURSES)
    def test_one_long_jump_ends_where_small_steps_end(self, azures, clock, name):
        simulator = azures()
        simulator.play(name)
        clock.advance(timedelta(days=30))
        jumped = [{**event, "id": None} for event in simulator.events()]
        stepped_simulator = azures(clock=type(clock)())
        stepped_simulator.play(name)
        for minute, _ in COURSES[name]:
            stepped_simulator.clock.advance(max(0.0, minute * 60 - stepped_simulator.clock.monotonic()))
            stepped_simulator.events()
        assert [{**event, "id": None} for event in stepped_simulator.events()] == jumped

    @pytest.mark.parametrize(
        ("name", "source"), [("user-reboot", "User"), ("user-redeploy", "User"), ("redeploy", "Platform")]
    )
    def test_users_events_say_so(self, azure, machine, name, source):
        azure.play(name)
        assert machine.event["EventSource"] == source

    @pytest.mark.parametrize(("name", "impact"), REFUSED.items())
    def test_what_azure_does_not_have_is_refused_before_it_begins(self, azure, clock, name, impact):
        with pytest.raises(SimulationError, match=f"{name}.toml, line 3: step 1: Azure has no event .* {impact};"):
            azure.play(name)
        clock.advance(timedelta(days=30))
        assert azure.events() == []

    def test_a_cancelled_event_is_cancelled(self, azure, clock):
        azure.play("canceled-maintenance")
        clock.advance(minutes=8)
        assert azure.events()[0]["outcome"] == "canceled"

    def test_what_was_approved_before_is_not_called_off_any_more(self, azure, machine, clock):
        azure.play("canceled-maintenance")
        machine.approve(machine.event["EventId"])
        clock.advance(minutes=8)
        assert machine.event["EventStatus"] == "Started"
        clock.advance(minutes=2)
        assert azure.events()[0]["outcome"] == "completed"

    def test_fault_domains_divide_however_many_machines_there_are(self, azures, clock):
        simulator = azures(("a", "b", "c", "d", "e"))
        simulator.play("fault-domains")
        clock.advance(minutes=25)
        assert [event["resources"] for event in simulator.events()] == [["a", "c", "e"], ["b", "d"]]

    def test_too_few_machines_are_told_at_once_and_nothing_happens(self, azures, clock):
        simulator = azures(("alone", "other@elsewhere"))
        with pytest.raises(SimulationError, match="needs 2 machines in one group, and there are 1; add more"):
            simulator.play("fault-domains")
        clock.advance(minutes=60)
        assert simulator.events() == []

    def test_two_scenarios_can_be_played_at_once(self, azure, machine, clock):
        azure.play("live-migration")
        clock.advance(minutes=10)
        azure.play("user-reboot")
        clock.advance(minutes=5)
        assert [status for _, status, _, _ in seen(machine)] == [D, S]

    def test_an_unknown_scenario_is_refused_with_those_that_there_are(self, azure):
        with pytest.raises(SimulationError, match="there is no scenario 'x'; there are: canceled-maintenance, "):
            azure.play("x")
        assert azure.scenarios() == scenario_names()

    def test_what_a_cloud_cannot_do_is_told_before_the_first_step(self, azure, play):
        script = """
            title = "x"
            [[step]]
            at = "0s"
            do = "schedule"
            impact = "reboot"
            [[step]]
            at = "1m"
            do = "schedule"
            event = "second"
            impact = "stop"
            """
        with pytest.raises(SimulationError, match=r"x.toml, line 7: step 2: Azure has no event with the impact stop"):
            play(script)
        assert azure.events() == []


STEP = 'title = "x"\n[[step]]\nat = "0s"\ndo = "schedule"\nimpact = "reboot"\n'


class TestFormat:
    def test_all_that_a_step_can_say(self, azure, clock, play):
        script = (
            STEP
            + """
            event = "a"
            cause = "user"
            native_type = "Reboot"
            resources = [1, 0]
            notice = "2h"
            duration = "90s"
            started_for = "1d"
            description = "words"
            [[step]]
            at = "1m"
            do = "change"
            event = "a"
            notice = "5m"
            resources = "all"
            description = "other words"
            [[step]]
            at = "2m"
            do = "start"
            event = "a"
            [[step]]
            at = "3m"
            do = "complete"
            event = "a"
            outcome = "failed"
            """
        )
        play(script)
        (event,) = azure.events()
        assert (event["resources"], event["not_before"]) == (["web-1", "web-0"], "2026-01-01T02:00:00Z")
        assert (event["duration_seconds"], event["started_for_seconds"]) == (90.0, 86400.0)
        clock.advance(60)
        (event,) = azure.events()
        assert (event["resources"], event["not_before"]) == (["web-0", "web-1"], "2026-01-01T00:06:00Z")
        assert event["description"] == "other words"
        clock.advance(60)
        assert azure.events()[0]["started_at"] == "2026-01-01T00:02:00Z"
        clock.advance(60)
        assert azure.events()[0]["outcome"] == "failed"

    def test_a_step_goes_before_what_an_event_does_by_itself_at_the_same_moment(self, azure, clock, play):
        ending = '[[step]]\nat = "25m"\ndo = "complete"\noutcome = "failed"'
        play(STEP + 'notice = "15m"\nstarted_for = "10m"\n' + ending)
        clock.advance(hours=1)
        assert azure.events()[0]["outcome"] == "failed"

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("", ": title: field required"),
            ("title = ", ", line 1: this is not TOML: Invalid value"),
            ('title = "x"\ntitle = "y"\n[[step]]', ", line 2: this is not TOML: Cannot overwrite a value"),
            ('title = "x"\nnumber = ' + "1" * 5000, ", line 2: this is not TOML: Exceeds the limit"),
            (
                "title = " + "[" * 5000,
                ", line 1: it is nested more than 32 deep; take levels out",
            ),
            ('title = "x"\n' + "#" * MAX_TEXT, ": a scenario has at most 262144 bytes; split it"),
            ('{"title": "x",\n "step": [}', ", line 2: this is not JSON: "),
            ('{"title": "x",\n "step": [7]}', ": step 1: input should be a valid dictionary"),
            ('title = "x"\n\nstep = []', ", line 3: step: "),
            ('colour = "red"\n' + STEP, ", line 1: colour: extra inputs"),
            (
                STEP + 'colour = "red"',
                ", line 6: step 1: colour: a step that does 'schedule' has no such key; it has at, ",
            ),
            (STEP.replace("reboot", "boom"), ", line 5: step 1: impact: input should be 'none'"),
            (STEP.replace("0s", "soon"), ", line 3: step 1: at: 'soon' is not a length of time"),
            (STEP.replace('"0s"', "0"), ", line 3: step 1: at: 0 is not a length of time"),
            (
                STEP.replace("0s", "999999999d"),
                ", line 3: step 1: at: 999999999d is too long; ten years is the most",
            ),
            (
                STEP.replace("schedule", "explode"),
                ", line 4: step 1: do: a step cannot do 'explode'; it can do schedule, ",
            ),
            (STEP.replace('do = "schedule"', ""), ", line 2: step 1: it does not say what to do; write do = one of "),
            (STEP.replace('impact = "reboot"', ""), ", line 2: step 1: impact: field required"),
            (STEP + 'outcome = "failed"', ", line 6: step 1: outcome: a step that does 'schedule' has no such key"),
            (STEP + 'resources = "some"', ', line 6: step 1: resources: machines are "first", "all", names such as'),
            (STEP + "resources = [-1]", ", line 6: step 1: resources: machines are"),
            (STEP + 'resources = [1, "web-0"]', ", line 6: step 1: resources: machines are"),
            (STEP + "resources = []", ", line 6: step 1: resources: machines are"),
            (STEP + "resources = { domain = 0 }", ", line 6: step 1: resources: machines are"),
            (STEP + STEP.replace('title = "x"', ""), ", line 7: step 2: event: the event 'event' is scheduled twice"),
            (
                STEP + '[[step]]\nat = "1s"\ndo = "cancel"\nevent = "{b}"',
                ", line 9: step 2: event: the event '{b}' is not scheduled before",
            ),
            (
                STEP.replace("0s", "9s") + '[[step]]\nat = "1s"\ndo = "cancel"',
                ", line 7: step 2: at: the steps are not in order of time",
            ),
            (
                STEP + '[[step]]\nat = "1s"\ndo = "fault"\n[step.fault]\ntimes = 1\nstatus = 5',
                ", line 11: step 2: fault: status: input should be greater than or equal to 200",
            ),
            (
                STEP + '[[step]]\nat = "1s"\ndo = "fault"\nfault = {}',
                ", line 9: step 2: fault: it says nothing to do; give status, body, delay_seconds or kind",
            ),
            (
                STEP + '[[step]]\nat = "1s"\ndo = "clock"\nspeed = 0',
                ", line 9: step 2: speed: input should be greater than 0",
            ),
        ],
    )
    def test_a_bad_file_is_refused_with_its_name_the_line_the_step_and_the_key(self, text, why):
        with pytest.raises(SimulationError) as caught:
            parse_scenario(text, "bad.toml")
        assert str(caught.value).startswith(f"bad.toml{why}")
