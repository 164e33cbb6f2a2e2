"""Scenarios by chance: legal on their cloud, the same for the same seed, and small once they have shrunk."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, find, given, settings

from stormcone.clock import ManualClock
from stormcone.errors import SimulationError
from stormcone.simulators.contract import SimulatorOptions
from stormcone_simulators.alibaba import AlibabaSimulator
from stormcone_simulators.azure import AzureSimulator
from stormcone_simulators.scenarios.format import STEPS, parse_scenario, scenario_text
from stormcone_simulators.scenarios.random import random_scenario, scenarios

SEEDS = range(200)


@pytest.fixture(params=[AzureSimulator, AlibabaSimulator])
def cloud(request):
    return request.param


def time_line(cloud, scenario):
    """How the scenario's events go by on a simulator of the cloud, without their ids."""
    clock = ManualClock()
    simulator = cloud.from_options(SimulatorOptions(machines=("a", "b"), clock=clock))
    try:
        simulator.play(scenario)
        clock.advance(timedelta(days=40))
        return [{**event, "id": None} for event in simulator.events()], simulator.faults.list()
    finally:
        simulator.close()


class TestSeeds:
    def test_every_seed_plays_and_has_one_time_line(self, cloud):
        kinds = set()
        for seed in SEEDS:
            scenario = random_scenario(cloud, seed, 20)
            assert len(scenario.step) == 20
            kinds |= {step.do for step in scenario.step}
            again = parse_scenario(scenario_text(random_scenario(cloud, seed, 20)), "again.toml")
            assert time_line(cloud, scenario) == time_line(cloud, again)
        assert kinds == set(STEPS)

    def test_another_seed_makes_another_scenario(self, cloud):
        assert len({scenario_text(random_scenario(cloud, seed, 5)).partition("\n")[2] for seed in SEEDS}) > 190

    def test_the_numbers_of_a_seed_do_not_change(self):
        first, second, *_ = random_scenario("azure", 7, 3).step
        assert (first.do, first.impact, first.at) == ("schedule", "terminate", timedelta(0))
        assert (second.do, second.impact, second.at) == ("schedule", "reboot", timedelta(minutes=10))

    @pytest.mark.parametrize("steps", [0, -1, 1001])
    def test_a_number_of_steps_that_cannot_be_is_refused(self, cloud, steps):
        with pytest.raises(SimulationError, match=f"a scenario has 1 to 1000 steps, not {steps}"):
            random_scenario(cloud, 0, steps)

    def test_the_longest_can_be_written_and_read(self, cloud):
        scenario = random_scenario(cloud, 1, 1000)
        assert parse_scenario(scenario_text(scenario), "long.toml").step == scenario.step


class TestTheStrategy:
    @settings(max_examples=30, deadline=None)
    @given(scenario=scenarios("azure"))
    def test_draws_what_azure_plays(self, scenario):
        time_line(AzureSimulator, scenario)

    @settings(max_examples=30, deadline=None)
    @given(scenario=scenarios("alibaba"))
    def test_draws_what_alibaba_plays(self, scenario):
        time_line(AlibabaSimulator, scenario)

    def test_shrinks_a_planted_failure_to_the_steps_that_matter(self, cloud):
        def fails(scenario):
            events, _ = time_line(cloud, scenario)
            return any(event["outcome"] == "canceled" for event in events)

        small = find(
            scenarios(cloud, max_steps=6),
            fails,
            settings=settings(max_examples=1000, deadline=None, database=None, suppress_health_check=list(HealthCheck)),
        )
        assert [(step.at, step.do) for step in small.step] == [
            (timedelta(0), "schedule"),
            (timedelta(0), "cancel"),
        ]
        assert set(small.step[0].model_fields_set) == {"at", "do", "event", "impact", "resources", "cause"}

    def test_makes_no_more_steps_than_asked_for(self):
        longest = find(scenarios("azure", max_steps=3), lambda scenario: len(scenario.step) == 3)
        assert len(longest.step) == 3
