"""What people get wrong in a handler file is refused before an agent starts, with file and line and what to write."""

from datetime import timedelta

import pytest

from stormcone import App, Handler, HandlerFileError, Impact, Retry, SettingsError
from stormcone.errors import HandlerMistake
from stormcone.handlers import Stage
from stormcone.handlers.files import load_app

# ruff: noqa: E501, ISC004 - what people write and what they are told stand side by side
HEAD = "from datetime import timedelta\nfrom stormcone import *\n\n"

CLASSES = {
    "a stage without its context": (
        "class Queue(Handler):\n    def prepare(self, event): ...\n",
        "Queue.prepare cannot be called with event, context; write def prepare(self, event, context) ({file}, line 5)",
    ),
    "a stage without self": (
        "class Queue(Handler):\n    def recover(event, context): ...\n",
        "Queue.recover cannot be called with event, context; write def recover(self, event, context) ({file}, line 5)",
    ),
    "a misspelt stage": (
        "class Queue(Handler):\n    def recover(self, event, context): ...\n\n    def prepair(self, event, context): ...\n",
        "Queue has prepair, which means nothing; did you mean prepare? (or call it _prepair) ({file}, line 7)",
    ),
    "a misspelt stage with a wrong arity": (
        "class Queue(Handler):\n    def prepared(self, event): ...\n",
        "Queue has prepared, which means nothing; did you mean prepare? (or call it _prepared) ({file}, line 5)",
    ),
    "a misspelt attribute": (
        "class Queue(Handler):\n    impact = {Impact.REBOOT}\n    def prepare(self, event, context): ...\n",
        "Queue has impact, which means nothing; did you mean impacts? (or call it _impact) ({file}, line 5)",
    ),
    "a misspelt attribute of the instance": (
        "class Queue(Handler):\n    def __init__(self):\n        self.time_out = 3\n"
        "    def prepare(self, event, context): ...\n",
        "Queue has time_out, which means nothing; did you mean timeout? (or call it _time_out) ({file}, line 6)",
    ),
    "impacts that can be read only once": (
        "class Queue(Handler):\n    impacts = (each for each in Impact if each.loses_memory)\n"
        "    def prepare(self, event, context): ...\n",
        "impacts of 'Queue' is an iterator, which can be read only once; write a set of degraded, freeze, hibernate, none, reboot, "
        "redeploy, stop, terminate, unknown ({file}, line 5)",
    ),
    "no impacts at all": (
        "class Queue(Handler):\n    impacts = set()\n    def prepare(self, event, context): ...\n",
        "impacts of 'Queue' is empty, so it would take no event; write a set of",
    ),
    "a generator": (
        "class Queue(Handler):\n    def prepare(self, event, context):\n        yield\n",
        "Queue.prepare is a generator, which cannot go on after a restart; write a class with prepare and recover "
        "({file}, line 5)",
    ),
    "an async generator": (
        "class Queue(Handler):\n    async def prepare(self, event, context):\n        yield\n",
        "Queue.prepare is a generator, which cannot go on after a restart",
    ),
    "a predicate that is async": (
        "class Queue(Handler):\n    async def when(self, event): return False\n"
        "    def prepare(self, event, context): ...\n",
        "Queue.when is async, and an answer is needed at once; write def ({file}, line 5)",
    ),
    "a predicate of a wrong arity": (
        "class Queue(Handler):\n    def when(self): return False\n    def prepare(self, event, context): ...\n",
        "Queue.when cannot be called with event; write def when(self, event) ({file}, line 5)",
    ),
    "no stage": (
        "class Queue(Handler):\n    impacts = {Impact.REBOOT}\n",
        "Queue does nothing; write prepare, started or recover in it ({file}, line 4)",
    ),
    "a stage that is no function": (
        "class Queue(Handler):\n    prepare = 'drain'\n",
        "Queue.prepare must be a function, not 'drain'",
    ),
    "seconds for a timedelta": (
        "class Queue(Handler):\n    timeout = 30\n    def prepare(self, event, context): ...\n",
        "timeout of 'Queue' is a timedelta or None, not 30 ({file}, line 5)",
    ),
    "the name of the command line's own handler": (
        "class Queue(Handler):\n    name = 'commands'\n    def prepare(self, event, context): ...\n",
        "a handler in {file} is called 'commands', which is what commands of the command line are called; set another",
    ),
}

FILES = {
    "an unknown keyword": (
        "app = App()\n@app.prepare(impact={Impact.REBOOT})\ndef drain(event, context): ...\n",
        "@app.prepare takes no impact; did you mean impacts? ({file}, line 5)",
    ),
    "a keyword that is like none": (
        "app = App()\n@app.prepare(colour=3)\ndef drain(event, context): ...\n",
        "@app.prepare takes no colour; there are name, impacts, causes, tentative, lead, timeout, retries, when ({file}, line 5)",
    ),
    "a function of a wrong arity": (
        "app = App()\n@app.prepare\ndef drain(event): ...\n",
        "drain.prepare cannot be called with event, context; write def prepare(event, context) ({file}, line 5)",
    ),
    "a function that is a generator": (
        "app = App()\n@app.recover()\ndef undrain(event, context):\n    yield\n",
        "undrain.recover is a generator, which cannot go on after a restart",
    ),
    "no handler": ("app = App()\n", "the app in {file} has no handlers, so nothing would be done; write App([...])"),
    "a misspelt setting": (
        "app = App()\n@app.prepare\ndef drain(event, context): ...\napp.aprove = 'never'\n",
        "aprove cannot be set on an app that is made; did you mean approve? ({file}, line 7)",
    ),
    "one handler in place of a list": (
        "class Queue(Handler):\n    def prepare(self, event, context): ...\n\napp = App(Queue())\n",
        "handlers is a list, not one handler; write App([Queue()]) ({file}, line 7)",
    ),
    "a class that is no handler": (
        "class Queue:\n    def prepare(self, event, context): ...\n\napp = App([Queue()])\n",
        "<stormcone_handlers_handlers.Queue object at ",
    ),
    "a class for a function": (
        "app = App()\n@app.prepare\nclass Queue(Handler):\n    def prepare(self, event, context): ...\n",
        "Queue is a class and no stage; write App([Queue()]) ({file}, line 5)",
    ),
    "a setting afterwards": (
        "app = App()\n@app.prepare\ndef drain(event, context): ...\napp.approve = 'never'\n",
        "approve cannot be set on an app that is made; say App(..., approve=...) ({file}, line 7)",
    ),
    "a policy that is async": (
        "async def policy(event, prepared): return False\n\napp = App(approve=policy)\n",
        "approve is async, and an answer is needed at once; write def ({file}, line 4)",
    ),
    "a policy of a wrong arity": (
        "def policy(event): return False\n\napp = App(approve=policy)\n",
        "approve cannot be called with event, prepared; write def approve(event, prepared) ({file}, line 4)",
    ),
}


@pytest.fixture
def load(tmp_path):
    def load(text):
        file = tmp_path / "handlers.py"
        file.write_text(HEAD + text)
        return file, load_app(str(file))

    return load


class TestAHandlerFileWith:
    @pytest.mark.parametrize(("text", "sentence"), CLASSES.values(), ids=list(CLASSES))
    def test_a_class_that_has(self, load, tmp_path, text, sentence):
        with pytest.raises(HandlerFileError) as caught:
            load(f"{text}\n\napp = App([Queue()])\n")
        assert str(caught.value).startswith(sentence.format(file=tmp_path / "handlers.py"))
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 66

    @pytest.mark.parametrize(("text", "sentence"), FILES.values(), ids=list(FILES))
    def test_an_app_that_has(self, load, tmp_path, text, sentence):
        with pytest.raises(HandlerFileError) as caught:
            load(text)
        assert str(caught.value).startswith(sentence.format(file=tmp_path / "handlers.py"))

    def test_a_name_without_its_ending(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "handlers.py").touch()
        for spec, meant in (("handlers", "handlers.py"), ("handlers:mine", "handlers.py:mine")):
            with pytest.raises(HandlerFileError, match=f"there is no handler file handlers; did you mean {meant}\\?"):
                load_app(spec)


class TestAHandlerMayHave:
    def test_helpers_and_state_of_its_own(self, load):
        _, app = load("""
class Queue(Handler):
    prepared = False
    connections: int = 0

    def __init__(self):
        self.started_at = None
        self._impact = 3

    def prepare(self, event, context): ...
    def start(self): ...
    def recover_table(self, name): ...
    @property
    def cause(self): return ""
    @staticmethod
    def when_idle(): ...

app = App([Queue()])
""")
        assert [handler.label for handler in app.handlers] == ["Queue"]

    def test_a_stage_that_is_given_to_it(self, event):
        class Queue(Handler):
            def __init__(self, drain):
                self.prepare = drain

        called = []
        (handler,) = App([Queue(lambda event, _context: called.append(event.id))]).handlers
        handler.prepare(event(), None)
        assert (handler.has(Stage.PREPARE), called) == (True, ["E-1"])


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "sentence"),
        [
            ({"leader": ""}, "leader is a machine's name or None, not ''"),
            ({"leader": 3}, "leader is a machine's name or None, not 3"),
            ({"standby": "web-1"}, "standby needs a leader to stand in for; set leader as well"),
            ({"standby_after": 300}, "standby_after is a timedelta or None, not 300"),
            ({"standby_after": None}, "standby_after is a timedelta"),
            ({"approve_consent": "false"}, "approve_consent is True or False, not 'false'"),
            ({"approve_short_freeze": 1}, "approve_short_freeze is True or False, not 1"),
            ({"approve": "Prepared"}, "approve is 'prepared', 'never' or a function, not 'Prepared'"),
        ],
    )
    def test_that_cannot_be_used_are_refused_wherever_they_are_set(self, settings, sentence):
        for make in (lambda: App(**settings), lambda: App().but(**settings)):
            with pytest.raises(HandlerMistake) as caught:
                make()
            assert str(caught.value) == sentence

    def test_of_an_app_do_not_change(self):
        app = App(approve="never")
        with pytest.raises(HandlerMistake):
            app.leader = "first"
        other = app.but(leader="first")
        assert (app.approval.leader, other.approval.leader, other.approval.approve) == (None, "first", "never")

    def test_of_a_handler_are_checked_also_while_it_works(self):
        class Queue(Handler):
            def prepare(self, event, context): ...

        queue = Queue()
        with pytest.raises(HandlerMistake, match="timeout of 'Queue' is a timedelta or None, not 30"):
            queue.timeout = 30
        queue.timeout = timedelta(seconds=30)
        assert queue.timeout == timedelta(seconds=30)

    def test_of_a_configuration_are_the_same(self):
        from stormcone.config.build import app_of
        from stormcone.config.load import load

        given = load(flags={"on_prepare": ["true"], "standby": "web-1"}, environment={})
        with pytest.raises(SettingsError, match="standby: it needs a leader"):
            app_of(given)


class TestRetry:
    @pytest.mark.parametrize("after", ["30", True, [], Impact.REBOOT])
    def test_is_refused_where_it_is_made(self, after):
        with pytest.raises(TypeError, match="after is a timedelta, a number of seconds or None, not"):
            Retry(after=after)

    @pytest.mark.parametrize("after", [-1, float("nan"), float("inf"), timedelta(seconds=-1), timedelta.max, 1e300])
    def test_has_a_pause_that_can_be_waited_for(self, after):
        with pytest.raises(ValueError, match="after is from 0 to ten years, not"):
            Retry(after=after)

    def test_takes_seconds_and_timedeltas(self):
        assert [Retry(after=after).after for after in (None, 0, 1.5, timedelta(minutes=1))] == [
            None,
            timedelta(0),
            timedelta(seconds=1.5),
            timedelta(minutes=1),
        ]
