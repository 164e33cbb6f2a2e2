"""What a watcher that shares shards answers: whether it lives, whether it holds its share, and its figures."""

import json

import pytest

from stormcone.agent.keeper import KeeperView
from stormcone.clock import ManualClock
from stormcone.health.shards import STUCK, ShardsHealth


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def health(clock):
    return ShardsHealth(clock)


def asked(health, path):
    answer = health.answer(path, private=False)
    return answer.status, json.loads(answer.body)


def stands(health, clock, **changes):
    health.turned(KeeperView(seconds=clock.monotonic(), **changes))


class TestReadiness:
    def test_it_is_not_ready_before_it_has_looked(self, health):
        assert asked(health, "/readyz") == (
            503, {"status": "not_ready", "reasons": ["it has not looked at the plan yet"]},
        )  # fmt: skip

    def test_it_is_ready_when_it_holds_its_share_also_where_that_is_nothing(self, health, clock):
        for share in (("a", "b"), ()):
            stands(health, clock, wanted=share, held=share)
            assert asked(health, "/readyz") == (200, {"status": "ready", "reasons": []})

    def test_it_names_what_is_not_held_and_why_the_database_does_not_answer(self, health, clock):
        stands(health, clock, wanted=("a", "b", "c"), held=("b",), error="the server is away")
        status, document = asked(health, "/readyz")
        assert (status, document["reasons"]) == (503, ["the server is away", "not held yet: a, c"])
        assert health.line == "holds 1 of its 3 shard(s); 0 watcher(s) live; the server is away; not held yet: a, c"


class TestLife:
    def test_it_lives_while_it_turns_and_is_stuck_after_a_minute_without(self, health, clock):
        stands(health, clock, error="the server is away")
        clock.advance(seconds=STUCK)
        assert asked(health, "/healthz") == (200, {"status": "alive"})
        clock.advance(seconds=1)
        assert asked(health, "/healthz") == (503, {"status": "stuck"})

    def test_another_page_is_not_there(self, health):
        status, document = asked(health, "/status")
        assert (status, document["error"]) == (404, "there is no such page; there are /healthz, /readyz, /metrics")


def test_its_metrics_are_what_it_wants_and_what_it_holds(health, clock):
    parser = pytest.importorskip("prometheus_client.parser")
    stands(health, clock, wanted=("a", "b", "c"), held=("b",), unwatched=("c",), watchers=2, restarts=4)
    answer = health.answer("/metrics", private=False)
    assert answer.status == 200
    found = {
        sample.name: sample.value
        for family in parser.text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }
    assert found == {
        "stormcone_shards_wanted": 3,
        "stormcone_shards_held": 1,
        "stormcone_shards_unwatched": 1,
        "stormcone_shards_watchers": 2,
        "stormcone_shards_database_up": 1,
        "stormcone_shards_restarts_total": 4,
    }
    stands(health, clock, error="the server is away")
    assert b"stormcone_shards_database_up 0.0" in health.answer("/metrics", private=False).body
