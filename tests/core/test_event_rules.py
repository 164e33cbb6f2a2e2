"""Rules per impact and cause: who works on an event, and how long ahead."""

from datetime import timedelta

import pytest

from stormcone.agent.notices import NoticeKind
from stormcone.errors import HandlerMistake
from stormcone.handlers import App, EventRule, Stage
from stormcone.handlers.event_rules import ANNOUNCED
from stormcone.model import Cause, Impact

SHORT = EventRule(impacts={Impact.FREEZE}, shorter_than=timedelta(seconds=10), handlers=())
LATE = EventRule(impacts={Impact.REBOOT}, lead=timedelta(minutes=10))
AT_ONCE = EventRule(causes={Cause.PREEMPTION}, lead=ANNOUNCED)


@pytest.fixture
def ruled(worlds, tmp_path):
    """A world whose app has these three rules, and one handler that would prepare an hour ahead."""
    world = worlds(tmp_path / "journal.db", rules=(SHORT, LATE, AT_ONCE))
    world.handler("drain", (Stage.PREPARE, Stage.RECOVER))
    yield world
    world.die()


class TestAFreezeUnderTenSeconds:
    def test_has_nothing_done_for_it_and_is_not_approved(self, ruled):
        ruled.cloud.announce(impact=Impact.FREEZE, duration=timedelta(seconds=9))
        ruled.step()
        ruled.cloud.forget()
        ruled.step(hours=1)
        assert (ruled.calls, ruled.cloud.approvals, ruled.runs()) == ([], [], {})
        assert "is not approved: no handler prepared for it" in "\n".join(ruled.told(NoticeKind.DECIDED))

    def test_that_turns_out_longer_is_prepared_for(self, ruled):
        ruled.cloud.announce(impact=Impact.FREEZE, duration=timedelta(seconds=9))
        ruled.step()
        ruled.cloud.revise(duration=timedelta(seconds=30))
        ruled.step()
        assert ruled.calls == ["drain.prepare"]

    def test_that_was_longer_when_it_was_prepared_for_is_recovered_from(self, ruled):
        ruled.cloud.announce(impact=Impact.FREEZE, duration=timedelta(seconds=30))
        ruled.step()
        ruled.cloud.revise(duration=timedelta(seconds=5))
        ruled.step()
        ruled.cloud.forget()
        ruled.step(hours=1)
        assert ruled.calls == ["drain.prepare", "drain.recover"]


def test_a_reboot_is_prepared_for_when_its_rule_says(ruled):
    ruled.cloud.announce()  # in 15 minutes
    ruled.step(minutes=4)
    assert ruled.calls == []
    ruled.step(minutes=1)
    assert ruled.calls == ["drain.prepare"]


def test_a_preemption_is_prepared_for_at_once(ruled):
    ruled.cloud.announce(
        impact=Impact.TERMINATE, cause=Cause.PREEMPTION, not_before=ruled.clock.now() + timedelta(days=9)
    )
    ruled.step()
    assert ruled.calls == ["drain.prepare"]


def test_what_no_rule_is_about_is_as_the_handler_says(ruled):
    ruled.cloud.announce(impact=Impact.STOP, not_before=ruled.clock.now() + timedelta(hours=2))
    ruled.step(minutes=59)
    assert ruled.calls == []
    ruled.step(minutes=2)
    assert ruled.calls == ["drain.prepare"]


class TestARule:
    @pytest.mark.parametrize(
        ("given", "why"),
        [
            ({"impacts": {"reboot!"}}, "impacts of a rule is a set of "),
            ({"causes": set()}, "causes of a rule is empty, so it would take no event"),
            ({"lead": 600}, "lead of a rule is a timedelta, 'announced' or None, not 600"),
            ({"lead": "at once"}, "lead of a rule is a timedelta, 'announced' or None, not 'at once'"),
            ({"shorter_than": timedelta(seconds=-1)}, "shorter_than of a rule is from 0 to 365 days"),
            ({"handlers": "drain"}, "handlers of a rule is a list of handlers' names, not a text"),
        ],
    )
    def test_that_cannot_be_used_is_refused_where_it_is_made(self, given, why):
        with pytest.raises(HandlerMistake) as refused:
            EventRule(**given)
        assert str(refused.value).startswith(why)

    def test_is_one_of_an_app_and_does_not_change(self):
        app = App(rules=[LATE])
        assert app.but(leader="first").rules == (LATE,)
        with pytest.raises(
            HandlerMistake, match=r"rules cannot be set on an app that is made; say App\(\.\.\., rules=\.\.\.\)"
        ):
            app.rules = ()
        with pytest.raises(HandlerMistake, match=r"'reboot' is not a rule; write EventRule\(\.\.\.\)"):
            App(rules=["reboot"])
