"""What the recipes' handlers do where things go wrong, with the servers that they are for."""

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from stormcone import Veto

ROOT = Path(__file__).parents[2]


@pytest.fixture
def recipes(monkeypatch):
    """The modules of the recipes can be imported."""
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])


@pytest.fixture
def machinery(recipes):
    from recipes.machinery import Machinery

    with Machinery() as machinery:
        yield machinery


def scene_of(kind, machinery):
    if missing := kind.missing():
        pytest.skip(f"there is no {' and no '.join(missing)} here")
    return kind(machinery)


def handler_of(recipe, scene, monkeypatch):
    """The handler of a recipe's file, and the names in that file."""
    for name, value in scene.environment().items():
        monkeypatch.setenv(name, value)
    names = runpy.run_path(str(ROOT / "recipes" / recipe / "handler.py"))
    (handler,) = names["app"].handlers
    return handler, type(handler).prepare.__globals__


@pytest.mark.timeout(150)
class TestTheSwitchover:
    """PostgreSQL."""

    @pytest.fixture
    def scene(self, machinery):
        from recipes.postgresql.play import PostgresqlScene

        scene = scene_of(PostgresqlScene, machinery)
        scene.set_up()
        yield scene
        if scene._answers("db-0"):  # recover has started it, so that it is not among the machinery's programs
            scene._run("pg_ctl", "stop", "-D", scene._data("db-0"), "-m", "immediate")

    def test_a_promotion_that_fails_is_undone_and_without_a_standby_nothing_is_stopped(self, scene, monkeypatch):
        from recipes.machinery import until

        handler, names = handler_of("postgresql", scene, monkeypatch)
        ask = names["ask"]

        def fails(server, query):
            if "pg_promote" in query:
                raise RuntimeError("it is not promoted")
            return ask(server, query)

        monkeypatch.setitem(names, "ask", fails)
        for _ in range(2):  # the second goes on where the first was cut off
            with pytest.raises(RuntimeError, match="not promoted"):
                handler.prepare(None, None)
            assert names["SIGNAL"].exists()  # whoever starts the server now starts a standby
        handler.recover(None, None)
        until(lambda: scene._answers("db-0") and scene._followers("db-0") == 1, "the pair as it was")
        assert scene._sql("db-0", "select pg_is_in_recovery()") == "f"

        scene.machinery.kill("db-1.server")
        (scene._data("db-1") / "postgresql.auto.conf").write_text("primary_conninfo = ''\n")
        scene._serve("db-1")
        with pytest.raises(Veto, match="no standby is in step"):
            handler.prepare(None, None)
        assert scene._answers("db-0")


@pytest.mark.timeout(150)
class TestTheWorker:
    """Redis."""

    def test_what_is_not_finished_is_given_back_before_what_waits(self, machinery, monkeypatch):
        from recipes.machinery import until
        from recipes.queue_worker.play import QueueScene

        scene = scene_of(QueueScene, machinery)
        scene.set_up()
        scene._units.power_off()
        machinery.kill("web-1")
        until(lambda: not scene._queue.info("clients")["blocked_clients"], "an end of the workers that Redis has seen")
        scene._queue.rpush("jobs", "waits")
        scene._queue.rpush("working:web-0", "first", "second")
        handler, _ = handler_of("queue_worker", scene, monkeypatch)
        log = SimpleNamespace(warning=lambda *_: None)
        handler.prepare(None, SimpleNamespace(machine=SimpleNamespace(name="web-0"), log=log))
        assert scene._queue.lrange("jobs", 0, -1) == [b"first", b"second", b"waits"]
        assert scene._queue.llen("working:web-0") == 0
