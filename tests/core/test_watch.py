"""What one provider has told, until the loop takes it in."""

from collections import deque
from types import SimpleNamespace

import pytest

from stormcone.agent.poller import PollResult
from stormcone.agent.reporter import Reporter
from stormcone.agent.watch import Watch
from stormcone.clock import ManualClock
from stormcone.errors import ProviderError
from stormcone.model import Capabilities, EventKey, Observation, Outcome, Scope


class Asked:
    """A provider that tells what it is given, and how often the loop was woken for that."""

    name = "azure"
    capabilities = Capabilities(scope=Scope.MACHINE, poll_interval=1.0)

    def __init__(self):
        self.answers = deque()
        self.woken = 0
        clock = ManualClock()
        self.reporter = Reporter(clock, None)
        self.watch = Watch(self, clock, None, None, None, self.wake)
        self.watch._poller = SimpleNamespace(ask=self.answers.popleft, soon=lambda: None)

    def wake(self):
        self.woken += 1

    def tells(self, answer):
        """The provider is asked; answers whether the loop was woken for it."""
        before = self.woken
        self.answers.append(answer)
        self.watch.ask()
        return self.woken > before

    def takes_in(self):
        answer = self.watch.answer
        if answer.observation is None:
            self.watch.could_not_ask(answer.error, self.reporter, placed=True)
        else:
            self.watch.could_ask(self.reporter, placed=True)
        self.watch.taken(answer)


@pytest.fixture
def asked():
    return Asked()


@pytest.fixture
def same(asked):
    """An answer that the loop has taken in."""
    answer = PollResult(Observation())
    asked.tells(answer)
    asked.takes_in()
    return answer


class TestTheLoopIsWoken:
    def test_for_the_first_answer(self, asked):
        assert asked.tells(PollResult(Observation()))

    def test_not_for_what_it_has_taken_in_already(self, asked, same):
        assert not asked.tells(same)

    def test_for_the_same_again_while_that_is_not_taken_in(self, asked):
        answer = PollResult(Observation())
        assert asked.tells(answer)
        assert asked.tells(answer)

    def test_for_another_answer(self, asked, same):
        assert asked.tells(PollResult(Observation(version="2")))

    def test_for_the_same_where_somebody_has_asked_for_a_poll(self, asked, same):
        asked.watch.soon()
        assert asked.tells(same)
        asked.takes_in()
        assert not asked.tells(same)

    def test_for_an_error_each_time(self, asked, same):
        failed = PollResult(error=ProviderError("it sleeps"))
        assert asked.tells(failed)
        asked.takes_in()
        assert asked.tells(failed)

    def test_for_the_same_answer_after_an_error(self, asked, same):
        asked.tells(PollResult(error=ProviderError("it sleeps")))
        asked.takes_in()
        assert asked.tells(same)

    @pytest.mark.parametrize(
        "more",
        [
            {"verdicts": {EventKey("azure", "e-1"): Outcome.CANCELED}},
            {"ends_error": ProviderError("it sleeps")},
        ],
    )
    def test_for_the_same_events_with_a_word_on_how_others_ended(self, asked, same, more):
        assert asked.tells(PollResult(same.observation, **more))

    def test_for_messages(self, asked):
        answer = PollResult(Observation(receipt=("m-1",)))
        asked.tells(answer)
        asked.takes_in()
        assert asked.tells(answer)


class TestAnAnswer:
    def test_that_comes_while_the_one_before_is_taken_in_stays(self, asked):
        first, second = PollResult(Observation(version="1")), PollResult(Observation(version="2"))
        asked.tells(first)
        asked.tells(second)
        asked.watch.taken(first)
        assert asked.watch.answer is second

    def test_is_counted_also_where_nobody_was_woken_for_it(self, asked, same):
        asked.tells(same)
        asked.tells(same)
        asked.takes_in()
        assert asked.watch.status.polls == 3

    def test_with_messages_is_not_asked_over_while_the_one_before_is_taken_in(self, asked):
        first, messages = PollResult(Observation()), PollResult(Observation(receipt=("m-1",)))
        asked.tells(first)
        asked.tells(messages)
        asked.watch.taken(first)
        assert not asked.watch._taken.is_set()
        asked.watch.taken(messages)
        assert asked.watch._taken.is_set()
