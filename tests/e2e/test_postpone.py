"""`stormcone postpone`, the program, on an EC2 region that is simulated."""

from datetime import datetime, timedelta

import pytest

HERE = ("--region", "us-east-1", "--set", "scope=region")
WEEK = timedelta(days=7)


@pytest.fixture
def region(clouds, home):
    home.env |= {"AWS_ACCESS_KEY_ID": "testid", "AWS_SECRET_ACCESS_KEY": "testsecret"}
    return clouds("aws")


@pytest.fixture
def event(region):
    """A reboot in three days, which EC2 lets be put off by a week."""
    return region.schedule("reboot", resources=["i-aaa"], notice=timedelta(days=3))


@pytest.fixture
def postpone(home, region, event):
    def postpone(until, *options, identifier=event, reach=HERE):
        time = until if isinstance(until, str) else f"{until:%Y-%m-%dT%H:%M:%SZ}"
        return home.run(
            "postpone", identifier, "--until", time, "--provider", "aws", "--endpoint", region.url, *reach, *options
        )

    return postpone


def begins(region):
    return datetime.fromisoformat(region.events()[0]["not_before"])


def test_moves_the_start_and_says_of_what(home, region, event, postpone):
    until = begins(region) + timedelta(days=2)
    done = postpone(until, "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Put off until {until:%Y-%m-%d %H:%M:%SZ}: reboot of i-aaa ({event}).\n"
    assert begins(region) == until.replace(microsecond=0)


def test_tells_a_program_what_was_done(region, event, postpone):
    until = begins(region).replace(microsecond=0) + timedelta(days=2)
    done = postpone(until, "--yes", "--json")
    assert f'"postponed": "{event}"' in done.stdout
    assert until.isoformat() in done.stdout


@pytest.mark.parametrize(
    ("until", "options", "status", "why"),
    [
        (timedelta(days=2), (), 1, "nothing was put off: it would speak for i-aaa; give --yes if that is right"),
        (timedelta(days=-1), ("--yes",), 70, "is not put off: it begins "),
        (timedelta(0), ("--yes",), 70, " is not later"),
        (timedelta(days=8), ("--yes",), 70, "can be put off until "),
        ("2020-01-01T00:00:00Z", ("--yes",), 70, "2020-01-01 00:00:00Z is past"),
        ("soon", ("--yes",), 2, "'soon' is not a date; write 2026-03-29"),
        ("2030-01-01", ("--machine", "i-aaa"), 64, "scope=region watches all"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_moves(region, postpone, until, options, status, why):
    before = begins(region)
    done = postpone(until if isinstance(until, str) else before + until, *options)
    assert (done.returncode, done.stdout) == (status, "")
    assert why in done.stderr
    assert begins(region) == before


def test_of_an_event_that_there_is_not_it_says_which_there_are(event, region, postpone):
    done = postpone(begins(region) + timedelta(days=2), "--yes", identifier="instance-event-0")
    assert done.returncode == 70
    assert done.stderr == f"stormcone: there is no event instance-event-0; announced: {event}\n"


def test_where_the_cloud_cannot_it_says_so(region, event, postpone):
    done = postpone(begins(region) + timedelta(days=2), "--yes", reach=())  # from within an instance
    assert done.returncode == 70
    assert "nothing can be put off: aws cannot do that as it is set up" in done.stderr
