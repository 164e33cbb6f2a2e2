"""What a user writes: both faces of a handler, what it takes, and what an app refuses."""

import logging
from datetime import timedelta

import pytest

from stormcone.handlers import ANY_IMPACT, App, Handler, Stage
from stormcone.model import Cause, Impact


class LoadBalancer(Handler):
    def prepare(self, event, context): ...

    def recover(self, event, context): ...


class TestAHandler:
    def test_has_the_stages_that_it_overrides(self):
        assert [stage for stage in Stage if LoadBalancer().has(stage)] == [Stage.PREPARE, Stage.RECOVER]

    def test_has_those_of_its_base_too(self):
        class Special(LoadBalancer):
            async def started(self, event, context): ...

        assert all(Special().has(stage) for stage in Stage)

    def test_is_called_by_its_class_unless_it_has_a_name(self):
        class Named(Handler):
            name = "drain"

        assert (LoadBalancer().label, Named().label) == ("LoadBalancer", "drain")

    def test_does_nothing_by_itself(self, event):
        bare = Handler()
        assert not any(bare.has(stage) for stage in Stage)
        assert [getattr(bare, stage)(event(), None) for stage in Stage] == [None, None, None]


class TestAHandlerTakes:
    @pytest.mark.parametrize("impact", Impact)
    def test_every_impact_but_none(self, event, impact):
        assert LoadBalancer().takes(event(impact=impact)) is (impact is not Impact.NONE)

    @pytest.mark.parametrize(
        ("settings", "changes", "taken"),
        [
            ({"impacts": {Impact.REBOOT}}, {}, True),
            ({"impacts": {Impact.FREEZE}}, {}, False),
            ({"impacts": ["reboot"]}, {}, True),
            ({"impacts": {Impact.NONE}}, {"impact": "none"}, True),
            ({"causes": {Cause.USER}}, {"cause": "user"}, True),
            ({"causes": {Cause.USER}}, {}, False),
            ({"when": lambda event: event.description == "x"}, {"description": "x"}, True),
            ({"when": lambda event: event.description == "x"}, {}, False),
            ({"when": lambda _: True, "impacts": {Impact.FREEZE}}, {}, False),
        ],
    )
    def test_what_it_selects(self, event, settings, changes, taken):
        app = App()
        app.prepare(**settings)(lambda _event, _context: None)
        assert bool(app.taking(event(**changes))) is taken

    def test_an_event_at_which_its_predicate_fails(self, event, caplog):
        class Broken(Handler):
            def when(self, event):
                raise ZeroDivisionError

        with caplog.at_level(logging.ERROR):
            assert Broken().takes(event())
        assert "Broken.when failed for event E-1" in caplog.text


class TestADecorator:
    @pytest.mark.parametrize("stage", Stage)
    def test_without_arguments_makes_a_handler_of_one_stage(self, event, stage):
        app = App()

        def work(event, _context):
            return event.id

        assert getattr(app, stage)(work) is work
        (handler,) = app.handlers
        assert [each for each in Stage if handler.has(each)] == [stage]
        assert (handler.label, handler.impacts) == ("work", ANY_IMPACT)
        assert getattr(handler, stage)(event(), None) == "E-1"

    @pytest.mark.parametrize("stage", Stage)
    def test_with_arguments_sets_what_a_class_would(self, stage):
        app = App()
        settings = {
            "name": "drain",
            "impacts": {Impact.FREEZE},
            "causes": {Cause.USER},
            "lead": timedelta(minutes=5),
            "timeout": timedelta(minutes=1),
            "retries": 2,
        }

        async def work(event, context): ...

        assert getattr(app, stage)(**settings)(work) is work
        (handler,) = app.handlers
        assert {name: getattr(handler, name) for name in settings} == settings

    def test_keeps_the_order_of_the_file(self):
        app = App([LoadBalancer()])

        @app.prepare
        def second(event, context): ...

        @app.recover()
        def third(event, context): ...

        assert [handler.label for handler in app.handlers] == ["LoadBalancer", "second", "third"]

    def test_refuses_two_functions_of_one_name(self):
        app = App()
        app.prepare(lambda _event, _context: None)
        with pytest.raises(ValueError, match="two handlers are called '<lambda>'"):
            app.recover(lambda _event, _context: None)


class TestAnApp:
    def test_refuses_two_handlers_of_one_name(self):
        with pytest.raises(ValueError, match="two handlers are called 'LoadBalancer'; set `name`"):
            App([LoadBalancer(), LoadBalancer()])

    def test_refuses_a_class_and_says_what_to_write(self):
        with pytest.raises(TypeError, match=r"write LoadBalancer\(\)"):
            App([LoadBalancer])

    def test_refuses_what_is_no_handler(self):
        with pytest.raises(TypeError, match=r"'drain' is not a Handler$"):
            App(["drain"])

    @pytest.mark.parametrize("approve", ["always", None, True])
    def test_refuses_an_unknown_policy(self, approve):
        with pytest.raises(ValueError, match="approve is 'prepared', 'never' or a function"):
            App(approve=approve)

    @pytest.mark.parametrize(
        ("setting", "value", "error"),
        [
            ("timeout", 30, TypeError),
            ("lead", "5m", TypeError),
            ("lead", timedelta(seconds=-1), ValueError),
            ("timeout", timedelta.max, ValueError),
            ("retries", -1, ValueError),
            ("retries", "3", ValueError),
            ("impacts", "reboot", ValueError),
            ("impacts", Impact.REBOOT, ValueError),
            ("impacts", {"rebot"}, ValueError),
            ("impacts", (), ValueError),
            ("impacts", (impact for impact in Impact), ValueError),
            ("impacts", iter([Impact.REBOOT]), TypeError),
            ("causes", {Impact.REBOOT}, ValueError),
        ],
    )
    def test_refuses_a_setting_that_would_fail_in_the_middle_of_an_event(self, setting, value, error):
        with pytest.raises(error, match=f"^{setting} of 'work' is "):
            App().prepare(**{setting: value, "name": "work"})(lambda _event, _context: None)

    def test_finds_its_handlers_by_name(self):
        handler = LoadBalancer()
        assert (App([handler]).handler("LoadBalancer"), App().handler("LoadBalancer")) == (handler, None)
