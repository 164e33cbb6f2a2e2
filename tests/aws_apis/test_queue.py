"""The queue's provider against SQS as moto plays it: nothing is lost, nothing is told twice, nothing blocks."""

import json
import logging
import subprocess
import sys

import pytest
from tests.aws_apis.conftest import REGION

from stormcone.clouds.contract import Acknowledges, Extends, Hints, ProviderOptions
from stormcone.errors import PartMissing, ProviderError, ProviderUnavailable, RequestRefused, SettingsError
from stormcone.model import Approval, Outcome, Phase, Scope
from stormcone_aws import inbox as inboxes
from stormcone_aws.queue import AwsQueueProvider
from stormcone_aws.region import AwsRegionProvider


def ids(observation):
    return [event.id for event in observation.events]


class TestPolling:
    def test_a_queue_without_messages_says_nothing_of_what_is_absent(self, provider):
        observation = provider.poll()
        assert (observation.events, observation.whole, observation.pushed) == ((), frozenset(), {"messages"})

    def test_two_events_at_once_come_with_a_receipt_for_both(self, provider, queue, letters):
        queue.send(letters.spot("i-0one"), letters.lifecycle("i-0two"))
        observation = provider.poll()
        assert sorted(ids(observation)) == ["lifecycle/i-0two", "spot/i-0one"]
        assert len(observation.receipt) == 2

    def test_a_burst_of_many_comes_at_once(self, provider, queue, letters):
        queue.send(*(letters.spot(f"i-{number}") for number in range(35)))
        assert len(ids(provider.poll())) == 35

    def test_a_message_is_given_once(self, provider, queue, letters):
        queue.send(letters.spot())
        assert provider.poll().receipt
        assert provider.poll() == provider.poll()
        assert provider.poll().receipt == ()

    def test_of_one_event_what_was_said_last_counts_whatever_comes_first(self, provider, queue, letters):
        queue.send(letters.state("terminated", time="2026-04-11T22:12:30Z"), letters.spot(time="2026-04-11T22:10:00Z"))
        observation = provider.poll()
        (spot,) = [event for event in observation.events if event.id == "spot/i-0one"]
        assert (spot.phase, spot.outcome) == (Phase.ENDED, Outcome.COMPLETED)
        assert len(observation.receipt) == 2

    def test_an_older_message_after_a_newer_one_takes_nothing_back(self, provider, queue, letters):
        queue.send(letters.state("terminated", time="2026-04-11T22:12:30Z"))
        provider.poll()
        queue.send(letters.spot(time="2026-04-11T22:10:00Z"))
        observation = provider.poll()
        assert (ids(observation), len(observation.receipt)) == ([], 1)


class TestAcknowledging:
    def test_a_message_stays_until_the_journal_has_it(self, provider, queue, letters):
        queue.send(letters.spot())
        observation = provider.poll()
        assert queue.number() == 1
        provider.acknowledge(observation.receipt)
        assert queue.number() == 0

    def test_what_is_not_acknowledged_comes_again_to_the_next_process_and_means_the_same(
        self, open_queue, queue, letters
    ):
        queue.send(letters.spot(), letters.lifecycle())
        died = open_queue()
        before = died.poll()
        queue.give_again(died)
        after = open_queue().poll()
        assert sorted(after.events, key=str) == sorted(before.events, key=str)
        assert sorted(after.receipt) == sorted(before.receipt)

    def test_a_message_that_comes_again_while_it_is_in_our_hands_is_told_once(self, provider, queue, letters):
        queue.send(letters.spot())
        observation = provider.poll()
        queue.give_again(provider)
        assert provider.poll().receipt == ()
        provider.acknowledge(observation.receipt)
        assert queue.number() == 0  # by the handle that it had the second time

    def test_a_deletion_that_fails_is_told_and_done_later(self, provider, queue, letters, monkeypatch):
        queue.send(letters.spot())
        observation = provider.poll()
        real = provider._queue.delete
        monkeypatch.setattr(provider._queue, "delete", lambda messages: {each.id: "no" for each in messages})
        with pytest.raises(ProviderError, match="could not be deleted"):
            provider.acknowledge(observation.receipt)
        assert "could not be deleted" in provider.poll().problems[0]
        monkeypatch.setattr(provider._queue, "delete", real)
        assert provider.poll().problems == ()
        assert queue.number() == 0

    def test_what_was_deleted_in_vain_is_not_told_again(self, provider, queue, letters, monkeypatch):
        queue.send(letters.spot())
        observation = provider.poll()
        handles = list(provider._inbox._held.values())
        monkeypatch.setattr(provider._queue, "delete", lambda _messages: {})  # the queue says yes, and keeps it
        provider.acknowledge(observation.receipt)
        monkeypatch.undo()
        provider._inbox._held.update({held.message.id: held for held in handles})
        queue.give_again(provider)
        provider._inbox._held.clear()
        assert provider.poll().receipt == ()
        provider.poll()
        assert queue.number() == 0

    def test_unknown_marks_are_nothing(self, provider):
        provider.acknowledge(("of-another-life",))

    def test_messages_in_our_hands_are_held(self, provider, queue, letters, clock, monkeypatch):
        held = []
        real = provider._queue.hold
        monkeypatch.setattr(
            provider._queue, "hold", lambda messages, seconds: (held.extend(messages), real(messages, seconds))[1]
        )
        queue.send(letters.spot(), letters.rebalance())
        observation = provider.poll()
        provider.poll()
        assert held == []
        for number in (1, 2, 3):
            clock.advance(inboxes.HELD_EVERY)
            provider.poll()
            assert len(held) == 2 * number
        provider.acknowledge(observation.receipt)
        clock.advance(inboxes.HELD_EVERY)
        provider.poll()
        assert len(held) == 6

    def test_no_more_are_received_than_can_be_held(self, provider, queue, letters, monkeypatch):
        monkeypatch.setattr(inboxes, "MOST", 20)
        queue.send(*(letters.spot(f"i-{number}") for number in range(35)))
        first = provider.poll()
        assert len(first.receipt) == 20
        assert provider.poll().receipt == ()
        provider.acknowledge(first.receipt)
        assert len(provider.poll().receipt) == 15


class TestWhatIsLeft:
    def test_a_message_that_cannot_be_read_is_told_of_and_blocks_no_other(self, provider, queue, letters):
        queue.send("no JSON", letters.letter("EBS Snapshot Notification", {}), letters.spot())
        observation = provider.poll()
        assert ids(observation) == ["spot/i-0one"]
        assert len(observation.problems) == 2
        assert all("is left in the queue" in problem for problem in observation.problems)
        provider.acknowledge(observation.receipt)
        assert queue.number() == 2

    def test_it_is_not_held(self, provider, queue, clock, monkeypatch):
        monkeypatch.setattr(provider._queue, "hold", lambda messages, _seconds: pytest.fail(f"{messages} held"))
        queue.send("no JSON")
        provider.poll()
        clock.advance(60)
        provider.poll()

    def test_many_of_them_are_counted(self, provider, queue):
        queue.send(*(f"no JSON {number}" for number in range(9)))
        problems = provider.poll().problems
        assert len(problems) == 6
        assert problems[-1] == "and 4 more such problem(s)"

    @pytest.mark.parametrize("settings", [{"machine": "i-0one"}, {"instances": "i-0one,i-0three"}])
    def test_a_message_about_others_is_left_to_them(self, open_queue, queue, letters, settings):
        queue.send(letters.spot("i-0one"), letters.spot("i-0two"))
        observation = open_queue(**settings).poll()
        assert ids(observation) == ["spot/i-0one"]
        assert "none of the instances that are named" in observation.problems[0]
        assert len(observation.receipt) == 1

    def test_a_copy_of_what_aws_health_says_of_another_region_is_left(self, provider, queue, letters):
        queue.send(letters.health("i-0one", eventRegion="us-east-1"), letters.health("i-0two", eventRegion=REGION))
        observation = provider.poll()
        assert [event.resources for event in observation.events] == [("i-0two",)]
        assert "it is about us-east-1, and the instances of eu-west-1 are watched here" in observation.problems[0]
        assert queue.number() == 2

    def test_but_not_where_its_instance_is_named(self, open_queue, queue, letters):
        queue.send(letters.health("i-0one", eventRegion="us-east-1"))
        assert [event.resources for event in open_queue(instances="i-0one").poll().events] == [("i-0one",)]

    def test_a_test_of_auto_scalings_is_deleted_as_soon_as_it_is_seen(self, provider, queue):
        queue.send({"Event": "autoscaling:TEST_NOTIFICATION"})
        observation = provider.poll()
        assert (observation.events, observation.problems) == ((), ())
        provider.acknowledge(observation.receipt)
        assert queue.number() == 0


class TestOddAnswers:
    @pytest.fixture
    def on_script(self, open_queue, scripted):
        return open_queue(endpoint=scripted.url, queue=f"{scripted.url}/123456789012/q")

    @staticmethod
    def given(scripted, *messages, **more):
        scripted.answer(200, {"Messages": list(messages), **more}, {"x-amzn-RequestId": "r"})

    @pytest.mark.parametrize("odd", [None, {"MessageId": "n"}, {"ReceiptHandle": "h", "Body": "{}"}])
    def test_a_message_without_an_id_or_a_handle_is_told_of_and_spoils_no_other(
        self, on_script, scripted, letters, odd
    ):
        self.given(scripted, odd, {"MessageId": "m", "ReceiptHandle": "h", "Body": json.dumps(letters.spot())})
        observation = on_script.poll()
        assert (ids(observation), observation.receipt) == (["spot/i-0one"], ("m",))
        assert observation.problems == ("1 message(s) came without an id or a handle, so they come again",)

    def test_a_deletion_that_fails_for_nobody_knows_which_is_done_again_for_all(self, on_script, scripted, letters):
        self.given(scripted, {"MessageId": "m", "ReceiptHandle": "h", "Body": json.dumps(letters.spot())})
        observation = on_script.poll()
        for failed in ([{"Id": "7", "Code": "InternalError"}], []):
            scripted.answer(200, {"Successful": [], "Failed": failed}, {"x-amzn-RequestId": "r"})
        self.given(scripted)
        with pytest.raises(ProviderError, match="could not be deleted"):
            on_script.acknowledge(observation.receipt)
        assert on_script.poll().problems == ()
        assert [each.headers["x-amz-target"] for each in scripted.asked[1:3]] == ["AmazonSQS.DeleteMessageBatch"] * 2


class TestCapacityBlocks:
    def said(self, letters):
        return {"Messages": [{"MessageId": "m", "ReceiptHandle": "h", "Body": json.dumps(letters.block())}]}

    def test_the_instances_in_one_are_looked_up(self, open_queue, scripted, letters):
        scripted.answer(200, self.said(letters), {"x-amzn-RequestId": "r"})
        found = "".join(f"<item><instanceId>{name}</instanceId></item>" for name in ("i-0one", "i-0two"))
        xml = f"<reservationSet><item><instancesSet>{found}</instancesSet></item></reservationSet>"
        scripted.answer(200, f'<R xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">{xml}</R>'.encode())
        provider = open_queue(endpoint=scripted.url, queue=f"{scripted.url}/123456789012/q")
        (event,) = provider.poll().events
        assert event.resources == ("i-0one", "i-0two")
        assert b"capacity-reservation-id" in scripted.asked[1].body
        assert b"cr-0one" in scripted.asked[1].body

    def test_where_they_cannot_be_the_block_is_named(self, open_queue, scripted, letters):
        scripted.answer(200, self.said(letters), {"x-amzn-RequestId": "r"})
        scripted.answer(403, b"<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error></Errors></Response>")
        provider = open_queue(endpoint=scripted.url, queue=f"{scripted.url}/123456789012/q")
        observation = provider.poll()
        assert observation.events[0].resources == ("cr-0one",)
        assert "let an IAM policy allow ec2:DescribeInstances" in observation.problems[0]


class TestListening:
    def test_news_are_hinted_at_and_a_poll_takes_them_without_asking(self, provider, queue, letters, news, monkeypatch):
        provider.on_hint(news.set)
        queue.send(letters.spot())
        assert news.wait(30)
        observation = provider.poll()
        assert ids(observation) == ["spot/i-0one"]
        provider.acknowledge(observation.receipt)
        assert queue.number() == 0

    def test_neither_a_poll_nor_a_stop_waits_for_the_one_who_waits(self, provider, queue, news):
        provider.on_hint(news.set)
        provider.poll()
        assert provider._listener.daemon
        provider.close()
        provider.close()
        queue.send({"Event": "autoscaling:TEST_NOTIFICATION"})  # ends the long poll, which nobody waited for
        provider._listener.join(30)
        assert not provider._listener.is_alive()

    def test_after_a_failure_a_poll_asks_the_queue_itself(self, open_queue, dead_url, news):
        provider = open_queue(endpoint=dead_url, queue=f"{dead_url}/123456789012/q")
        provider.on_hint(news.set)
        with pytest.raises(ProviderError, match="no connection could be made"):
            provider.poll()


class TestIdentity:
    def test_a_queue_stands_for_all_instances_of_its_region(self, provider):
        machine = provider.identify()
        assert (machine.id, machine.region, machine.scope) == ("region:eu-west-1", "eu-west-1", Scope.REGION)
        assert machine.account == "123456789012"
        assert provider.capabilities.scope is Scope.REGION

    def test_a_machine_that_is_named_is_the_one(self, open_queue):
        provider = open_queue(machine="i-0one")
        assert (provider.identify().id, provider.capabilities.scope) == ("i-0one", Scope.MACHINE)
        assert provider.named().id == "i-0one"

    def test_the_region_may_stand_in_the_queues_url(self, open_queue):
        url = "https://sqs.eu-central-1.amazonaws.com/123456789012/maintenance"
        assert open_queue(region=None, queue=url).named().region == "eu-central-1"
        assert open_queue(region=None, queue="maintenance").named() is None

    def test_a_queue_may_be_named(self, open_queue, queue, letters):
        queue.send(letters.spot())
        assert ids(open_queue(queue=queue.name).poll()) == ["spot/i-0one"]

    def test_one_that_is_not_there_is_told_in_a_sentence(self, open_queue):
        with pytest.raises(ProviderError, match=r"there is no such queue for these credentials .*check the queue"):
            open_queue(queue="nowhere").identify()

    def test_facts_name_the_redrive_policy_and_no_secret(self, provider):
        provider.identify()
        facts = provider.facts()
        assert facts["unread messages"].startswith("none, so that it comes again")
        assert facts["credentials"] == "env"

    def test_without_credentials_it_says_what_to_do(self, open_queue, monkeypatch):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(ProviderUnavailable, match="there are no credentials; set AWS_ACCESS_KEY_ID"):
            open_queue().poll()

    def test_without_a_region_it_says_what_to_do(self, open_queue):
        with pytest.raises(ProviderUnavailable, match="no region is named"):
            open_queue(region=None).poll()

    def test_a_profile_that_is_not_there_is_named(self, open_queue):
        with pytest.raises(ProviderUnavailable, match="there is no profile nobodys"):
            open_queue(profile="nobodys").poll()


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "why"),
        [
            ({}, "no queue is named"),
            ({"queue": ""}, "the setting queue has no value"),
            ({"queue": "maintenance.fifo"}, "is a FIFO queue"),
            ({"queue": "http://nowhere"}, "neither a name nor a URL"),
            ({"queue": "a b"}, "neither a name nor a URL"),
            ({"queue": "q", "instances": "i 1"}, "the instance 'i 1'"),
            ({"queue": "q", "complete-hooks": "perhaps"}, "true or false"),
            ({"queue": "q", "bucket": "b"}, "aws-queue has no setting bucket"),
        ],
    )
    def test_one_that_cannot_be_used_is_told_in_a_sentence(self, settings, why):
        with pytest.raises(SettingsError, match=why):
            AwsQueueProvider.from_options(ProviderOptions(settings=settings))

    def test_a_machine_and_instances_do_not_go_together(self):
        with pytest.raises(SettingsError, match="leave one out"):
            AwsQueueProvider.from_options(ProviderOptions(machine="i-1", settings={"queue": "q", "instances": "i-1"}))


class TestTheSdk:
    @pytest.mark.parametrize("settings", [{}, {"queue": "q"}])
    def test_where_it_is_missing_the_pip_install_is_named(self, monkeypatch, settings):
        monkeypatch.setitem(sys.modules, "boto3", None)
        with pytest.raises(PartMissing, match=r"run pip install stormcone\[aws\]"):
            AwsQueueProvider.from_options(ProviderOptions(settings=settings))
        with pytest.raises(PartMissing, match=r"run pip install stormcone\[aws\]"):
            AwsRegionProvider.from_options(ProviderOptions())

    def test_it_is_not_imported_before_it_is_needed(self):
        lines = (
            "import sys",
            "from stormcone.clouds.contract import ProviderOptions",
            "from stormcone_aws.queue import AwsQueueProvider",
            "from stormcone_aws.region import AwsRegionProvider",
            "AwsQueueProvider.from_options(ProviderOptions(settings={'queue': 'q'})).close()",
            "AwsRegionProvider.from_options(ProviderOptions(region='eu-west-1')).close()",
            "sys.exit('boto3' in sys.modules)",
        )
        assert subprocess.run([sys.executable, "-c", "\n".join(lines)], check=False).returncode == 0


class TestContract:
    def test_it_acknowledges_hints_and_extends(self, provider):
        assert isinstance(provider, Acknowledges)
        assert isinstance(provider, Hints)
        assert isinstance(provider, Extends)

    def test_hooks_can_be_left_alone(self, open_queue, queue, letters):
        provider = open_queue(complete_hooks="false")
        queue.send(letters.lifecycle())
        (event,) = provider.poll().events
        assert (event.approval, provider.capabilities.can_approve) == (Approval.NONE, False)
        with pytest.raises(RequestRefused, match="waits for no lifecycle hook"):
            provider.approve(event)

    def test_what_waits_for_no_hook_cannot_be_approved(self, provider, queue, letters):
        queue.send(letters.spot())
        (event,) = provider.poll().events
        with pytest.raises(RequestRefused):
            provider.approve(event)
        with pytest.raises(RequestRefused, match="does not say which lifecycle hook"):
            provider.extend(event)


class TestSecrets:
    def test_no_log_holds_what_signs(self, open_queue, queue, letters, caplog, monkeypatch):
        token = "FwoG+testing/session+token=="
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
        secret = "testing/secret+key/of/forty+characters"
        caplog.set_level(logging.DEBUG)
        for name in ("", "stormcone.aws"):
            logging.getLogger(name).setLevel(logging.DEBUG)
        provider = open_queue()
        provider.poll()
        caplog.clear()
        queue.send(letters.spot())
        provider.acknowledge(provider.poll().receipt)
        assert any(record.name.startswith("botocore") for record in caplog.records)
        ours = "\n".join(record.getMessage() for record in caplog.records)
        assert token not in ours
        assert secret not in ours

    def test_the_tap_sees_every_exchange(self, open_queue):
        seen = []
        open_queue(tap=seen.append).poll()
        assert [(exchange.method, exchange.status) for exchange in seen] == [("POST", 200)]
        assert b"QueueUrl" in seen[0].request_body
