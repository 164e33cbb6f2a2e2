"""The pictures of the pages show what the rules' tables say, and a journal's own story."""

import re
import sys
from datetime import timedelta
from importlib import import_module
from xml.etree import ElementTree

import pytest

from stormcone import App, Handler, Impact, Machine, MaintenanceEvent, Phase, Stage
from stormcone.rules.approval import AGREEMENT, GUARDS, PREPARED, TURN
from stormcone.rules.changes import Change, ChangeKind
from stormcone.rules.lifecycle import MOVES
from stormcone.rules.runs import Run, RunState, machines_of, plan

NAMES = ("architecture", "life", "approval", "incident", "house")
MARGIN = 4


@pytest.fixture
def pictures(monkeypatch, root):
    monkeypatch.setattr(sys, "path", [str(root / "docs" / "_ext"), *sys.path])
    return import_module("stormcone_pictures")


@pytest.fixture
def drawn(pictures):
    """A picture by its name, as XML."""
    return lambda name: ElementTree.fromstring(pictures.PICTURES[name]())  # noqa: S314 - our own


def local(element):
    return element.tag.rpartition("}")[2]


def words_of(element):
    """Every text of a picture, its lines joined."""
    return [" ".join("".join(line.itertext()) for line in each) for each in element.iter() if local(each) == "text"]


class TestEveryPicture:
    def test_is_on_a_page(self, pictures, root):
        pages = "".join(page.read_text() for page in (root / "docs").glob("*.md"))
        assert set(re.findall(r"```\{stormcone-picture\} (\w+)\n", pages)) == set(pictures.PICTURES) == set(NAMES)

    @pytest.mark.parametrize("name", NAMES)
    def test_says_in_words_what_it_shows_and_leaves_colours_to_the_mode(self, drawn, name):
        root = drawn(name)
        (image,) = [each for each in root.iter() if local(each) == "svg"]
        assert len(image.get("aria-label")) > 20
        colours = {attribute for each in root.iter() for attribute in each.attrib if attribute in {"fill", "style"}}
        assert colours == set()

    @pytest.mark.parametrize("name", NAMES)
    def test_keeps_its_words_within_itself_and_within_their_boxes(self, pictures, drawn, name):
        root = drawn(name)
        (image,) = [each for each in root.iter() if local(each) == "svg"]
        _, _, width, height = map(float, image.get("viewBox").split())
        letter = import_module("svg").LETTER
        for each in root.iter():
            if local(each) != "text":
                continue
            shift = {"start": 0, "middle": 0.5, "end": 1}[each.get("text-anchor", "start")]
            for line in each:
                if line.get("x") is None:
                    continue
                long = len("".join(line.itertext())) * letter
                left = float(line.get("x")) - shift * long
                assert left >= -MARGIN, line.text
                assert left + long <= width + MARGIN, line.text
                assert float(line.get("y")) < height


class TestApproval:
    def test_has_every_rule_in_its_order_with_what_it_decides(self, drawn):
        rules = [*TURN, *GUARDS, *PREPARED, *AGREEMENT]
        groups = [each for each in drawn("approval").iter() if local(each) == "g"]
        assert [next(iter(each)).text for each in groups] == [rule.name for rule in rules]
        for rule, group in zip(rules, groups, strict=True):
            question, answer = words_of(group)
            assert rule.when in question
            assert answer == rule.answer.value

    def test_follows_the_table(self, pictures):
        new = GUARDS[0]._replace(name="new", when="it is a new rule")
        before, after = (pictures.approval((("group", rules),)) for rules in (GUARDS, (new, *GUARDS)))
        assert "it is a new rule?" in after
        assert "it is a new rule?" not in before

    def test_every_rule_says_when_in_words_of_its_own(self):
        said = [rule.when for rule in (*TURN, *GUARDS, *PREPARED, *AGREEMENT)]
        assert len(set(said)) == len(said)
        assert min(map(len, said)) > 10


class TestTheLife:
    def test_has_every_move_and_an_arrow_for_each(self, drawn):
        life = drawn("life")
        said = words_of(life)
        assert [move.when for move in MOVES if move.when not in said] == []
        arrows = [each for each in life.iter() if each.get("class") == "arrow"]
        assert len(arrows) == len(MOVES)

    def test_follows_the_table(self, pictures):
        assert MOVES[0].when.split()[0] not in pictures.life(MOVES[-1:])

    @pytest.mark.parametrize(
        ("phase", "kind"), [(Phase.SCHEDULED, "announced"), (Phase.STARTED, "started"), (Phase.ENDED, "ended")]
    )
    def test_names_the_stage_that_runs_in_each_phase(self, drawn, phase, kind):
        class All(Handler):
            def prepare(self, event, context): ...
            def started(self, event, context): ...
            def recover(self, event, context): ...

        machine = Machine(provider="azure", id="web-0", name="web-0")
        event = MaintenanceEvent(id="1", provider="azure", impact=Impact.REBOOT, phase=phase, resources=("web-0",))
        runs = [
            Run(id=1, episode=1, handler="All", stage=Stage.PREPARE, position=0, state=RunState.SUCCEEDED, attempt=1)
        ]
        change = Change(kind=ChangeKind(kind), event=event, before=None, episode=1)
        (new,) = plan(change, App([All()]), runs if phase is Phase.ENDED else [], machines_of(event, machine)).new
        assert f"{phase}: {new.stage} runs" in words_of(drawn("life"))


class TestTheIncident:
    def test_has_every_line_of_the_journals_story_at_its_time(self, pictures, drawn):
        story = import_module("stormcone_incident").story()
        said = words_of(drawn("incident"))
        for entry in story:
            assert any(entry.who in line and entry.what in line and entry.result in line for line in said)
        assert f"{(story[-1].at - story[0].at) // timedelta(minutes=1)}:06" in said

    def test_is_the_same_in_every_build(self, pictures):
        assert pictures.incident() == pictures.incident()

    def test_shows_what_the_page_says_of_it(self, pictures):
        story = import_module("stormcone_incident").story()
        told = [f"{entry.who} {entry.what}" for entry in story]
        assert "Pool prepare begins (attempt 2)" in told
        assert told.index("approval accepted") > told.index("Queue prepare ends")
        assert told.index("approval accepted") > told.index(
            "Pool prepare ends", told.index("Pool prepare begins (attempt 2)")
        )
        assert told.index("Queue recover begins") < told.index("Pool recover begins")
        approved = next(entry.at for entry in story if entry.what == "accepted")
        assert approved - story[0].at < timedelta(minutes=3)


class TestTheArchitecture:
    def test_names_every_cloud_that_there_is_a_provider_of(self, drawn):
        assert {"Alibaba", "AWS", "Azure", "Google"} <= set(words_of(drawn("architecture")))
