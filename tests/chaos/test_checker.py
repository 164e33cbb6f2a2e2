"""The checker of the attack finds nothing in a sound story, and in each spoilt one what is spoilt."""

import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

CHAOS = Path(__file__).parents[2] / "chaos"


@pytest.fixture(scope="module", autouse=True)
def modules():
    """The attack's modules, which stand beside one another."""
    sys.path.insert(0, str(CHAOS))
    yield
    sys.path.remove(str(CHAOS))


class Record:
    """A round in which one event of ours was prepared for, approved and recovered from, by a command."""

    def __init__(self) -> None:
        self.plan = {"cloud": "azure", "handlers": "commands", "speed": 5.0}
        self.lines = [
            self.line(0.0, "starts", life=1),
            self.line(0.5, "event", event="E-1", kind="ours", begun=0.4),
            self.line(1.0, "told", events={"E-1": "Scheduled"}),
            self.line(1.3, "approval", ids=["E-1"], fault=""),
            self.line(1.4, "approved", ids=["E-1"], status=200, whole=True),
            self.line(3.1, "over", event="E-1", begun=3.0, how="completed"),
            self.line(20.0, "size", resident=70_000_000, journal=80_000, log=20_000, lives=1),
            self.line(21.0, "stop", life=1),
            self.line(21.4, "stopped", life=1, status=0, seconds=0.4, over=21.4),
        ]
        self.deeds = [
            self.deed(1.1, "begins", "prepare"),
            self.deed(1.2, "ends", "prepare", how="well"),
            self.deed(3.2, "begins", "recover"),
            self.deed(3.3, "ends", "recover", how="well"),
        ]

    @staticmethod
    def line(at: float, what: str, **values: Any) -> dict[str, Any]:
        return {"at": at, "what": what, **values}

    @staticmethod
    def deed(at: float, does: str, stage: str, **values: Any) -> dict[str, Any]:
        usual = {"life": 1, "event": "E-1", "handler": "commands", "attempt": 1}
        return {"at": at, "does": does, "stage": stage, **usual, **values}

    def found(self, what: str) -> dict[str, Any]:
        return next(line for line in self.lines if line["what"] == what)

    def second_life(self, at: float) -> None:
        """The first life is killed, and another one begins."""
        self.lines += [self.line(at, "killed", life=1, status=-9, over=at), self.line(at, "starts", life=2)]
        self.found("stop")["life"] = self.found("stopped")["life"] = 2
        for deed in self.deeds:
            deed["life"] = 1 if deed["at"] < at else 2

    def breaches(self) -> list[str]:
        from checker import breaches
        from story import Story

        story = Story(self.plan, deepcopy(self.lines), deepcopy(self.deeds))
        return [breach.partition(":")[0] for breach in breaches(story)]


def another(record: Record, kind: str) -> None:
    record.found("event")["kind"] = kind


def no_recover(record: Record) -> None:
    del record.deeds[2:]


def recover_that_failed(record: Record) -> None:
    record.deeds[3]["how"] = "retry"


def recover_alone(record: Record) -> None:
    del record.deeds[:2]
    record.lines = [line for line in record.lines if line["what"] not in {"approval", "approved", "told"}]


def recover_too_early(record: Record) -> None:
    record.deeds[2]["at"], record.deeds[3]["at"] = 2.0, 2.1


def prepare_after_recover(record: Record) -> None:
    record.deeds += [record.deed(4.0, "begins", "prepare", attempt=2), record.deed(4.1, "ends", "prepare", how="retry")]


def nobody_prepared(record: Record) -> None:
    record.deeds.clear()
    record.lines = [line for line in record.lines if line["what"] not in {"approval", "approved"}]
    record.found("over")["begun"] = 15.0


def neighbours_event(record: Record) -> None:
    another(record, "other's")


def approval_for_neighbours(record: Record) -> None:
    another(record, "both's")


def approval_of_what_was_unreadable(record: Record) -> None:
    another(record, "unreadable")


def approval_too_early(record: Record) -> None:
    record.deeds[1]["at"] = 1.35


def approval_after_a_failure(record: Record) -> None:
    record.deeds[1]["how"] = "gives up"


def approval_twice(record: Record) -> None:
    record.lines.append(record.line(1.6, "approval", ids=["E-1"], fault=""))


def approval_twice_over_lives(record: Record) -> None:
    record.second_life(8.0)
    record.lines.append(record.line(9.0, "approval", ids=["E-1"], fault=""))


def no_approval(record: Record) -> None:
    record.lines = [line for line in record.lines if line["what"] not in {"approval", "approved"}]
    record.lines.append(record.line(0.2, "calm"))
    record.found("over")["begun"] = 6.0
    record.deeds[2]["at"], record.deeds[3]["at"] = 6.2, 6.3


def two_stages_at_once(record: Record) -> None:
    record.deeds += [record.deed(1.15, "begins", "started")]


def dead_command(record: Record) -> None:
    record.second_life(2.0)
    record.deeds.append(record.deed(3.25, "works", "prepare"))


def done_twice(record: Record) -> None:
    record.deeds += [record.deed(3.5, "begins", "recover", attempt=2), record.deed(3.6, "ends", "recover", how="well")]


def same_attempt_twice(record: Record) -> None:
    record.deeds[3]["how"] = "retry"
    record.deeds += [record.deed(3.5, "begins", "recover"), record.deed(3.6, "ends", "recover", how="well")]


def told_for_nothing(record: Record) -> None:
    record.deeds.insert(1, record.deed(1.15, "told", "prepare"))


def killed_without_grace(record: Record) -> None:
    record.deeds[2:] = [record.deed(20.9, "begins", "recover"), record.deed(21.1, "told", "recover")]


def does_not_stop(record: Record) -> None:
    record.lines.append(record.line(21.3, "does not stop", life=1, seconds=14.0))


def stops_badly(record: Record) -> None:
    record.found("stopped")["status"] = 1


def ends_by_itself(record: Record) -> None:
    record.lines.append(record.line(20.5, "ended by itself", life=1, status=1, over=20.5))


def intruder_that_stays(record: Record) -> None:
    record.lines += [
        record.line(5.0, "starts", life=9, intruder=True),
        record.line(6.0, "intruder ended", life=9, status=-9, beside=True),
    ]


def intruder_that_works(record: Record) -> None:
    intruder_that_stays(record)
    record.found("intruder ended")["status"] = 75
    record.deeds[2]["life"] = record.deeds[3]["life"] = 9


def memory(record: Record) -> None:
    record.found("size")["resident"] = 300_000_000


def journal(record: Record) -> None:
    record.found("size")["journal"] = 5_000_000


def log(record: Record) -> None:
    record.found("size")["log"] = 50_000_000


def secrets(record: Record) -> None:
    record.deeds[0]["secrets"] = ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"]


FAULTS = {
    no_recover: "recovers",
    recover_that_failed: "recovers",
    recover_alone: "recovers_from_something",
    recover_too_early: "recovers_late_enough",
    prepare_after_recover: "recovers_late_enough",
    nobody_prepared: "prepares",
    neighbours_event: "leaves_others_alone",
    approval_for_neighbours: "approves_nobody_elses",
    approval_of_what_was_unreadable: "approves_nobody_elses",
    approval_too_early: "approves_in_time",
    approval_after_a_failure: "approves_in_time",
    approval_twice: "approves_once",
    approval_twice_over_lives: "approves_once",
    no_approval: "approves_at_all",
    two_stages_at_once: "one_stage_at_a_time",
    dead_command: "dead_lives_rest",
    done_twice: "done_is_done",
    same_attempt_twice: "attempts_are_counted",
    told_for_nothing: "ends_nothing_without_reason",
    killed_without_grace: "gives_grace",
    does_not_stop: "stops_as_promised",
    stops_badly: "stops_as_promised",
    ends_by_itself: "lives_on",
    intruder_that_stays: "keeps_its_journal_to_itself",
    intruder_that_works: "keeps_its_journal_to_itself",
    memory: "stays_small",
    journal: "stays_small",
    log: "stays_small",
    secrets: "keeps_secrets",
}


class TestTheChecker:
    def test_finds_nothing_in_a_sound_story(self):
        assert Record().breaches() == []

    @pytest.mark.parametrize(("spoil", "rule"), FAULTS.items(), ids=[spoil.__name__ for spoil in FAULTS])
    def test_finds(self, spoil, rule):
        record = Record()
        spoil(record)
        assert rule in record.breaches()

    def test_has_a_test_for_each_rule(self):
        from checker import RULES

        assert {rule.__name__ for rule in RULES} == set(FAULTS.values())

    def test_forgives_what_was_lost_with_a_life_or_its_answer(self):
        record = Record()
        record.second_life(1.45)
        record.lines.append(record.line(1.9, "approval", ids=["E-1"], fault=""))
        assert record.breaches() == []
        record = Record()
        record.found("approved")["whole"] = False
        record.lines.append(record.line(1.9, "approval", ids=["E-1"], fault=""))
        assert record.breaches() == []

    @pytest.mark.parametrize(("kind", "breaches"), [("ours", []), ("both's", ["recovers"])])
    def test_lets_an_event_go_on_under_another_id_that_it_may_have(self, kind, breaches):
        record = Record()
        record.found("over")["begun"] = 1.5
        record.lines += [
            record.line(1.4, "event", event="E-2", kind=kind, begun=1.4),
            record.line(1.6, "told", events={"E-2": "Started"}),
            record.line(3.1, "over", event="E-2", begun=3.0, how="completed"),
        ]
        for deed in record.deeds[2:]:
            deed["event"] = "E-2"
        record.found("stopped")["over"] = 30.0
        assert record.breaches() == breaches

    @pytest.mark.parametrize(("whole", "breaches"), [(False, []), (True, ["recovers"])])
    def test_lets_an_event_of_which_a_part_could_be_read_go_on_as_one_of_fewer_machines(self, whole, breaches):
        record = Record()
        another(record, "listed twice")
        record.lines = [line for line in record.lines if line["what"] not in {"approval", "approved"}]
        record.found("told")["whole"] = whole
        record.found("over")["begun"] = 1.5
        record.lines += [
            record.line(1.4, "event", event="E-2", kind="unreadable", begun=1.4),
            record.line(1.6, "told", events={"E-2": "Started"}),
            record.line(3.1, "over", event="E-2", begun=3.0, how="completed"),
        ]
        for deed in record.deeds[2:]:
            deed["event"] = "E-2"
        record.found("stopped")["over"] = 30.0
        assert record.breaches() == breaches

    @pytest.mark.parametrize(
        ("full", "breaches"), [(None, ["stops_as_promised"]), (19.5, []), (5.0, ["stops_as_promised"])]
    )
    def test_lets_an_agent_say_that_its_journal_could_not_be_opened_where_its_disk_was_full_then(self, full, breaches):
        record = Record()
        record.second_life(19.0)
        record.found("stopped")["status"] = 74
        if full is not None:
            record.lines += [record.line(full, "disk full"), record.line(full + 1.0, "disk free")]
            record.lines.sort(key=lambda line: line["at"])
        assert record.breaches() == breaches

    def test_knows_how_long_the_attack_itself_stood_still(self):
        from story import Story

        record = Record()
        record.lines += [record.line(at, "load", each=1.0) for at in (2.0, 4.1, 30.0, 32.0)]
        assert Story(record.plan, record.lines, record.deeds).stalled == pytest.approx(25.9)

    def test_knows_nothing_of_the_agent(self):
        for name in ("checker", "story", "kinds"):
            assert "import stormcone" not in (CHAOS / f"{name}.py").read_text()
            assert "from stormcone" not in (CHAOS / f"{name}.py").read_text()
