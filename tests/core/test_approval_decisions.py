"""The table of approval decisions in the docs, row by row, and in every combination of its columns."""

import itertools
import tomllib
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stormcone.handlers import App, Stage
from stormcone.model import Machine
from stormcone.rules.approval import Facts, decide
from stormcone.rules.runs import Run, RunState

TABLE = tomllib.loads((Path(__file__).parents[2] / "docs" / "data" / "approval-decisions.toml").read_text("utf-8"))
COLUMNS = TABLE["columns"]
ROWS = TABLE["row"]

US = Machine(provider="test", id="vm-0", name="web-0")
OTHER = "db-0"
LONG_AGO = timedelta(minutes=30)
NOW = datetime(2026, 1, 1, tzinfo=UTC)

NAMES = {"ours": ["web-0"], "ours and others": [OTHER, "web-0"], "others": [OTHER, "db-1"], "nobody": []}
APPROVING = {
    "not possible": ("none", {}),
    "lets it begin": ("starts", {}),
    "lets it begin, near enough for the app": ("starts", {"approve_early": timedelta(minutes=15)}),
    "lets it begin, too early for the app": ("starts", {"approve_early": timedelta(minutes=14)}),
    "begins it now, near enough for the app": ("triggers", {"approve_early": timedelta(minutes=15)}),
    "begins it now, too early for the app": ("triggers", {"approve_early": timedelta(minutes=14)}),
    "begins it now, which the app does not ask for": ("triggers", {}),
    "is consent, which the app gives": ("consent", {"approve_consent": True}),
    "is consent, which the app does not give": ("consent", {}),
}
POLICY = {
    "prepared": "prepared",
    "never": "never",
    "the app says yes": lambda _event, _prepared: True,
    "the app says no": lambda _event, _prepared: False,
}
PREPARE = {
    "no handler": [],
    "goes on": [RunState.SUCCEEDED, RunState.RUNNING],
    "succeeded": [RunState.SUCCEEDED, RunState.SUCCEEDED],
    "failed": [RunState.SUCCEEDED, RunState.FAILED],
    "vetoed": [RunState.RUNNING, RunState.VETOED],
}
LEADER = {
    "nobody": {},
    "us": {"leader": "web-0"},
    "another": {"leader": "first"},
    "another, and we stand by": {"leader": "first", "standby": "web-0", "standby_after": LONG_AGO * 2},
    "another, silent for too long, and we stand by": {
        "leader": "first",
        "standby": "web-0",
        "standby_after": LONG_AGO,
    },
}


def first_fitting(case):
    return next(
        number
        for number, row in enumerate(ROWS)
        if all(case[column] in row[column] for column in COLUMNS if column in row)
    )


def every_case():
    for values in itertools.product(*COLUMNS.values()):
        yield dict(zip(COLUMNS, values, strict=True))


def runs(states):
    return [
        Run(id=n, episode=1, handler=f"h{n}", stage=Stage.PREPARE, position=n, state=state, attempt=1)
        for n, state in enumerate(states)
    ]


def answer(case, event):
    approving, settings = APPROVING[case["approving"]]
    short = case["short_freeze"] != "no"
    app = App(
        approve=POLICY[case["policy"]],
        approve_short_freeze=short,
        **settings,
        **LEADER[case["leader"]],
    )
    about = event(
        resources=NAMES[case["names"]],
        approval=approving,
        cause=case["cause"],
        impact="freeze" if short else "reboot",
        duration=timedelta(seconds=8) if short else None,
    )
    return decide(
        Facts(event=about, machine=US, runs=runs(PREPARE[case["prepare"]]), app=app, now=NOW, known_for=LONG_AGO)
    ).answer


CASES_OF_ROW = {number: [] for number in range(len(ROWS))}
for _case in every_case():
    CASES_OF_ROW[first_fitting(_case)].append(_case)


@pytest.mark.parametrize("number", CASES_OF_ROW, ids=lambda number: f"row {number + 1}: {ROWS[number]['why'][:40]}")
def test_every_combination_is_decided_as_its_row_says(number, event):
    cases = CASES_OF_ROW[number]
    assert cases, "no combination comes to this row"
    answers = Counter(answer(case, event) for case in cases)
    assert answers == {ROWS[number]["decision"]: len(cases)}


def test_the_rows_leave_no_combination_out():
    assert sum(map(len, CASES_OF_ROW.values())) == len(list(every_case())) == 14400


def test_a_cause_of_the_users_own_changes_no_decision(event):
    for case in itertools.islice(every_case(), 0, None, 2):
        assert answer({**case, "cause": "user"}, event) == answer({**case, "cause": "maintenance"}, event)
