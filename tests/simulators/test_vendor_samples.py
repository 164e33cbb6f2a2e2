"""Programs in the shape of those that people copy from the vendor's pages: nothing but the host is ours."""

import json

import pytest
import requests

HEADERS = {"Metadata": "true"}


def scheduled_events(host):
    answer = requests.get(f"http://{host}/metadata/scheduledevents?api-version=2020-07-01", headers=HEADERS, timeout=10)
    answer.raise_for_status()
    return answer.json()


def confirm(host, event_id):
    payload = {"StartRequests": [{"EventId": event_id}]}
    answer = requests.post(
        f"http://{host}/metadata/scheduledevents",
        headers=HEADERS,
        params={"api-version": "2020-07-01"},
        data=json.dumps(payload),
        timeout=10,
    )
    answer.raise_for_status()
    return answer.status_code


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def host(azure):
    return azure.url.removeprefix("http://")


def test_a_loop_that_watches_the_incarnation_and_confirms_what_is_its_own(azure, host, clock):
    azure.play("user-reboot")
    last, log = -1, []
    for _ in range(30):
        document = scheduled_events(host)
        if document["DocumentIncarnation"] != last:
            last = document["DocumentIncarnation"]
            for event in document["Events"]:
                log.append((event["EventType"], event["EventStatus"], event["EventSource"]))
                if event["EventStatus"] == "Scheduled" and "web-0" in event["Resources"]:
                    assert confirm(host, event["EventId"]) == 200
            if not document["Events"]:
                log.append("clear")
        clock.advance(60)
    assert log == [("Reboot", "Scheduled", "User"), ("Reboot", "Started", "User"), "clear"]


def test_a_loop_that_confirms_everything_in_one_request_and_echoes_the_incarnation(azure, host):
    azure.schedule("freeze", resources=["web-0"])
    azure.schedule("reboot", resources=["web-1"])
    document = scheduled_events(host)
    document["StartRequests"] = [{"EventId": event["EventId"]} for event in document.pop("Events")]
    answer = requests.post(
        f"http://{host}/metadata/scheduledevents?api-version=2019-01-01", headers=HEADERS, json=document, timeout=10
    )
    assert answer.status_code == 200
    assert [event["EventStatus"] for event in scheduled_events(host)["Events"]] == ["Started", "Started"]


def test_a_program_that_asks_for_its_name_first(azure, host):
    name = requests.get(
        f"http://{host}/metadata/instance/compute/name",
        params={"api-version": "2021-02-01", "format": "text"},
        headers=HEADERS,
        timeout=10,
    ).text
    azure.schedule("redeploy", resources=["web-0"])
    assert any(name in event["Resources"] for event in scheduled_events(host)["Events"])


def test_a_program_behind_a_proxy_setting_reaches_it_as_if_it_were_one(azure, monkeypatch):
    monkeypatch.delenv("NO_PROXY", raising=False)
    answer = requests.get(
        "http://169.254.169.254/metadata/scheduledevents?api-version=2020-07-01",
        headers=HEADERS,
        proxies={"http": azure.url},
        timeout=10,
    )
    assert answer.json() == {"DocumentIncarnation": 1, "Events": []}
