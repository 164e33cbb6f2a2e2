"""What a configuration makes: handlers of commands in the file's order, rules, and an app that works by them."""

import json
from datetime import timedelta

import pytest

from stormcone.config.build import app_of, settings_of
from stormcone.errors import SettingsError
from stormcone.handlers import USUAL_LEAD, Stage
from stormcone.model import Cause, Impact, MaintenanceEvent


@pytest.fixture
def app(configuration):
    return lambda text="", **given: app_of(configuration(text, **given))


@pytest.fixture
def refused(configuration):
    def refuse(text, **given):
        with pytest.raises(SettingsError) as error:
            app_of(configuration(text, **given))
        return str(error.value)

    return refuse


def an_event(**given) -> MaintenanceEvent:
    usual = {"id": "e", "provider": "azure", "impact": "reboot", "cause": "maintenance", "phase": "scheduled"}
    return MaintenanceEvent(**{**usual, "resources": ("web-0",), **given})


DRAIN = '[commands.drain]\nprepare = "true"\n'


class TestCommands:
    def test_are_handlers_with_all_that_a_handler_says(self, app):
        (handler,) = app(
            """
            [commands.drain]
            prepare = ["true", "a b"]
            recover = "true 'a b'"
            impacts = ["reboot", "redeploy"]
            causes = ["maintenance"]
            tentative = true
            lead = "10m"
            timeout = "2m"
            retries = 3
            """
        ).handlers
        assert handler.label == "drain"
        assert [stage for stage in Stage if handler.has(stage)] == [Stage.PREPARE, Stage.RECOVER]
        assert (handler.impacts, handler.causes) == ({Impact.REBOOT, Impact.REDEPLOY}, {Cause.MAINTENANCE})
        assert (handler.lead, handler.timeout) == (timedelta(minutes=10), timedelta(minutes=2))
        assert (handler.tentative, handler.retries) == (True, 3)

    def test_say_no_more_than_what_stands_there(self, app):
        (handler,) = app(DRAIN).handlers
        assert (handler.lead, handler.timeout, handler.retries, handler.tentative) == (USUAL_LEAD, None, None, False)
        assert handler.takes(an_event(impact="unknown", cause="unknown"))

    def test_may_begin_as_soon_as_an_event_is_announced(self, app):
        assert app(f'{DRAIN}lead = "announced"').handlers[0].lead is None

    def test_come_behind_the_file_and_those_of_the_command_line_in_the_order_of_the_tables(self, app, tmp_path):
        (tmp_path / "handlers.py").write_text(
            "from stormcone import App\napp = App()\n@app.prepare\ndef first(event, context): ...\n"
        )
        made = app(
            '[commands.z]\nprepare = "true"\n[commands.a]\nstarted = "true"',
            flags={"handlers": str(tmp_path / "handlers.py"), "on_prepare": ["true"]},
        )
        assert [handler.label for handler in made.handlers] == ["first", "commands", "z", "a"]

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            (
                '[commands.drain]\nprepare = "echo a | cat"',
                (
                    "commands.drain.prepare: no shell runs the command, so '|' would only be text to it; say "
                    "shell = true beside it, or put it in single quotes where text is what you mean "
                    "({file}, line 2, column 11)"
                ),
            ),
            (
                '[commands.drain]\nprepare = ["echo", "a"]\nshell = true',
                (
                    "commands.drain.prepare: a shell takes one line, and this is a list of words; write a line, or "
                    "leave shell out ({file}, line 2, column 11)"
                ),
            ),
            (
                "[commands.drain]\nshell = true",
                "commands.drain: it has no command; give it prepare, started or recover ({file}, line 1, column 11)",
            ),
            ('[commands.drain]\nprepare = ""', "commands.drain.prepare: a command is empty; give a program"),
            ('[commands.drain]\nprepare = ""\nshell = true', "commands.drain.prepare: a command is empty"),
            (
                '[commands.drain]\nrecover = "true"\nlead = "1m"',
                "commands.drain.lead: it says when prepare is run, and there is none ({file}, line 3, column 8)",
            ),
            (
                '[commands.drain]\nprepare = "drane"',
                (
                    "commands.drain: the command for prepare cannot be run: there is no program drane on the PATH; "
                    "give its whole path ({file}, line 1, column 11)"
                ),
            ),
            (
                '[commands.drain]\nprepare = "true"\ntimeout = "400d"',
                "commands.drain.timeout: timeout of 'drain' is from 0 to 365 days",
            ),
            (
                'on_prepare = "true"\n[commands.commands]\nprepare = "true"',
                "commands.commands: two handlers are called 'commands'",
            ),
            ("", "there is nothing to run: "),
        ],
    )
    def test_that_cannot_work_are_refused_before_the_agent_starts(self, refused, file, text, sentence):
        assert sentence.format(file=file) in refused(text)


class TestAShell:
    TEXT = '[commands.drain]\nprepare = "cat > {seen}; echo $STORMCONE_EVENT_ID >> {seen}"\nshell = true'

    def test_runs_the_line_as_it_stands_and_gets_the_event_beside_it(self, app, tmp_path, run_stage):
        seen, evil = tmp_path / "seen", f"$(touch {tmp_path / 'evil'}); `x` ' \""
        (handler,) = app(self.TEXT.format(seen=seen)).handlers
        run_stage(handler, Stage.PREPARE, an_event(id=evil, description=evil))
        document, said = seen.read_text().split("\n", 1)[0], seen.read_text()
        assert json.JSONDecoder().raw_decode(document)[0]["id"] == evil
        assert said.endswith(f"{evil}\n")
        assert not (tmp_path / "evil").exists()

    def test_is_said_aloud(self, app):
        from stormcone.cli.commands.check import summary_of

        (handler,) = app(self.TEXT.format(seen="/dev/null")).handlers
        assert summary_of(handler).endswith("; a shell runs prepare")
        assert "shell" not in summary_of(app(DRAIN).handlers[0])


THREE = """
[commands.drain]
prepare = "true"
lead = "1h"
[commands.log]
prepare = "true"

[[rules]]  # a freeze under 10 s: nothing
impacts = ["freeze"]
shorter_than = "10s"
handlers = "none"

[[rules]]  # a reboot: drain 10 minutes ahead
impacts = ["reboot"]
handlers = ["drain"]
lead = "10m"

[[rules]]  # a preemption: at once
causes = ["preemption"]
lead = "announced"
"""


class TestRules:
    @pytest.mark.parametrize(
        ("event", "taking", "lead"),
        [
            ({"impact": "freeze", "duration": timedelta(seconds=9)}, [], None),
            ({"impact": "freeze", "duration": timedelta(seconds=10)}, ["drain", "log"], timedelta(hours=1)),
            ({"impact": "freeze", "duration": None}, ["drain", "log"], timedelta(hours=1)),
            ({"impact": "reboot"}, ["drain"], timedelta(minutes=10)),
            ({"impact": "reboot", "cause": "preemption"}, ["drain"], timedelta(minutes=10)),
            ({"impact": "terminate", "cause": "preemption"}, ["drain", "log"], None),
            ({"impact": "stop"}, ["drain", "log"], timedelta(hours=1)),
            ({"impact": "none"}, [], None),
        ],
    )
    def test_the_first_that_fits_says_who_works_and_how_long_ahead(self, app, event, taking, lead):
        made, event = app(THREE), an_event(**event)
        found = made.taking(event)
        assert [handler.label for handler in found] == taking
        if found:
            assert made.lead_of(found[0], event) == lead

    def test_let_nobody_take_what_a_handler_does_not_want(self, app):
        made = app(f'{DRAIN}impacts = ["freeze"]\n[[rules]]\nhandlers = ["drain"]')
        assert made.taking(an_event(impact="reboot")) == ()

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            (
                f'{DRAIN}[[rules]]\nhandlers = ["drian"]',
                "rules[1].handlers[1]: there is no handler 'drian'; did you mean drain? ({file}, line 4, column 13)",
            ),
            (f"{DRAIN}[[rules]]\nimpacts = []", "rules[1]: impacts of a rule is empty, so it would take no event"),
            (f'{DRAIN}[[rules]]\nlead = "400d"', "rules[1]: lead of a rule is from 0 to 365 days"),
        ],
    )
    def test_that_cannot_be_used_are_refused(self, refused, file, text, sentence):
        assert sentence.format(file=file) in refused(text)


class TestApproval:
    def test_is_as_the_configuration_says_and_else_as_the_file_does(self, app, tmp_path):
        (tmp_path / "handlers.py").write_text(
            "from stormcone import App\napp = App(leader='web-1', approve_early=None)\n"
            "@app.prepare\ndef first(event, context): ...\n"
        )
        approval = app(
            'approve = "never"\napprove_early = "1h"\napprove_short_freeze = true\npostpone = "once"',
            flags={"handlers": str(tmp_path / "handlers.py")},
        ).approval
        assert (approval.approve, approval.leader, approval.approve_early) == ("never", "web-1", timedelta(hours=1))
        assert (approval.approve_short_freeze, approval.approve_consent, approval.postpone) == (True, False, "once")

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ('standby = "web-1"', "standby: it needs a leader to stand in for; set leader as well"),
            (
                'postpone_by = "3d"',
                "postpone_by: it says how far, and nothing is put off; set postpone to once",
            ),
        ],
    )
    def test_that_does_not_fit_together_is_refused_with_where_it_stands(self, refused, file, text, sentence):
        said = refused(f"{text}\n{DRAIN}")
        assert said.startswith(sentence)
        assert f"({file}, line 1" in said


def test_how_the_agent_works(configuration):
    made = settings_of(configuration('interval = "5s"\nkeep = "2d"\ndry_run = true').settings)
    assert (made.interval, made.keep, made.dry_run) == (5.0, timedelta(days=2), True)
