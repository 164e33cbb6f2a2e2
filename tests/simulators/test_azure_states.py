"""Whatever happens in whatever order, what Azure's machines see holds together."""

import json
from datetime import timedelta
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from stormcone.clock import ManualClock
from stormcone.errors import SimulationError
from stormcone.model import Impact
from stormcone_simulators.azure import AzureSimulator
from stormcone_simulators.http.messages import Request

MACHINES = ("a@one", "b@one", "c@two", "d@gpu", "e@gpu")
GROUPS = {"one": ("a", "b"), "two": ("c",), "gpu": ("d", "e")}
ORDER = {"scheduled": 0, "started": 1, "ended": 2}
TARGET = "/metadata/scheduledevents?api-version=2020-07-01"

impacts = st.sampled_from([Impact.FREEZE, Impact.REBOOT, Impact.REDEPLOY, Impact.TERMINATE])
spans = st.integers(0, 3000).map(lambda seconds: timedelta(seconds=seconds))
resources = st.sampled_from(sorted(GROUPS)).flatmap(
    lambda group: st.lists(st.sampled_from(GROUPS[group]), min_size=1, unique=True)
)


class AzureStates(RuleBasedStateMachine):
    events = Bundle("events")

    @initialize(shared=st.booleans())
    def begin(self, shared):
        self.clock = ManualClock()
        self.simulator = AzureSimulator(MACHINES, clock=self.clock, shared_hardware=shared, isolated_groups=["gpu"])
        self.seen = {}
        self.phases = {}

    def document(self, name, method="GET", body=b""):
        simulator = self.simulator
        machine, path = simulator._machines.route(f"/machines/{name}/metadata/scheduledevents", "")
        with simulator._settled() as now:
            request = Request(method, TARGET, {"metadata": "true"}, body)
            return simulator._wire.answer(request, path, machine, now)

    @rule(target=events, impact=impacts, resources=resources, notice=st.none() | spans, stay=st.none() | spans)
    def schedule(self, impact, resources, notice, stay):
        return self.simulator.schedule(impact, resources=resources, notice=notice, started_for=stay)

    @rule(event_id=events, move=st.sampled_from(["cancel", "start", "complete"]))
    def move(self, event_id, move):
        before = self.simulator.events()
        try:
            getattr(self.simulator, move)(event_id)
        except SimulationError:
            assert self.simulator.events() == before

    @rule(event_id=events, notice=st.none() | spans, resources=st.none() | resources, words=st.none() | st.just("new"))
    def change(self, event_id, notice, resources, words):
        before = self.simulator.events()
        try:
            self.simulator.change(event_id, notice=notice, resources=resources, description=words)
        except SimulationError:
            assert self.simulator.events() == before

    @rule(event_id=events, name=st.sampled_from("abcde"))
    def approve(self, event_id, name):
        visible = [event["EventId"] for event in self.listed(name)]
        body = f'{{"StartRequests": [{{"EventId": "{event_id}"}}]}}'.encode()
        answer = self.document(name, "POST", body)
        assert answer.status == (200 if event_id in visible else 400)

    @rule(span=spans)
    def advance(self, span):
        self.clock.advance(span)

    def listed(self, name):
        return json.loads(self.document(name).body)["Events"]

    def concerning(self, name):
        """All that is known of the events that the machine may see, but for what the service does not show."""
        group = next(names for names in GROUPS.values() if name in names)
        shown_to = (name,) if "d" in group else group
        return [
            {**event, "approved_by": None}
            for event in self.simulator.events()
            if set(event["resources"]) & set(shown_to)
        ]

    @invariant()
    def the_incarnation_changes_if_and_only_if_the_view_does(self):
        for name in "abcde":
            document, concerning = json.loads(self.document(name).body), self.concerning(name)
            if name in self.seen:
                before, concerned = self.seen[name]
                steps = document["DocumentIncarnation"] - before["DocumentIncarnation"]
                assert steps >= 0
                if document["Events"] != before["Events"]:
                    assert steps > 0
                if concerning == concerned:
                    assert steps == 0
            self.seen[name] = document, concerning

    @invariant()
    def phases_only_move_forward_and_ids_stay(self):
        for event in self.simulator.events():
            assert str(UUID(event["id"])).upper() == event["id"]
            order = ORDER[event["phase"]]
            assert order >= self.phases.get(event["id"], 0)
            self.phases[event["id"]] = order
            assert (event["outcome"] is None) == (event["phase"] != "ended")
        assert set(self.phases) == {event["id"] for event in self.simulator.events()}

    @invariant()
    def times_are_in_order(self):
        for event in self.simulator.events():
            times = [event[key] for key in ("created_at", "started_at", "ended_at") if event[key] is not None]
            assert times == sorted(times)

    @invariant()
    def everybody_sees_what_concerns_them_and_nothing_else(self):
        live = [event for event in self.simulator.events() if event["phase"] != "ended"]
        for group, names in GROUPS.items():
            for name in names:
                expected = [
                    event["id"]
                    for event in live
                    if (name in event["resources"] if group == "gpu" else set(event["resources"]) & set(names))
                ]
                assert [event["EventId"] for event in self.listed(name)] == expected

    @invariant()
    def not_before_is_empty_exactly_once_started(self):
        for name in "abcde":
            for event in self.listed(name):
                assert (event["NotBefore"] == "") == (event["EventStatus"] == "Started")


TestAzureStates = AzureStates.TestCase
TestAzureStates.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
