"""What commands print: for people, and as JSON whose keys are pinned here."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click import unstyle

from stormcone.agent.engine import Engine
from stormcone.cli.render import event_text, story_text
from stormcone.clock import Instant
from stormcone.handlers import App
from stormcone.journal import Journal
from stormcone.journal.timeline import TimelineEntry
from stormcone.model import Approval, Cause, Impact, Machine, MaintenanceEvent, Observation, Outcome, Phase
from stormcone.rules.approval import ApprovalAnswer
from stormcone.text import span

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MACHINE = Machine(provider="azure", id="1", name="web-0", region="westeurope")

Run = Callable[..., Any]


def event(**changes: Any) -> MaintenanceEvent:
    return MaintenanceEvent.model_validate(
        {
            "id": "C7061BAC-AFDC-4513-B24B-AA5F13A16123",
            "provider": "azure",
            "impact": Impact.REBOOT,
            "cause": Cause.MAINTENANCE,
            "phase": Phase.SCHEDULED,
            "resources": ("web-0", "web-1"),
            "not_before": NOW + timedelta(minutes=15),
            "approval": Approval.STARTS,
            **changes,
        }
    )


def keys(document: Any) -> Any:
    """A document without its values: what programs rely on."""
    if isinstance(document, dict):
        return {name: keys(value) for name, value in document.items() if name != "native"}
    if isinstance(document, list):
        return [keys(document[0])] if document else []
    return None


EVENT_KEYS = dict.fromkeys(name for name in MaintenanceEvent.model_fields if name not in {"native", "resources"})
EVENT_KEYS |= {"resources": [None], "aliases": {}}
MACHINE_KEYS = dict.fromkeys(
    ["cloud.provider", "cloud.region", "cloud.account.id", "host.id", "host.name", "cloud.availability_zone"]
)


class TestJson:
    def test_of_events(self, stormcone: Run, simulator: Any) -> None:
        simulator.schedule(Impact.REBOOT, resources=["web-0"])
        document = stormcone("events", "--json", "--provider", "azure", "--endpoint", simulator.url).json
        assert document["machine"].keys() <= MACHINE_KEYS.keys()
        assert keys(document["events"]) == [{**EVENT_KEYS, "affects_this_machine": None}]
        assert document["problems"] == []
        assert document["events"][0]["affects_this_machine"] is True

    def test_of_approve(self, stormcone: Run, simulator: Any) -> None:
        identifier = simulator.schedule(Impact.REBOOT, resources=["web-0", "web-1"])
        document = stormcone(
            "approve", identifier.lower(), "--yes", "--json", "--provider", "azure", "--endpoint", simulator.url
        ).json
        assert document == {"approved": identifier, "resources": ["web-0", "web-1"]}

    def test_of_history(self, stormcone: Run, tmp_path: Path) -> None:
        with Journal.open(tmp_path / "journal.db") as book:
            Engine(book, App(), MACHINE).observe(Observation(events=(event(),)), Instant.of(NOW))
        document = stormcone("history", "--json").json
        assert keys(document) == {
            "events": [
                {
                    "event": EVENT_KEYS,
                    **dict.fromkeys(["episode", "first_seen", "started", "ended", "approved", "decision"]),
                    "timeline": [dict.fromkeys(["at", "who", "what", "result"])],
                }
            ]
        }

    def test_of_providers(self, stormcone: Run) -> None:
        document = stormcone("providers", "--json").json
        row = {"name": None, "distribution": None, "can": [None], "lacks": None}
        assert keys(document) == {group: {"found": [row], "broken": []} for group in ("providers", "simulators")}

    def test_of_doctor(self, stormcone: Run, simulator: Any) -> None:
        document = stormcone("doctor", "--json", "--provider", "azure", "--endpoint", simulator.url).json
        assert keys(document) == {"checks": [dict.fromkeys(["name", "ok", "found", "light", "advice"])]}
        assert [check["name"] for check in document["checks"]] == [
            *("journal", "agent", "boot id", "providers", "simulators", "sinks"),
            *("cloud azure", "azure names", "azure events", "azure latency", "azure permissions"),
        ]

    def test_of_each_simulated_step(self, stormcone: Run, simulator: Any) -> None:
        def simulate(*words: str) -> Any:
            return stormcone("simulate", *words, "--json", "--endpoint", simulator.url).json

        made = simulate("reboot", "--machine", "web-0", "--in", "1h30m")
        (first,) = made["ids"]
        assert made == {
            "ids": [first],
            "impact": "reboot",
            "machines": ["web-0"],
            "not_before": (simulator.clock.now() + timedelta(minutes=90)).isoformat(),
        }
        assert simulate("start", first) == {"started": first}
        assert simulate("complete", first) == {"ended": first, "outcome": "completed"}
        (second,) = simulate("freeze", "--machine", "web-0")["ids"]
        assert simulate("cancel", second) == {"canceled": [second]}
        name = simulator.scenarios()[0]
        assert simulate("scenario", name) == {"playing": name}
        assert simulate("advance", "15m") == {"now": simulator.clock.now().isoformat()}


class TestEvents:
    def test_are_shown_with_their_whole_ids_and_when_they_come(self) -> None:
        assert event_text(event(description="Host server is undergoing maintenance."), MACHINE, NOW).splitlines() == [
            "▶ \x1b[33m\x1b[1mreboot of web-0, web-1\x1b[0m: scheduled, not before 2026-01-01 00:15:00Z (in 15 min)",
            "  C7061BAC-AFDC-4513-B24B-AA5F13A16123",
            "  cause: maintenance, approving lets it start early",
            "  Host server is undergoing maintenance.",
        ]

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"phase": Phase.STARTED, "not_before": None}, "started"),
            ({"not_before": None}, "scheduled, at a time not known"),
            ({"not_before": NOW - timedelta(seconds=1)}, "scheduled, not before 2025-12-31 23:59:59Z (due)"),
        ],
    )
    def test_say_what_is_known_of_their_time(self, changes: dict[str, Any], said: str) -> None:
        first = event_text(event(**changes), MACHINE, NOW).splitlines()[0]
        assert first.endswith(f": {said}")

    @pytest.mark.parametrize("approval", Approval)
    def test_say_what_approving_would_do(self, approval: Approval) -> None:
        lines = event_text(event(approval=approval), MACHINE, NOW).splitlines()
        assert "approv" in lines[2]

    def test_that_touch_this_machine_have_an_arrow(self) -> None:
        lines = [event_text(event(resources=names), MACHINE, NOW) for names in (["WEB-0"], ["web-00"])]
        assert [line[0] for line in lines] == ["▶", " "]

    def test_that_name_others_only_are_told_with_the_names_seen(self, stormcone: Run, simulator: Any) -> None:
        simulator.schedule(Impact.REBOOT, resources=["web-0", "web-1"])
        for command, status in (("events", 0), ("doctor", 1)):
            said = stormcone(command, "--provider", "azure", "--endpoint", simulator.url, "--machine", "web-9")
            assert said.status == status
            assert "no event names this machine (web-9); they name web-0, web-1" in said.out + said.err

    def test_under_a_wrong_name_are_not_approved(self, stormcone: Run, simulator: Any) -> None:
        event = simulator.schedule(Impact.REBOOT, resources=["web-1"])
        reach = ("--provider", "azure", "--endpoint", simulator.url, "--machine", "web-1")
        said = stormcone("approve", event, *reach)
        assert (said.status, simulator.events()[0]["approved_by"]) == (70, [])
        assert "the cloud calls this machine web-0, not web-1: nothing is approved in that name" in said.err
        said = stormcone("doctor", *reach)
        assert "✗ azure machine: the cloud calls this machine web-0, not web-1" in said.out

    def test_are_none_where_nothing_is_announced(self, stormcone: Run, simulator: Any) -> None:
        said = stormcone("events", "--provider", "azure", "--endpoint", simulator.url)
        assert (said.status, said.out, said.err) == (0, "Nothing is announced for web-0.\n", "")


class TestHistory:
    def test_of_no_events_says_so(self, stormcone: Run, tmp_path: Path) -> None:
        Journal.open(tmp_path / "journal.db").close()
        assert stormcone("history").out == "The journal has no events yet.\n"

    def test_shows_one_event_by_its_id_in_any_case_and_as_many_as_are_asked_for(
        self, stormcone: Run, tmp_path: Path
    ) -> None:
        events = tuple(event(id=f"E-{number}") for number in range(3))
        with Journal.open(tmp_path / "journal.db") as book:
            Engine(book, App(), MACHINE).observe(Observation(events=events), Instant.of(NOW))
        assert [entry["event"]["id"] for entry in stormcone("history", "e-1", "--json").json["events"]] == ["E-1"]
        last = stormcone("history", "--last", "2", "--json").json["events"]
        assert [entry["event"]["id"] for entry in last] == ["E-1", "E-2"]

    def test_tells_why_an_event_was_not_approved_in_lines_that_are_whole_however_narrow_the_terminal(
        self, stormcone: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "40")
        with Journal.open(tmp_path / "journal.db") as book:
            engine = Engine(book, App(), MACHINE)
            engine.observe(Observation(events=(event(),)), Instant.of(NOW))
            (decided,) = engine.decisions.approve(Instant.of(NOW), (), {""}, ask=False)
            engine.observe(Observation(), Instant.of(NOW + timedelta(minutes=20)))
        assert decided.decision.answer is ApprovalAnswer.NO
        lines = stormcone("history").out.splitlines()
        assert lines[0] == f"reboot of web-0, web-1 — {Outcome.COMPLETED}  {event().id}"
        assert lines[1] == "├── 2026-01-01 00:00:00Z  cloud  announced: not before 2026-01-01 00:15:00Z"
        assert lines[-1] == "└── not approved: it also names web-1 and web-0 is not their leader"


HOSTILE = "\x1b]0;owned\x07\x1b[31m\r\nweb-0\u202e\x9b"


def assert_harmless(said: Any) -> None:
    for text in (said.out, said.err):
        assert all(line.isprintable() for line in text.split("\n")), text


class TestTextFromOutside:
    """A description, a name or an id may hold terminal escapes; none of them reaches the terminal."""

    DOCUMENT = {  # noqa: RUF012
        "DocumentIncarnation": 1,
        "Events": [
            {
                "EventId": f"E-1{HOSTILE}",
                "EventStatus": "Scheduled",
                "EventType": f"Flood{HOSTILE}",
                "Resources": [HOSTILE, "web-0"],
                "NotBefore": f"soon{HOSTILE}",
                "Description": HOSTILE,
            }
        ],
    }
    COMPUTE = {"name": f"web-0{HOSTILE}", "vmId": "1", "location": HOSTILE}  # noqa: RUF012

    def test_in_events(self, stormcone: Run, hostile: Any) -> None:
        url = hostile(self.DOCUMENT, compute=self.COMPUTE)
        said = stormcone("events", "--provider", "azure", "--endpoint", url)
        assert said.status == 0
        assert "E-1" in said.out
        assert "no event names this machine" in said.err
        assert_harmless(said)

    def test_in_events_where_nothing_is_announced(self, stormcone: Run, hostile: Any) -> None:
        url = hostile({"DocumentIncarnation": 1, "Events": []}, compute=self.COMPUTE)
        assert_harmless(stormcone("events", "--provider", "azure", "--endpoint", url))

    def test_in_doctor(self, stormcone: Run, hostile: Any) -> None:
        url = hostile(self.DOCUMENT, compute=self.COMPUTE, clock=False)
        said = stormcone("doctor", "--provider", "azure", "--endpoint", url)
        assert "this is web-0" in said.out
        assert_harmless(said)

    def test_in_approve(self, stormcone: Run, hostile: Any) -> None:
        url = hostile(self.DOCUMENT, clock=False)
        said = stormcone("approve", f"E-1{HOSTILE}", "--provider", "azure", "--endpoint", url)
        assert said.status == 1
        assert "give --yes if that is right" in said.err
        assert_harmless(said)

    def test_in_approve_that_succeeds(self, stormcone: Run, hostile: Any, scripted: Any) -> None:
        url = hostile(self.DOCUMENT, clock=False)
        scripted.answer(200)
        said = stormcone("approve", f"E-1{HOSTILE}", "--yes", "--provider", "azure", "--endpoint", url)
        assert said.status == 0
        assert_harmless(said)

    def test_in_approve_of_an_unknown_id(self, stormcone: Run, hostile: Any) -> None:
        url = hostile(self.DOCUMENT, clock=False)
        said = stormcone("approve", "E-2", "--provider", "azure", "--endpoint", url)
        assert said.status == 70
        assert_harmless(said)

    def test_in_history(self, stormcone: Run, tmp_path: Path) -> None:
        machine = Machine(provider="azure", id="1", name=f"db{HOSTILE}")
        seen = event(id=HOSTILE, resources=(HOSTILE, machine.name), description=HOSTILE)
        with Journal.open(tmp_path / "journal.db") as book:
            engine = Engine(book, App(), machine)
            engine.observe(Observation(events=(seen,)), Instant.of(NOW))
            list(engine.decisions.approve(Instant.of(NOW), (), {""}, ask=False))
        said = stormcone("history")
        assert "not approved: it also names" in said.out
        assert_harmless(said)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (45.4, "45 s"),
        (119.6, "2 min"),
        (299, "4 min 59 s"),
        (299.6, "5 min"),
        (899, "15 min"),
        (889, "15 min"),
        (869, "14 min"),
        (7199, "2 h"),
        (7500, "2 h 5 min"),
        (172799, "2 d"),
        (7 * 86400 - 1, "7 d"),
        (3 * 86400 + 5 * 3600, "3 d 5 h"),
    ],
)
def test_a_length_of_time_is_told_to_the_nearest(seconds: float, text: str) -> None:
    assert span(timedelta(seconds=seconds)) == text


def test_a_verdict_is_told_in_words_and_names_stay_as_they_are(tmp_path: Path) -> None:
    entries = [
        TimelineEntry(NOW, "lb", "prepare ends", "gave_up: no_such_pool"),
        TimelineEntry(NOW, "cloud", "taken for another", "as gave_up_1, taken for the same"),
    ]
    with Journal.open(tmp_path / "journal.db") as book:
        Engine(book, App(), MACHINE).observe(Observation(events=(event(),)), Instant.of(NOW))
        text = unstyle(story_text(book.episodes()[0], entries))
    assert "prepare ends: gave up: no_such_pool" in text
    assert "as gave_up_1, taken for the same" in text
