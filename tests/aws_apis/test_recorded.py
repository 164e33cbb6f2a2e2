"""What the provider reads of moto's SQS is recorded, and read again from the replay: the same, in the same order."""

import pytest
from tests.aws_apis.conftest import KEY_ID, KEY_SECRET, NOW, REGION

from stormcone.clock import ManualClock
from stormcone.recording import Recorder, read_trace
from stormcone_aws.queue import AwsQueueProvider
from stormcone_aws.trace import RULES
from stormcone_simulators.aws.replay import AwsReplay

ONE, TWO = "i-0123456789abcdef0", "i-0fedcba9876543210"


@pytest.fixture
def recorded(open_queue, queue, letters, clock, tmp_path):
    """Two polls of the provider on moto's queue, with what they brought, and the trace."""

    def record(**how):
        path = tmp_path / "trace.yaml"
        with Recorder(
            path, provider="aws-queue", begun=NOW, rules=RULES, machine=f"region:{REGION}", **how
        ) as recorder:
            provider = open_queue(tap=recorder.record)
            provider.identify()
            queue.send(letters.sns(letters.spot(ONE)), letters.health(ONE, TWO), "acme: no message at all")
            seen = [provider.poll()]
            provider.acknowledge(seen[0].receipt)
            clock.advance(10)
            queue.send(letters.state("terminated", ONE), letters.reservation(TWO))
            seen.append(provider.poll())
            provider.acknowledge(seen[1].receipt)
        return path, seen

    return record


def replayed(path):
    """The same two polls of a provider on the replay."""
    with AwsReplay(read_trace(path), clock=ManualClock(NOW)) as cloud:
        provider = AwsQueueProvider.from_options(cloud.provider_options())
        machine = provider.identify()
        seen = [provider.poll()]
        provider.acknowledge(seen[0].receipt)
        cloud.clock.advance(10)
        seen.append(provider.poll())
        provider.acknowledge(seen[1].receipt)
        provider.close()
        assert cloud.differences() == []
    return machine, seen


def shapes(seen):
    return [
        [(event.native_type, event.impact, event.phase, event.outcome, event.not_before) for event in each.events]
        for each in seen
    ]


def test_the_same_events_come_in_the_same_order(recorded):
    path, seen = recorded()
    machine, again = replayed(path)
    assert [each.events for each in again] == [each.events for each in seen]
    assert [each.receipt for each in again] == [each.receipt for each in seen]
    assert [len(each.problems) for each in again] == [len(each.problems) for each in seen]
    assert machine.region == REGION


def test_anonymised_they_are_the_same_but_for_their_names(recorded):
    path, seen = recorded(anonymise=True)
    _, again = replayed(path)
    assert shapes(again) == shapes(seen)
    names = {name for each in again for event in each.events for name in event.resources}
    assert len(names) == 2
    text = path.read_text()
    assert not [word for word in (ONE, TWO, "acme", "123456789012", "stormcone-") if word in text]


@pytest.mark.parametrize("anonymise", [False, True])
def test_nothing_that_signs_or_deletes_is_in_the_file(recorded, anonymise, monkeypatch):
    handles = []
    delete = AwsQueueProvider.acknowledge

    def watched(provider, receipt):
        handles.extend(held.message.handle for held in provider._inbox._held.values())
        delete(provider, receipt)

    monkeypatch.setattr(AwsQueueProvider, "acknowledge", watched)
    path, _ = recorded(anonymise=anonymise)
    text = path.read_text()
    assert len(handles) >= 4
    assert not [secret for secret in (KEY_ID, KEY_SECRET, *handles) if secret in text]
