"""CloudMonitor's notifications: what each change of an event sends, and how it reaches a webhook."""

import json
import logging
import time
from datetime import timedelta

import pytest

from stormcone_simulators.alibaba import AlibabaSimulator

HOUR = timedelta(hours=1)


def names(simulator):
    return [note["name"] for note in simulator.notifications()]


class TestContent:
    def test_it_has_the_documented_fields(self, alibaba, clock):
        event_id = alibaba.schedule("reboot", resources=["i-aaa"], notice=HOUR)
        (note,) = alibaba.notifications()
        assert note.pop("id")
        assert note == {
            "ver": "1.0",
            "product": "ECS",
            "resourceId": "acs:ecs:cn-hangzhou:1234567890123456:instance/i-aaa",
            "level": "CRITICAL",
            "name": "Instance:SystemMaintenance.Reboot:Scheduled",
            "userId": "1234567890123456",
            "eventTime": "20260101T080000.000+0800",
            "regionId": "cn-hangzhou",
            "content": {
                "eventId": event_id,
                "publishTime": "2026-01-01T00:00:00Z",
                "notBefore": "2026-01-01T01:00:00Z",
                "instanceId": "i-aaa",
                "eventType": "SystemMaintenance.Reboot",
                "eventStatus": "Scheduled",
            },
        }

    def test_one_is_sent_for_each_status_with_the_time_at_which_it_was_due(self, alibaba, clock):
        alibaba.schedule("reboot", resources=["i-aaa"], notice=HOUR)
        clock.advance(hours=9)
        notes = alibaba.notifications()
        assert [note["content"]["eventStatus"] for note in notes] == ["Scheduled", "Executing", "Executed"]
        assert [note["eventTime"][9:15] for note in notes] == ["080000", "090000", "090100"]
        assert notes[2]["content"]["executeStartTime"] == "2026-01-01T01:00:00Z"
        assert notes[2]["content"]["executeFinishTime"] == "2026-01-01T01:01:00Z"

    def test_a_failure_has_no_time_ahead(self, alibaba):
        alibaba.schedule("reboot", cause="hardware_failure", resources=["i-aaa"])
        (note,) = alibaba.notifications()
        assert "notBefore" not in note["content"]
        assert note["content"]["executeStartTime"] == "2026-01-01T00:00:00Z"

    def test_a_change_that_is_none_of_status_sends_nothing(self, alibaba):
        event_id = alibaba.schedule("reboot", resources=["i-aaa"])
        alibaba.change(event_id, notice=2 * HOUR, description="later")
        assert len(alibaba.notifications()) == 1

    def test_every_way_to_end_has_its_name_but_the_unknown_one(self, alibaba):
        for outcome in ("completed", "failed", "canceled", "avoided", "unknown"):
            alibaba.complete(alibaba.schedule("reboot", resources=["i-aaa"]), outcome)
        assert [name.rpartition(":")[2] for name in names(alibaba)[1::2]] == [
            "Executed",
            "Failed",
            "Canceled",
            "Avoided",
        ]
        assert len(names(alibaba)) == 9

    def test_a_spot_release_is_told_once_and_in_words_of_its_own(self, alibaba, clock):
        alibaba.schedule("terminate", resources=["i-bbb"])
        clock.advance(hours=1)
        (note,) = alibaba.notifications()
        assert (note["name"], note["level"]) == ("Instance:PreemptibleInstanceInterruption", "WARN")
        assert note["content"] == {"instanceId": "i-bbb", "action": "delete"}

    def test_the_control_api_lists_them(self, alibaba, asking):
        alibaba.schedule("reboot", resources=["i-aaa"])
        listed = asking(alibaba.url, "GET", "/_simulator/notifications").json
        assert listed == {"notifications": alibaba.notifications()}


def received(server, count):
    """What a receiver has got, once it is so much; it comes from another thread."""
    for _ in range(500):
        if len(server.asked) >= count:
            break
        time.sleep(0.01)
    return [asked.json for asked in server.asked]


class TestWebhook:
    def test_each_notification_is_posted_as_its_change_is_processed(self, alibabas, scripted, clock):
        scripted.answer().answer()
        simulator = alibabas(webhook=f"{scripted.url}/events")
        simulator.schedule("reboot", resources=["i-aaa"], notice=HOUR)
        assert received(scripted, 1) == simulator.notifications()
        clock.advance(HOUR)
        assert len(scripted.asked) == 1
        simulator.events()
        assert received(scripted, 2) == simulator.notifications()
        asked = scripted.asked[0]
        assert (asked.method, asked.target, asked.headers["content-type"]) == ("POST", "/events", "application/json")

    def test_no_answer_waits_for_a_receiver_that_hangs(self, alibabas, ecs_of, scripted):
        scripted.hang()
        simulator = alibabas(webhook=scripted.url)
        for _ in range(3):
            simulator.schedule("reboot", resources=["i-aaa"])
        assert received(scripted, 1)
        assert len(ecs_of(simulator).history()) == 3
        scripted.close()

    def test_a_receiver_that_is_not_there_costs_a_line_in_the_log(self, alibabas, dead_url, caplog):
        simulator = alibabas(webhook=dead_url)
        with caplog.at_level(logging.WARNING):
            simulator.schedule("reboot", resources=["i-aaa"])
            for _ in range(500):
                if caplog.records:
                    break
                time.sleep(0.01)
        assert caplog.messages[0].startswith("a notification is dropped: the webhook does not take it")

    def test_it_may_be_closed_twice_and_without_having_listened(self, dead_url):
        simulator = AlibabaSimulator(webhook=dead_url)
        simulator.close()
        simulator.close()

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:1/", "http://localhost:1", "http://[::1]:1/", "https://127.8.8.8"]
    )
    def test_this_machine_is_reached_without_asking(self, url):
        AlibabaSimulator(webhook=url).close()

    def test_another_machine_is_reached_if_that_is_asked_for(self):
        AlibabaSimulator(webhook="http://192.0.2.1/", webhook_anywhere=True).close()


def test_a_notification_is_json(alibaba):
    alibaba.schedule("reboot", resources=["i-aaa"])
    assert json.loads(json.dumps(alibaba.notifications())) == alibaba.notifications()
