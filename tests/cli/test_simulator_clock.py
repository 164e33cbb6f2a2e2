"""`stormcone simulator --start`: a clock that begins on another day."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from stormcone.model import Impact
from stormcone.simulators.control_client import ControlClient
from stormcone.text import moment_of

PROGRAM = str(Path(sys.executable).with_name("stormcone"))


@pytest.mark.parametrize("cloud", ["azure", "alibaba", "aws", "google"])
def test_every_simulator_begins_when_it_is_told_and_goes_on_at_its_speed(cloud):
    serve = [PROGRAM, "simulator", cloud, "--machine", "i-web0", "--port", "0", "--json"]
    with subprocess.Popen(
        [*serve, "--start", "2032-02-29T23:59:50+02:00", "--speed", "3600"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            ready = json.loads(process.stdout.readline())
            with ControlClient(ready["url"]) as control:
                first, second = control.now(), control.now()
                (identifier,) = control.simulate(
                    Impact.REBOOT, resources=["i-web0"], not_before=datetime(2032, 4, 1, tzinfo=UTC)
                )
                (event,) = control.call("GET", "events")["events"]
        finally:
            process.terminate()
    begun = datetime(2032, 2, 29, 21, 59, 50, tzinfo=UTC)
    assert begun < first < second < begun + timedelta(days=10)
    assert event["id"] == identifier
    assert (event["created_at"][:4], event["not_before"][:10]) == ("2032", "2032-04-01")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-29", datetime(2026, 3, 29, tzinfo=UTC)),
        (" 2026-03-29T01:59:30Z ", datetime(2026, 3, 29, 1, 59, 30, tzinfo=UTC)),
        ("2026-03-29 01:59", datetime(2026, 3, 29, 1, 59, tzinfo=UTC)),
        ("2026-03-29T01:59:30+02:00", datetime(2026, 3, 29, 1, 59, 30, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_a_moment_is_utc_unless_it_says_otherwise(text, moment):
    assert moment_of(text) == moment
    assert moment_of(text).tzinfo is UTC


@pytest.mark.parametrize("text", ["", "now", "1 May", "2026-13-01", "1969-12-31T23:59Z", "3000-01-01"])
def test_what_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"is not a date; write|is not of the years 1970 to 2999"):
        moment_of(text)
