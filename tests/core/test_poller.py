"""Asking the cloud: how often, and what is made of its answers."""

import threading
from dataclasses import replace

import pytest

from stormcone.agent.pace import Pace
from stormcone.agent.poller import Poller
from stormcone.clock import ManualClock
from stormcone.errors import ProviderError
from stormcone.model import Capabilities, Observation, Outcome, Scope
from stormcone.rules.sharding import Part


class Impatient(ManualClock):
    """Writes down each wait and ends it at once, with its time passed."""

    def __init__(self):
        super().__init__()
        self.waits = []

    def wait(self, wake: threading.Event, seconds: float | None) -> None:
        self.waits.append(seconds)
        self.advance(seconds=seconds)


def poller(cloud, clock, going_on=dict, interval=1.0):
    return Poller(cloud, clock, Pace(cloud, interval), going_on)


@pytest.fixture
def cloud(world):
    return world.cloud


def pauses(cloud, interval=1.0, polls=None):
    """The pauses between the given number of polls, by default one more than there are faults."""
    clock = Impatient()
    polls = polls or len(cloud.poll_faults) + 1
    asking = poller(cloud, clock, interval=interval)

    def post(_answer):
        if cloud.polls > polls:
            asking.stop()

    asking.run(post)
    return clock.waits


class TestThePause:
    def test_is_the_interval(self, cloud):
        assert pauses(cloud, polls=3) == [1.0, 1.0, 1.0]

    def test_counts_from_the_beginning_of_a_poll(self, cloud):
        clock = Impatient()
        asking = poller(cloud, clock)
        seconds = iter([0.25, 5.0])

        def slow(_answer):
            taken = next(seconds, None)
            if taken is None:
                asking.stop()
            else:
                clock.advance(taken)

        asking.run(slow)
        assert clock.waits == [0.75, 0.0]

    def test_grows_with_failures_and_shrinks_with_success(self, cloud):
        cloud.capabilities = replace(cloud.capabilities, shortest_notice=300)
        cloud.poll_faults.extend(ProviderError("no") for _ in range(6))
        assert pauses(cloud) == [1, 2, 4, 8, 10, 10, 1]

    def test_grows_no_longer_than_a_quarter_of_the_shortest_notice(self, cloud):
        """50 s of pause are too long where a spot instance has 120 s of notice."""
        cloud.capabilities = replace(cloud.capabilities, shortest_notice=120)
        cloud.poll_faults.extend(ProviderError("no") for _ in range(5))
        assert pauses(cloud, interval=5) == [5, 10, 20, 30, 30, 5]

    def test_is_at_most_a_minute_and_never_less_than_the_interval(self, cloud):
        cloud.capabilities = replace(cloud.capabilities, shortest_notice=900)
        cloud.poll_faults.extend(ProviderError("no") for _ in range(3))
        assert pauses(cloud, interval=40) == [40, 60, 60, 40]
        cloud.polls = 0
        cloud.poll_faults.append(ProviderError("no"))
        assert pauses(cloud, interval=300) == [300, 300]

    def test_is_as_long_as_the_cloud_asks(self, cloud):
        cloud.poll_faults.extend([ProviderError("busy", retry_after=12), ProviderError("busy", retry_after=0.5)])
        assert pauses(cloud) == [12, 2, 1]

    def test_is_never_so_long_that_the_shortest_notice_is_missed(self, cloud):
        """A 503 with `Retry-After: 3600` does not blind the agent for an hour."""
        cloud.poll_faults.append(ProviderError("busy", retry_after=3600))
        assert pauses(cloud) == [15, 1]

    def test_does_not_come_after_the_end(self, cloud):
        clock = Impatient()
        asking = poller(cloud, clock)
        asking.run(lambda _answer: asking.stop())
        assert (clock.waits, cloud.polls) == ([], 1)

    def test_is_cut_short_where_there_may_be_news(self, cloud):
        clock = ManualClock()
        asking = poller(cloud, clock)
        polled = threading.Semaphore(0)
        thread = threading.Thread(target=asking.run, args=(lambda _answer: polled.release(),))
        thread.start()
        assert polled.acquire(timeout=10)
        while not clock._waiters:
            pass
        asking.soon()
        assert polled.acquire(timeout=10)
        asking.stop()
        thread.join(10)
        assert not thread.is_alive()


class TestAPart:
    """Of a region that several agents share, each takes the events of its part."""

    @pytest.fixture
    def parts(self, cloud):
        return [Poller(cloud, ManualClock(), Pace(cloud, 1.0), dict, Part(number, 4)) for number in range(1, 5)]

    def test_each_event_is_taken_by_one_and_the_listing_is_whole_for_all(self, cloud, parts):
        for number in range(12):
            cloud.announce(id=f"E-{number}", resources=(f"i-{number}",))
        seen = [asking.ask().observation for asking in parts]
        assert sorted(event.id for each in seen for event in each.events) == sorted(cloud.listed)
        assert all(each.events for each in seen)
        assert all(each.whole for each in seen)

    def test_the_same_observation_is_the_same_answer(self, cloud, parts):
        cloud.announce()
        seen = cloud.poll()
        cloud.poll = lambda: seen
        assert parts[0].ask().observation is parts[0].ask().observation


class TestAnAnswer:
    def test_waits_for_nobody_to_say_which_machine_this_is(self, cloud):
        cloud.identify = None
        assert poller(cloud, ManualClock()).ask().observation == Observation(whole=frozenset({"test"}))

    def test_is_an_error_where_the_events_could_not_be_asked(self, cloud):
        cloud.poll_faults.append(ProviderError("no"))
        answer = poller(cloud, ManualClock()).ask()
        assert (answer.observation, str(answer.error)) == (None, "no")

    @pytest.mark.parametrize("error", [KeyError("x"), ZeroDivisionError(), RecursionError("deep")])
    def test_is_an_error_whatever_the_provider_raises(self, cloud, error):
        cloud.poll_faults.append(error)
        answer = poller(cloud, ManualClock()).ask()
        assert isinstance(answer.error, ProviderError)
        assert str(answer.error).startswith(f"the provider test failed: {type(error).__name__}")


class TestVerdicts:
    @pytest.fixture(autouse=True)
    def reports(self, cloud):
        cloud.capabilities = Capabilities(scope=Scope.MACHINE, poll_interval=1.0, reports_outcome=True)

    def known(self, *going_on):
        return {event.key: event.but(listing="test") for event in going_on}

    def ask(self, cloud, *going_on):
        return poller(cloud, ManualClock(), lambda: self.known(*going_on)).ask().verdicts

    def test_are_asked_for_what_has_gone(self, cloud, event):
        cloud.known_outcomes = {"GONE": Outcome.AVOIDED}
        here, gone, lost = event(id="here"), event(id="GONE"), event(id="lost")
        cloud.announce(id="HERE")
        assert self.ask(cloud, here, gone, lost) == {gone.key: Outcome.AVOIDED, lost.key: None}

    def test_are_asked_for_by_ids_as_the_cloud_spells_them(self, cloud, event):
        asked = []
        cloud.outcomes = lambda ids: asked.extend(ids) or {}
        self.ask(cloud, event(id="E-Upper_7"))
        assert asked == ["E-Upper_7"]

    def test_are_not_asked_for_where_nothing_has_gone(self, cloud, event):
        cloud.outcomes = None
        cloud.announce()
        assert self.ask(cloud, event()) == {}

    def test_are_not_asked_for_where_the_answer_has_gaps(self, cloud, event):
        cloud.outcomes = None
        cloud.complete = False
        assert self.ask(cloud, event()) == {}

    def test_are_not_asked_for_where_another_list_was_read(self, cloud, event):
        cloud.outcomes = None
        elsewhere = event(listing="test/spot")
        assert poller(cloud, ManualClock(), lambda: {elsewhere.key: elsewhere}).ask().verdicts == {}

    def test_that_cannot_be_had_are_a_problem_and_no_end(self, cloud, event):
        def outcomes(_ids):
            raise ProviderError("no outcomes")

        cloud.outcomes = outcomes
        answer = poller(cloud, ManualClock(), lambda: self.known(event())).ask()
        assert (answer.error, answer.verdicts) == (None, {})
        assert answer.observation.problems == ("how 1 event(s) ended could not be asked: no outcomes",)

    def test_that_cannot_be_had_are_asked_for_again_when_the_cloud_wishes(self, cloud, event):
        clock = Impatient()

        def outcomes(_ids):
            asking.stop() if clock.waits else None
            raise ProviderError("asked too often", retry_after=9)

        cloud.outcomes = outcomes
        asking = poller(cloud, clock, lambda: self.known(event()))
        asking.run(lambda _answer: None)
        assert clock.waits == [9]

    def test_are_none_where_the_cloud_reports_no_outcomes(self, cloud, event):
        cloud.capabilities = Capabilities(scope=Scope.MACHINE, poll_interval=1.0)
        assert self.ask(cloud, event()) is None
