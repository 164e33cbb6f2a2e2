"""The history of a whole fleet: what a sink writes once, and what an operator reads of it."""

from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from stormcone.clock import ManualClock
from stormcone.errors import FleetError
from stormcone.fleet.history import KEPT, FleetHistory, FleetSink, FleetSinkSettings
from stormcone.postgresql.address import DatabaseAddress
from stormcone.testing.conformance import SinkSuite, SinkUnderTest
from stormcone.testing.conformance.sinks import NOW, sample

psycopg = pytest.importorskip("psycopg")


@pytest.fixture
def sink_of(url):
    """Makes sinks of agents, by their settings."""
    opened = []

    def made(**settings):
        checked = FleetSinkSettings.model_validate({"url": url, "name": "shop", **settings})
        opened.append(FleetSink.from_settings(checked, ManualClock(NOW)))
        return opened[-1]

    yield made
    for sink in opened:
        sink.close()


@pytest.fixture
def history(url):
    with closing(FleetHistory(DatabaseAddress.parse(url), "shop")) as history:
        yield history


def texts(told):
    return [each["data"]["text"] for each in told]


def at(days, text, **fields):
    """What was told now, or so many days ago."""
    told = sample("run.succeeded", text=text)
    real = real_now() - timedelta(days=days)
    return told.model_copy(update={"time": real, **fields})


def real_now():
    """What the server takes for now."""
    return datetime.now(UTC)


class TestFleet(SinkSuite):
    @pytest.fixture
    def subject(self, postgresql, database, monkeypatch):
        monkeypatch.setattr("stormcone.postgresql.database.WAIT", 0.2)  # of each try while nobody answers
        url = postgresql.url(database)

        def received():
            with psycopg.connect(url) as look:
                if look.execute("SELECT to_regclass('stormcone_history.told')").fetchone() == (None,):
                    return []
                rows = look.execute("SELECT notification FROM stormcone_history.told ORDER BY number").fetchall()
            return [str(row[0]) for row in rows]

        @contextmanager
        def away():
            postgresql.stop()
            yield
            postgresql.start()

        return SinkUnderTest("fleet", {"url": url.replace("//postgres@", "//postgres:hunter-two@")}, received, away)


class TestTheSink:
    def test_writes_what_is_sent_twice_once(self, sink_of, history):
        one, other = sink_of(), sink_of()
        told = at(0, "done")
        for sink in (one, other, one):
            sink.send(told)
        assert texts(history.told(last=10)) == ["done"]

    def test_takes_whatever_a_text_may_hold(self, sink_of, history):
        sink_of().send(at(0, "a \0 and a \ud7ff", subject="web\x000"))
        assert len(history.told(last=10)) == 1

    def test_removes_what_is_older_than_it_is_to_be_and_nothing_of_other_fleets(self, sink_of, history, url):
        usual = sink_of()
        for days in (KEPT.days + 1, 3, 1):
            usual.send(at(days, f"of {days} days ago"))
        sink_of(name="office").send(at(KEPT.days - 1, "of others"))
        sink_of().send(at(0, "of now"))
        assert texts(history.told(last=10)) == ["of 3 days ago", "of 1 days ago", "of now"]
        sink_of(keep="2d").send(at(0, "of right now"))
        assert texts(history.told(last=10)) == ["of 1 days ago", "of now", "of right now"]
        with closing(FleetHistory(DatabaseAddress.parse(url), "office")) as office:
            assert texts(office.told(last=10)) == ["of others"]

    def test_of_an_address_that_is_none_says_so_without_it(self):
        with pytest.raises(ValueError, match="the address of the database cannot be read") as caught:
            FleetSinkSettings.model_validate({"url": "https://me:hidden@db/x"})
        assert "hidden" not in str(caught.value)


class TestTheHistory:
    def test_is_that_of_all_machines_in_order_and_of_one_where_that_is_asked(self, sink_of, history):
        sink = sink_of()
        sink.send(at(2, "first", subject="web-0"))
        sink.send(at(1, "third", subject="web-0"))
        sink.send(at(1.5, "second", subject="WEB-1"))
        assert texts(history.told(last=10)) == ["first", "second", "third"]
        assert texts(history.told(last=2)) == ["second", "third"]
        assert texts(history.told(machine="web-1", last=10)) == ["second"]
        assert texts(history.told(since=real_now() - timedelta(days=1.2), last=10)) == ["third"]
        event = at(0, "x").data.event.id
        assert len(history.told(event=event.upper(), last=10)) == 3
        assert history.told(event="another", last=10) == []

    def test_that_nobody_writes_says_what_to_do(self, history):
        with pytest.raises(FleetError, match="is not there yet; give the agents a sink of the type fleet"):
            history.told(last=10)
