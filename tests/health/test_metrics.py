"""What is counted and measured, as Prometheus reads it; names and units by its rules."""

import shutil
import subprocess
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stormcone.errors import ProviderError, Veto
from stormcone.handlers import Stage
from stormcone.health.face import METRICS
from stormcone.journal import SinkRecord


@pytest.fixture
def scrape(world, health):
    """The value of a sample now, by name and labels."""

    def value(name, **labels):
        health.watch(world.agent)
        answer = health.answer(METRICS, private=False)
        families = text_string_to_metric_families(answer.body.decode())
        for sample in (sample for family in families for sample in family.samples):
            if sample.name == f"stormcone_{name}" and sample.labels == labels:
                return sample.value
        return None

    return value


class TestPolls:
    def test_are_counted_by_source_and_result(self, world, scrape):
        world.step()
        world.cloud.poll_faults.append(ProviderError("no route to host"))
        world.step(seconds=5)
        world.step(seconds=5)
        assert scrape("polls_total", source="test", result="success") == 2
        assert scrape("polls_total", source="test", result="failure") == 1
        assert scrape("problems_total", kind="unknown") == 1

    def test_the_last_success_is_shown_as_a_moment_and_as_an_age(self, world, scrape):
        world.step()
        asked = world.clock.now().timestamp()
        world.cloud.poll_faults.append(ProviderError("no route to host"))
        world.step(seconds=40)
        assert scrape("poll_last_success_timestamp_seconds", source="test") == asked
        assert scrape("poll_last_success_age_seconds", source="test") == 40
        assert scrape("ready") == 0
        assert scrape("condition", part="source test") == 0
        assert scrape("condition", part="journal") == 1


class TestEvents:
    def test_are_shown_by_phase_impact_and_cause(self, world, scrape):
        world.cloud.announce()
        world.cloud.announce(id="E-2")
        world.cloud.announce(id="E-3", resources=("db-0",))
        world.step()
        world.cloud.start("E-2")
        world.step(seconds=1)
        assert scrape("events", phase="scheduled", impact="reboot", cause="unknown") == 1
        assert scrape("events", phase="started", impact="reboot", cause="unknown") == 1
        assert scrape("events_seen_total", impact="reboot", cause="unknown") == 2

    def test_the_next_ones_time_is_shown(self, world, scrape):
        event = world.cloud.announce()
        world.step()
        assert scrape("next_event_timestamp_seconds") == event.not_before.timestamp()

    def test_their_notice_is_measured(self, world, scrape):
        world.cloud.announce()
        world.step(seconds=30)
        assert scrape("event_notice_seconds_sum", impact="reboot") == 870
        assert scrape("event_notice_seconds_bucket", impact="reboot", le="600.0") == 0
        assert scrape("event_notice_seconds_bucket", impact="reboot", le="900.0") == 1

    def test_one_that_begins_unannounced_had_none(self, world, scrape):
        world.cloud.announce()
        world.cloud.start()
        world.step()
        assert scrape("event_notice_seconds_bucket", impact="reboot", le="0.0") == 1

    def test_their_ends_are_counted_by_outcome(self, world, scrape):
        world.cloud.announce()
        world.step()
        world.cloud.forget()
        world.step(seconds=1)
        assert scrape("events_ended_total", impact="reboot", outcome="canceled") == 1


class TestHandlers:
    def test_how_long_they_take_and_how_they_end(self, world, scrape):
        def work(_event, _context):
            world.clock.advance(seconds=3)
            raise RuntimeError("boom")

        world.handler("lb", (Stage.PREPARE,), retries=1).script.extend([work, work])
        world.cloud.announce()
        world.step()
        world.step(seconds=5)
        assert scrape("handler_attempts_total", handler="lb", stage="prepare", result="error") == 2
        assert scrape("handler_duration_seconds_sum", handler="lb", stage="prepare") == 6
        assert scrape("handler_delay_seconds_count", handler="lb", stage="prepare") == 1

    def test_those_that_run_are_shown(self, world, scrape, held):
        world.handler("lb", (Stage.PREPARE,))
        world.executor = held
        world.cloud.announce()
        world.step()
        assert scrape("handlers_running", handler="lb", stage="prepare") == 1


class TestApprovals:
    def test_are_counted_by_what_came_of_them(self, world, scrape):
        world.handler("lb", (Stage.PREPARE,))
        world.cloud.announce()
        world.cloud.approve_faults.append(ProviderError("timed out"))
        world.step()
        world.step(seconds=2)
        assert scrape("approvals_total", result="failed") == 1
        assert scrape("approvals_total", result="accepted") == 1

    def test_why_not_is_counted_by_rule(self, world, scrape):
        world.handler("lb", (Stage.PREPARE,)).script.append(Veto("not today"))
        world.cloud.announce()
        world.step()
        assert scrape("approval_decisions_total", answer="no", rule="vetoed") == 1


class TestTheRest:
    def test_the_journal_the_machine_and_the_build(self, world, scrape):
        world.step()
        assert scrape("journal_size_bytes") == world.path.stat().st_size
        assert scrape("machine_info", cloud_provider="test", host_id="vm-0", host_name="web-0") == 1
        assert scrape("ready") == 1
        world.clock.advance(seconds=7)
        assert scrape("loop_idle_seconds") == 7

    def test_what_waits_for_sinks_and_what_became_of_the_rest(self, world, scrape, health):
        world.step()
        standing = SinkRecord(name="ops", waiting=3, sent=5, refused=1, dropped=2)
        world.agent._view = replace(world.agent.view, sinks=(standing,))
        assert scrape("outbox_messages", sink="ops") == 3
        results = ("sent", "refused", "dropped")
        assert [scrape("notifications_total", sink="ops", result=result) for result in results] == [5, 1, 2]

    def test_it_is_what_promtool_calls_well_made(self, world, health):
        promtool = shutil.which("promtool")
        if promtool is None:
            pytest.skip("promtool is not installed (Debian's package prometheus)")
        world.handler("lb", (Stage.PREPARE,))
        world.cloud.announce()
        world.step()
        health.watch(world.agent)
        text = health.answer(METRICS, private=False).body
        checked = subprocess.run(
            [promtool, "check", "metrics"], input=text, capture_output=True, timeout=60, check=False
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


@pytest.fixture
def held():
    from tests.core.conftest import HeldExecutor

    return HeldExecutor()
