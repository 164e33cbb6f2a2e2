"""Other handlers while the agent works: what is under way, what begins later, and what is refused."""

import os
import sys
from datetime import timedelta

import pytest

from stormcone.agent.notices import NoticeKind
from stormcone.errors import HandlerFileError, JournalError, Retry
from stormcone.handlers import App, EventRule, Stage
from stormcone.handlers.files import load_app
from stormcone.model import Impact

ROUND = (Stage.PREPARE, Stage.RECOVER)


@pytest.fixture
def new(world):
    """A handler of the new app: its calls begin with `new`."""
    old = world.handler("one", ROUND, lead=None)

    class Calls(list):
        def append(self, call):
            world.calls.append(f"new {call}")

    def make(name="one", stages=ROUND, **settings):
        return type(old)(name, Calls(), stages, **{"lead": None, **settings})

    return make


def told(world):
    return world.told(NoticeKind.RELOADED, NoticeKind.NOT_RELOADED)


class TestAnEventUnderWay:
    def test_is_recovered_from_by_the_new_handler_of_the_name(self, world, new):
        world.cloud.announce()
        world.step()
        world.agent.take_app(App([new()]))
        world.step()
        world.cloud.forget()
        world.step(hours=1)
        assert world.calls == ["one.prepare", "new one.recover"]
        assert told(world) == ["from now on the handlers are one"]

    def test_has_its_running_stage_end_with_the_handler_that_it_began_with(self, world, new, held):
        world.executor = held
        world.cloud.announce()
        world.step()
        world.agent.take_app(App([new()]))
        world.step()
        held.release()
        world.step()
        assert world.calls == ["one.prepare"]
        assert world.states() == {"one.prepare": "succeeded"}

    def test_has_the_next_attempt_made_by_the_new_one(self, world, new):
        world.app.handler("one").script.append(Retry("not yet"))
        world.cloud.announce()
        world.step()
        world.agent.take_app(App([new()]))
        world.step(seconds=5)
        assert world.calls == ["one.prepare", "new one.prepare#2"]

    def test_is_taken_part_in_by_a_handler_that_is_new(self, world, new):
        world.cloud.announce()
        world.step()
        world.agent.take_app(App([new(), new("two")]))
        world.step()
        assert world.calls == ["one.prepare", "new two.prepare"]
        assert told(world) == ["from now on the handlers are one, two"]

    def test_is_not_begun_by_a_handler_that_is_gone(self, world, new):
        world.handler("later", ROUND, lead=timedelta(minutes=5))
        world.cloud.announce()
        world.step()
        world.agent.take_app(App([new()]))
        world.step(minutes=12)
        assert world.calls == ["one.prepare"]
        assert world.states()["later.prepare"] == "dropped"

    def test_is_begun_when_the_new_lead_says(self, world, new):
        world.handler("later", (Stage.PREPARE,), lead=timedelta(minutes=5))
        world.cloud.announce()
        world.step()
        world.agent.take_app(App([new(), new("later", (Stage.PREPARE,))]))
        world.step()
        assert world.calls == ["one.prepare", "new later.prepare"]

    def test_follows_the_new_rules_and_settings_of_approval(self, world, new):
        world.agent.take_app(App([new()], approve="never", rules=[EventRule(impacts={Impact.REBOOT}, handlers=())]))
        world.step()
        world.cloud.announce()
        world.step()
        assert (world.calls, world.cloud.approvals) == ([], [])


class TestHandlersThatWouldNotRecover:
    @pytest.mark.parametrize(
        "change", [lambda new: [new("two")], lambda new: [new(stages=(Stage.PREPARE,))]], ids=["gone", "recover gone"]
    )
    def test_are_refused_while_the_old_ones_go_on(self, world, new, change):
        world.cloud.announce()
        world.step()
        world.agent.take_app(App(change(new)))
        world.step()
        assert told(world) == [
            (
                "the new handlers are not taken in, the old ones go on: one has begun for the reboot E-1, "
                "and nothing of that name would recover; reload again once it is over"
            )
        ]
        world.cloud.forget()
        world.step(hours=1)
        assert world.calls == ["one.prepare", "one.recover"]

    def test_are_taken_once_those_that_are_gone_have_recovered(self, world, new):
        world.handler("two", ROUND, lead=None)
        world.cloud.announce()
        world.step()
        world.app.handler("one").script.append(Retry("not yet", after=7200))
        world.cloud.forget()
        world.step(hours=1)
        assert world.calls[2:] == ["two.recover", "one.recover"]
        world.agent.take_app(App([new()]))
        world.step(hours=3)
        assert world.calls[4:] == ["new one.recover#2"]

    def test_are_taken_once_it_is_over(self, world, new):
        world.cloud.announce()
        world.step()
        world.cloud.forget()
        world.step(hours=1)
        world.agent.take_app(App([new("two")]))
        world.step()
        assert told(world) == ["from now on the handlers are two"]


def test_what_is_not_known_to_be_ours_yet_waits_for_nothing(world, new):
    world.agent.take_app(App([new()]))
    world.cloud.announce()
    world.step()
    world.step()
    assert world.calls == ["new one.prepare"]
    assert told(world) == ["from now on the handlers are one"]


def test_what_cannot_be_written_is_taken_in_later(world, new, monkeypatch):
    world.cloud.announce()
    world.step()
    engine = world.agent._engine
    with monkeypatch.context() as patch:
        patch.setattr(type(engine), "resume", lambda self, now: (_ for _ in ()).throw(JournalError("the disk is full")))
        world.agent.take_app(App([new()]))
        world.step()
        assert engine.app is world.agent.app is world.app
    world.cloud.forget()
    world.step(hours=1)
    assert world.calls == ["one.prepare", "new one.recover"]


class TestAHandlerFile:
    FILE = """
from stormcone import App
import beside_{0} as beside
app = App()
@app.prepare(name=beside.NAME)
def f(event, context): ...
"""

    @pytest.fixture
    def file(self, tmp_path):
        """A handler file, and beside it a module that says what its handler is called."""
        self.beside = tmp_path / f"beside_{tmp_path.name}.py"
        self.beside.write_text("NAME = 'old'")
        file = tmp_path / f"handlers_{tmp_path.name}.py"
        file.write_text(self.FILE.format(tmp_path.name))
        return file

    def labels(self, file):
        return [handler.label for handler in load_app(str(file)).handlers]

    def test_is_read_again_with_what_it_imports_from_its_folder(self, file):
        assert self.labels(file) == ["old"]
        self.beside.write_text("NAME = 'newer'")
        assert self.labels(file) == ["newer"]
        file.write_text(file.read_text().replace("prepare(name", "recover(name"))
        assert load_app(str(file)).handlers[0].has(Stage.RECOVER)

    def test_is_read_again_though_it_has_changed_within_a_second(self, file, monkeypatch):
        monkeypatch.setattr(sys, "dont_write_bytecode", False)
        file.write_text("from stormcone import App\napp = App()\n@app.prepare\ndef aaa(event, context): ...\n")
        os.utime(file, (1, 1))
        assert self.labels(file) == ["aaa"]
        file.write_text(file.read_text().replace("aaa", "bbb"))
        os.utime(file, (1, 1))
        assert self.labels(file) == ["bbb"]

    def test_that_is_broken_leaves_the_modules_that_are_there(self, file):
        assert self.labels(file) == ["old"]
        names = (f"stormcone_handlers_{file.stem}", self.beside.stem)
        before = [sys.modules[name] for name in names]
        file.write_text(file.read_text() + "\n1 / 0\n")
        with pytest.raises(HandlerFileError, match="ZeroDivisionError: division by zero"):
            self.labels(file)
        assert [sys.modules[name] for name in names] == before

    def test_has_nothing_else_imported_again(self, file):
        self.labels(file)
        before = {name: module for name, module in sys.modules.items() if name.startswith("stormcone.")}
        self.labels(file)
        assert {name: sys.modules[name] for name in before} == before
