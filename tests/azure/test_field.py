"""What was seen in the field, and what other handlers made of it: each line of that experience, over a real socket."""

import json
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from stormcone.errors import ProviderError, RequestRefused
from stormcone.model import Cause, Impact, Machine, Observation, Phase
from stormcone_azure.provider import AzureProvider

ID = "C7061BAC-AFDC-4513-B24B-AA5F13A16123"
TIME = datetime(2022, 4, 11, 22, 26, 58, tzinfo=UTC)


class Line(NamedTuple):
    answers: tuple
    holds: object
    ask: object = AzureProvider.poll
    version: str = "2020-07-01"


class Told(NamedTuple):
    """What came of one answer each, and what was asked for it."""

    results: list
    asked: list

    @property
    def events(self):
        return [event for result in self.results for event in result.events]

    @property
    def event(self):
        (event,) = self.events
        return event


def events(*changes, incarnation=1, headers=None, **fields):
    documented = {
        "EventId": ID,
        "EventStatus": "Scheduled",
        "EventType": "Freeze",
        "ResourceType": "VirtualMachine",
        "Resources": ["vmss_18"],
        "NotBefore": "Mon, 11 Apr 2022 22:26:58 GMT",
        "Description": "Host server is undergoing maintenance.",
        "EventSource": "Platform",
        "DurationInSeconds": 5,
    }
    listed = [{**documented, **fields, **change} for change in changes or ({},)]
    listed = [{name: value for name, value in one.items() if value is not ...} for one in listed]
    return 200, json.dumps({"DocumentIncarnation": incarnation, "Events": listed}).encode(), headers


def says(status, body=b"", **headers):
    return status, body, {name.replace("_", "-"): value for name, value in headers.items()}


def machine(**fields):
    return 200, json.dumps({"name": "vmss_18", "vmId": "02aab8a4", "location": "westus", **fields}).encode(), None


def unknown(told):
    return all(isinstance(result, ProviderError) and result.passing for result in told.results)


def refused(told):
    return all(isinstance(result, RequestRefused) and not result.passing for result in told.results)


def approve(provider):
    (event,) = provider.poll().events
    provider.approve(event)
    return Observation()


def owns(name, *resources):
    return [Machine(provider="azure", id="02aab8a4", name=name).owns(resource) for resource in resources]


FIELD = {
    "body: an empty 200 is not 'no events'": Line((says(200),), unknown),
    "body: text/plain is not 'no events'": Line(
        (says(200, b"Scheduled Events is starting", Content_Type="text/plain"),), unknown
    ),
    "body: a document without Events is not 'no events'": Line((says(200, b'{"DocumentIncarnation": 1}'),), unknown),
    "body: the first answers may be such, and the next is read": Line(
        (says(200), says(200, b"{}"), events()), lambda told: told.results[-1].events[0].id == ID
    ),
    "body: a document counts whatever its header claims": Line(
        (events(headers={"Content-Type": "text/plain"}),), lambda told: told.event.id == ID
    ),
    "headers: an ETag is sent back and 304 is 'no change'": Line(
        (events(headers={"ETag": '"1"'}), says(304)),
        lambda told: told.results[0] == told.results[1] and told.asked[1].headers["if-none-match"] == '"1"',
    ),
    "body: fields of later versions are missing": Line(
        (events(Description=..., EventSource=..., DurationInSeconds=...),),
        lambda told: (told.event.cause, told.event.duration, told.results[0].problems) == (Cause.UNKNOWN, None, ()),
        version="2017-08-01",
    ),
    "body: a preview writes an underscore before names": Line(
        (events(Resources=["_vmss_18"]),), lambda told: told.event.resources == ("vmss_18",), version="2017-03-01"
    ),
    "body: unknown new fields are kept in the payload": Line(
        (events(Severity="high"),), lambda told: told.event.native["Severity"] == "high"
    ),
    "headers: an approval is application/json to the version that is polled": Line(
        (events(), says(200)),
        lambda told: (
            told.asked[1].headers["content-type"] == "application/json" and told.asked[0].target == told.asked[1].target
        ),
        ask=approve,
    ),
    "headers: http_proxy is not honoured, so no target is absolute": Line(
        (events(),), lambda told: told.asked[0].target == "/metadata/scheduledevents?api-version=2020-07-01"
    ),
    "values: NotBefore is RFC 1123": Line((events(),), lambda told: told.event.not_before == TIME),
    "values: NotBefore is ISO 8601 on test servers": Line(
        (events(NotBefore="2022-04-11T22:26:58Z"),), lambda told: told.event.not_before == TIME
    ),
    "values: NotBefore is empty once started": Line(
        (events(EventStatus="Started", NotBefore=""),),
        lambda told: (told.event.phase, told.event.not_before, told.results[0].problems) == (Phase.STARTED, None, ()),
    ),
    "values: an id in another case is the same event": Line(
        (events(), events(EventId=ID.lower())), lambda told: told.events[0].key == told.events[1].key
    ),
    "values: an id is echoed as it came": Line(
        (events(EventId=ID.lower()), says(200)),
        lambda told: told.asked[1].json == {"StartRequests": [{"EventId": ID.lower()}]},
        ask=approve,
    ),
    "values, and handlers, 3: names are compared whole and without case": Line(
        (events(Resources=["VM1", "vm10_0", "my-vm1"]),),
        lambda told: owns("vm1", *told.event.resources) == [True, False, False],
    ),
    "values, and handlers, 3: a host name is no name of the machine": Line(
        (machine(osProfile={"computerName": "vmss00000i"}),),
        lambda told: [told.results[0].owns(name) for name in ("vmss_18", "vmss00000i", "vmss")] == [True, False, False],
        ask=AzureProvider.identify,
    ),
    "values: DurationInSeconds is -1 for Reboot and Preempt": Line(
        (events({"EventType": "Reboot"}, {"EventType": "Preempt", "EventId": "another"}, DurationInSeconds=-1),),
        lambda told: [event.duration for event in told.events] == [None, None],
    ),
    "values: DurationInSeconds 0 is no interruption": Line(
        (events(DurationInSeconds=0),), lambda told: told.event.duration == timedelta(0)
    ),
    "values: Description may be empty": Line((events(Description=""),), lambda told: told.event.description == ""),
    "incarnation: it skips and starts over, and every document counts": Line(
        (events(incarnation=2), events(EventStatus="Started", incarnation=4), events(incarnation=1)),
        lambda told: (
            [(result.version, result.events[0].phase) for result in told.results]
            == [("2", Phase.SCHEDULED), ("4", Phase.STARTED), ("1", Phase.SCHEDULED)]
        ),
    ),
    "incarnation: the same one is read again": Line(
        (events(), events(EventType="Reboot")),
        lambda told: [event.impact for event in told.events] == [Impact.FREEZE, Impact.REBOOT],
    ),
    "errors: 404, 410, 429, 500 and 503 are passing": Line(tuple(map(says, (404, 410, 429, 500, 503))), unknown),
    "errors: Retry-After is honoured": Line(
        (says(410, Retry_After="70"), says(429, Retry_After="Mon, 11 Apr 2022 22:10:09 GMT")),
        lambda told: [result.retry_after for result in told.results] == [70.0, 9.0],
    ),
    "errors: 400 is the caller's fault": Line((says(400, b'{"error": "Bad request"}'),), refused),
    "errors: a redirect is not followed": Line(
        (says(302, Location="/metadata/scheduledevents"), events()),
        lambda told: isinstance(told.results[0], ProviderError) and len(told.asked) == 2,
    ),
    "errors: the instance endpoint may lack parts at early boot": Line(
        (says(200), machine(name=""), machine(vmId=None), machine()),
        lambda told: told.results[0].name == "vmss_18" and len(told.asked) == 4,
        ask=AzureProvider.identify,
    ),
    "handlers, 4: one unparsable date hides no event": Line(
        (events({"EventId": "odd", "NotBefore": "soon"}, {}),),
        lambda told: [event.id for event in told.events] == ["odd", ID] and len(told.results[0].problems) == 1,
    ),
    "handlers, 4: one unknown type or status hides no event": Line(
        (events({"EventId": "odd", "EventType": "Evacuate", "EventStatus": "Done"}, {}),),
        lambda told: [event.impact for event in told.events] == [Impact.UNKNOWN, Impact.FREEZE],
    ),
    "handlers, 4: an error body is unknown, and the next event is seen": Line(
        (says(200, b'{"error": "internal"}'), says(500, b"<html>"), events()),
        lambda told: unknown(Told(told.results[:2], [])) and told.results[2].events[0].id == ID,
    ),
}


@pytest.mark.parametrize("line", FIELD)
def test_field(scripted, provider, monkeypatch, dead_url, line):
    monkeypatch.setenv("http_proxy", dead_url)
    monkeypatch.delenv("no_proxy", raising=False)
    answers, holds, ask, version = FIELD[line]
    for status, body, headers in answers:
        scripted.answer(status, body, headers)
    azure = provider(scripted.url, api_version=version)
    results = []
    while scripted.steps:
        try:
            results.append(ask(azure))
        except ProviderError as error:
            results.append(error)
    assert holds(Told(results, scripted.asked))
