"""AWS's traces: a list for each kind of notice, ends in a history, and an instance that is told of itself alone."""

from datetime import timedelta

import pytest

from stormcone import Impact, Outcome
from stormcone.export import export
from stormcone.model import Cause, Ending
from stormcone.plugins import provider_class
from stormcone.recording import read_trace

HALF_HOUR = timedelta(minutes=30)
HERE = ["i-acmeweb18"]


@pytest.fixture
def lived(archive):
    """A recorded half hour of an agent, with what the director makes of it."""

    def live(director, **options):
        def make(lab, path):
            agent = lab.watch(lab.simulator("aws"))
            agent.start(path, **options)
            director(agent.simulator)
            agent.run(HALF_HOUR, pace=60.0)
            return path, agent

        return archive((director, *options.items()), make)

    return live


def a_reboot(cloud):
    cloud.schedule(Impact.REBOOT, resources=HERE, notice=timedelta(minutes=15))


def called_off(cloud):
    cloud.cancel(cloud.schedule(Impact.REBOOT, resources=HERE))
    a_reboot(cloud)


def an_interruption(cloud):
    cloud.schedule(Impact.TERMINATE, resources=HERE, notice=timedelta(minutes=10))


def a_hibernation(cloud):
    cloud.schedule(Impact.HIBERNATE, resources=HERE, notice=timedelta(minutes=10))


def a_scale_in(cloud):
    cloud.complete(cloud.schedule(Impact.STOP, resources=HERE, notice=timedelta(minutes=5)))
    cloud.schedule(Impact.TERMINATE, resources=HERE, cause=Cause.SCALE_IN, notice=timedelta(minutes=5))


DIRECTORS = [a_reboot, called_off, an_interruption, a_hibernation, a_scale_in]


def lives_again(path, agent, replay, watch):
    again = watch(replay(path, cloud="aws"))
    again.start()
    begun = again.clock.now()
    again.run(timedelta(minutes=32), pace=60.0)
    assert again.history(begun) == agent.history(read_trace(path).header.begun)
    assert agent.journal.episodes()
    assert again.simulator.differences() == []
    return again


class TestARecordedHalfHour:
    @pytest.mark.parametrize("director", DIRECTORS)
    @pytest.mark.parametrize("anonymise", [False, True])
    def test_is_replayed_with_the_same_history(self, director, anonymise, lived, replay, watch):
        path, agent = lived(director, anonymise=anonymise)
        lives_again(path, agent, replay, watch)

    @pytest.mark.parametrize("anonymise", [False, True])
    def test_holds_no_token(self, lived, anonymise):
        path, agent = lived(a_reboot, anonymise=anonymise)
        sent = {
            value
            for asked in agent.simulator.requests()
            for name, value in asked["headers"].items()
            if name == "x-aws-ec2-metadata-token"
        }
        (token,) = sent
        text = path.read_text()
        assert token not in text
        assert "x-aws-ec2-metadata-token" not in text.lower()
        assert "(withheld)" in text

    def test_holds_no_identifier_if_anonymised(self, lived):
        path, agent = lived(a_reboot, anonymise=True)
        (event,) = agent.simulator.events()
        text = path.read_text()
        for identifier in ("acmeweb", event["id"], "123456789012", "10.0.0.10", "10-0-0-10"):
            assert identifier not in text
        assert "system-reboot" in text

    def test_does_not_grow_while_nothing_changes(self, lived):
        path, agent = lived(lambda _: None)
        entries = read_trace(path).entries
        assert len({(entry.exchange.method, entry.exchange.url) for entry in entries}) == len(entries)
        assert sum(entry.count for entry in entries) == agent.recorder.asked > 10 * len(entries)

    @pytest.mark.parametrize(
        ("director", "outcome"),
        [(a_reboot, "completed"), (an_interruption, "unknown")],  # of an interruption nobody says how it ended
    )
    def test_lists_events_as_every_simulator_does(self, director, outcome, lived, replay, watch):
        path, agent = lived(director)
        again = lives_again(path, agent, replay, watch)
        known = agent.simulator.events()[0]
        event = next(event for event in again.simulator.events() if event["native_type"] == known["native_type"])
        same = ("impact", "cause", "native_type", "resources", "phase")
        assert {name: event[name] for name in same} == {name: known[name] for name in same}
        assert event["outcome"] == outcome

    def test_lists_what_came_before_an_interruption_as_well(self, lived, replay, watch):
        path, agent = lived(an_interruption)
        again = lives_again(path, agent, replay, watch)
        told = {event["native_type"]: event["phase"] for event in again.simulator.events()}
        assert told == {"rebalance": "ended", "spot/terminate": "ended"}


class TestAnExport:
    @pytest.mark.parametrize("director", DIRECTORS)
    @pytest.mark.parametrize("anonymise", [False, True])
    def test_is_replayed_with_the_same_history(self, director, anonymise, lived, replay, watch, tmp_path):
        _, agent = lived(director)
        export(agent.journal, tmp_path / "export.yaml", anonymise=anonymise)
        lives_again(tmp_path / "export.yaml", agent, replay, watch)


class TestTheReplay:
    @pytest.fixture
    def provider(self, lived, replay):
        path, _agent = lived(a_reboot)
        cloud = replay(path, cloud="aws")
        provider = provider_class("aws").from_options(cloud.provider_options())
        provider.cloud = cloud
        yield provider
        provider.close()

    def test_knows_the_instance_and_moves_its_events_to_today(self, provider):
        assert provider.identify().name == "i-acmeweb18"
        (event,) = provider.poll().events
        assert abs(event.not_before - provider.cloud.clock.now() - timedelta(minutes=15)) < timedelta(seconds=2)
        assert event.native["NotBefore"] == "5 Jun 2027 04:18:02 GMT"

    def test_tells_how_an_event_ended(self, provider):
        (event,) = provider.poll().events
        provider.cloud.clock.advance(1800)
        assert provider.poll().events == ()
        assert provider.outcomes([event.id]) == {event.id: Ending(Outcome.COMPLETED, "completed")}

    def test_of_two_instances_keeps_their_events_apart(self, simulator, watch, replay, tmp_path, stack):
        paths = []
        for number in (0, 1):
            agent = watch(simulator("aws", machines=(f"i-acmeweb{number}",)))
            agent.start(tmp_path / f"{number}.yaml")
            agent.simulator.schedule(Impact.TERMINATE, resources=[f"i-acmeweb{number}"])
            agent.run(timedelta(minutes=6))
            paths.append(tmp_path / f"{number}.yaml")
        cloud = replay(*paths, cloud="aws")
        provider = provider_class("aws").from_options(cloud.provider_options())
        stack.callback(provider.close)
        provider.poll()
        assert [event["resources"] for event in cloud.events()] == [["i-acmeweb0"], ["i-acmeweb1"]]

    def test_fails_in_the_words_of_the_service(self, provider):
        provider.cloud.faults.add(status=403, times=9)
        with pytest.raises(Exception, match="switched off"):
            provider.poll()
