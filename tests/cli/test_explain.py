"""`stormcone explain` of a machine in a group: when its prepare begins is said once, and in one way."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from stormcone.model import Impact
from stormcone.text import iso, stamp
from stormcone_simulators.azure import AzureSimulator

HANDLERS = """
from datetime import datetime, timedelta
from stormcone import App

app = App()


@app.prepare(timeout=timedelta(minutes=5))
def drain(event, context):
    pass
"""

FLEET = """
[fleet]
url = "{url}"

[groups.web]
max_unavailable = 1
machines = ["web-*"]
"""


@pytest.fixture
def explained(stormcone: Any, postgresql: Any, database: str, tmp_path: Any) -> Iterator[Any]:
    """What is said of an event of web-0, whose fleet has no other members, and the event's time."""
    pytest.importorskip("psycopg")
    (tmp_path / "handlers.py").write_text(HANDLERS)
    (tmp_path / "stormcone.toml").write_text(FLEET.format(url=postgresql.url(database)))
    with AzureSimulator(["web-0"]) as simulator:
        made = ("--config", "stormcone.toml", "--provider", "azure", "--endpoint", simulator.url)

        def explain(*more: str, notice: timedelta) -> Any:
            simulator.schedule(Impact.REBOOT, resources=["web-0"], notice=notice)
            (event,) = simulator.events()
            return stormcone("explain", "handlers.py", *made, *more), datetime.fromisoformat(event["not_before"])

        yield explain


def prepares(said: Any) -> list[str]:
    return [line.strip() for line in said.out.splitlines() if "prepare" in line and "approved" not in line]


def test_what_waits_for_its_turn_is_not_said_to_begin_at_once(explained: Any) -> None:
    said, time = explained(notice=timedelta(minutes=30))
    assert prepares(said) == [
        f"drain.prepare: at its turn, until {stamp(time)}",
        f"prepare waits for its turn in web, until {stamp(time - timedelta(minutes=5))} at the most",
    ]


def test_what_is_due_later_says_from_when_on(explained: Any) -> None:
    said, time = explained(notice=timedelta(hours=3))
    begins = stamp(time - timedelta(hours=1))
    assert prepares(said)[0] == f"drain.prepare: at its turn, from {begins}, until {stamp(time)}"


def test_what_may_not_wait_begins_at_once(explained: Any) -> None:
    said, _ = explained(notice=timedelta(minutes=1))
    begins, turn = prepares(said)
    assert begins.startswith("drain.prepare: at once, until ")
    assert turn == "prepare does not wait for its turn in web: it is no more than 2 min ahead"


def test_programs_are_told_the_same(explained: Any) -> None:
    said, time = explained("--json", notice=timedelta(minutes=30))
    (found,) = said.json["events"]
    (stage,) = found["handlers"][0]["stages"]
    assert (stage["at_once"], stage["waits_for_turn"], stage["deadline"]) == (False, True, iso(time))
    until = iso(time - timedelta(minutes=5))
    assert found["turn"] == {"groups": ["web"], "waits": True, "why_not": None, "until": until}
