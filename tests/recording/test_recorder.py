"""The recorder: the file grows with what happens, is whole at every moment, and never stands in the way."""

import os
import threading
from datetime import timedelta

import pytest

from stormcone.clouds.trace import TraceRules
from stormcone.errors import TraceError
from stormcone.recording import Recorder, read_trace


@pytest.fixture
def path(tmp_path):
    return tmp_path / "trace.yaml"


@pytest.fixture
def recorder(path, exchange):
    with Recorder(path, provider="azure", begun=exchange().at, machine="web_18") as recorder:
        yield recorder


@pytest.fixture
def after(exchange):
    """An exchange so many seconds later."""
    return lambda seconds, **changes: exchange(at=exchange().at + timedelta(seconds=seconds), **changes)


class TestTheFile:
    def test_is_its_owners_alone(self, recorder, path):
        assert path.stat().st_mode & 0o777 == 0o600

    def test_is_never_written_over(self, path, exchange):
        path.write_text("precious")
        with pytest.raises(TraceError, match="is there already, and no trace is written over; name another file"):
            Recorder(path, provider="azure", begun=exchange().at)
        assert path.read_text() == "precious"

    def test_that_cannot_be_made_is_told(self, tmp_path, exchange):
        with pytest.raises(TraceError, match="cannot be made: no such file"):
            Recorder(tmp_path / "none" / "trace.yaml", provider="azure", begun=exchange().at)

    def test_is_a_trace_after_every_exchange_as_a_process_that_is_killed_leaves_it(self, recorder, path, after):
        for second in range(10):
            recorder.record(after(second, body=b"%d" % (second // 2)))
            trace = read_trace(path)
            assert len(trace.entries) == second // 2 + 1
        assert trace.header.machine == "web_18"

    def test_is_closed_twice_without_harm(self, recorder, exchange, path):
        recorder.close()
        recorder.close()
        recorder.record(exchange())
        assert read_trace(path).entries == ()


class TestWhatIsUnchanged:
    def test_is_counted(self, recorder, path, after):
        for second in range(5):
            recorder.record(after(second))
        recorder.close()
        (entry,) = read_trace(path).entries
        assert (entry.count, entry.exchange.at, entry.last_seen) == (5, after(0).at, after(4).at)
        assert (recorder.asked, recorder.stored) == (5, 1)

    def test_a_million_times_does_not_make_the_file_grow(self, recorder, path, exchange):
        recorder.record(exchange())
        size = path.stat().st_size
        begun, second = exchange().at, timedelta(seconds=1)
        repeats = [exchange(at=begun + second * number) for number in range(1000)]
        for _ in range(1000):
            for repeat in repeats:
                recorder.record(repeat)
        recorder.close()
        (entry,) = read_trace(path).entries
        assert (entry.count, path.stat().st_size) == (1_000_001, size)

    def test_is_a_new_entry_when_it_comes_back_after_something_else(self, recorder, path, after):
        for second, body in enumerate([b"one", b"one", b"two", b"one"]):
            recorder.record(after(second, body=body))
        recorder.close()
        assert [(entry.exchange.body, entry.count) for entry in read_trace(path).entries] == [
            (b"one", 2),
            (b"two", 1),
            (b"one", 1),
        ]

    def test_is_told_apart_by_question(self, recorder, path, after):
        for second in range(6):
            recorder.record(after(second, url=f"http://x/{second % 2}"))
        recorder.close()
        assert [(entry.exchange.url, entry.count) for entry in read_trace(path).entries] == [
            ("http://x/0", 3),
            ("http://x/1", 3),
        ]

    @pytest.mark.parametrize(
        "body", [b'{"RequestId": "%d", "Events": []}', b"<Answer><requestId>%d</requestId><events/></Answer>"]
    )
    def test_may_differ_in_what_differs_always(self, recorder, path, after, body):
        for second in range(3):
            recorder.record(
                after(
                    second,
                    url=f"http://x/?Action=List&Timestamp={second}&SignatureNonce=n{second}&Signature=s{second}",
                    body=body % second,
                    headers={"Date": str(second)},
                )
            )
        recorder.close()
        (entry,) = read_trace(path).entries
        assert (entry.exchange.url, entry.count) == ("http://x/?Action=List", 3)

    @pytest.mark.parametrize(
        "changed", [{"status": 503}, {"body": b"else"}, {"status": 0, "fault": "no answer within 10 s", "body": b""}]
    )
    def test_is_no_other_status_body_or_fault(self, recorder, path, after, changed):
        recorder.record(after(0))
        recorder.record(after(1, **changed))
        assert len(read_trace(path).entries) == 2

    def test_is_written_down_at_least_once_a_minute(self, recorder, path, after):
        for second in range(130):
            recorder.record(after(second))
        (entry,) = read_trace(path).entries
        assert entry.count == 121

    def test_is_written_down_when_something_else_is_news(self, recorder, path, after):
        for second in range(5):
            recorder.record(after(second))
        recorder.record(after(5, body=b"news"))
        assert [entry.count for entry in read_trace(path).entries] == [5, 1]

    def test_is_forgotten_for_the_oldest_of_very_many_questions(self, recorder, path, after, monkeypatch):
        monkeypatch.setattr("stormcone.recording.recorder._STREAMS", 3)
        for second in range(8):
            recorder.record(after(second, url=f"http://x/{second}"))
            recorder.record(after(second, url=f"http://x/{second}"))
        recorder.close()
        assert [entry.count for entry in read_trace(path).entries] == [2] * 8
        assert len(recorder._streams) == len(recorder._by_raw) == 3


class TestAFault:
    def test_of_the_disk_ends_the_recording_and_leaves_what_was_whole(self, recorder, path, after, monkeypatch, caplog):
        recorder.record(after(0))
        written = os.pwrite

        def full(file, content, offset):
            written(file, content[: len(content) // 2], offset)
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "pwrite", full)
        recorder.record(after(1, body=b"news"))
        recorder.record(after(2, body=b"more"))
        monkeypatch.undo()
        recorder.close()
        assert "cannot be written any more: no space left on device" in str(recorder.error)
        assert [entry.exchange.at for entry in read_trace(path).entries] == [after(0).at]
        assert len(caplog.records) == 1

    def test_of_the_recorder_itself_never_reaches_who_is_recorded(self, recorder, exchange):
        recorder.record(exchange(url=None))
        assert "cannot be written any more: " in str(recorder.error)


def test_many_threads_record_at_once(recorder, path, after):
    def work(number):
        for second in range(50):
            recorder.record(after(second, url=f"http://x/{number}", body=b"%d" % (second // 10)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.close()
    assert sum(entry.count for entry in read_trace(path).entries) == 200
    assert len(read_trace(path).entries) == 20


class TestSecrets:
    SECRETS = ("hunter2", "LTAIkey", "c2lnbmF0dXJl", "STStoken", "n0nce")

    @pytest.mark.parametrize(
        "secret",
        [
            {"request_headers": {"Authorization": "Bearer hunter2", "Metadata": "true"}},
            {"request_headers": {"X-aliyun-ecs-metadata-token": "hunter2", "Cookie": "hunter2"}},
            {"headers": {"Set-Cookie": "a=hunter2", "X-New-Header-Nobody-Knows": "hunter2"}},
            {"url": "http://x/?AccessKeyId=LTAIkey&Signature=c2lnbmF0dXJl&SecurityToken=STStoken&SignatureNonce=n0nce"},
            {"url": "http://user:hunter2@x/path"},
            {"url": "http://x/latest/api/token", "method": "PUT", "body": b"hunter2"},
            {"url": "http://x/latest/meta-data/ram/security-credentials/role", "body": b"anything hunter2"},
            {"body": b'{"AccessKeySecret": "hunter2", "deep": [{"SecurityToken": "STStoken"}]}'},
            {"body": b'{"Message": "to sign is:POST&%2F&AccessKeyId%3DLTAIkey%26A%3DX%26SignatureNonce%3Dn0nce"}'},
            {"body": b"<Message>AccessKeyId=LTAIkey&Signature=c2lnbmF0dXJl</Message>"},
            {"body": b'{"compute": {"userData": "hunter2", "customData": "hunter2"}}'},
            {"fault": "POST https://x/?AccessKeyId=LTAIkey&Signature=c2lnbmF0dXJl failed", "status": 0, "body": b""},
            {
                "method": "POST",
                "request_headers": {"Content-Type": "application/x-www-form-urlencoded"},
                "request_body": b"Action=X&AccessKeyId=LTAIkey&Signature=c2lnbmF0dXJl",
            },
            {"method": "POST", "request_body": b'{"password": "hunter2"}'},
        ],
    )
    def test_never_reach_the_file(self, recorder, path, exchange, secret):
        recorder.record(exchange(**secret))
        text = path.read_text()
        assert recorder.stored == 1
        assert not [word for word in self.SECRETS if word in text]

    def test_are_not_seen_in_what_looks_like_one_and_is_none(self, recorder, path, exchange):
        body = b'{ "NextToken":"page-2", "Events": [] }'
        recorder.record(exchange(url="http://x/?Action=List&NextToken=page-1&Empty=", body=body))
        (entry,) = read_trace(path).entries
        assert entry.exchange.url == "http://x/?Action=List&NextToken=page-1&Empty="
        assert entry.exchange.body == body, "an answer without a secret stays as it was"

    def test_hide_nothing_of_the_headers_that_the_cloud_names(self, path, exchange):
        with Recorder(path, provider="x", begun=exchange().at, rules=TraceRules(headers=frozenset({"x-kept"}))) as some:
            some.record(exchange(headers={"X-Kept": "yes", "X-Other": "no", "ETag": '"1"'}))
        (entry,) = read_trace(path).entries
        assert entry.exchange.headers == {"X-Kept": "yes", "ETag": '"1"'}

    def test_may_be_nested_beyond_reason(self, recorder, path, exchange):
        recorder.record(exchange(body=b"[" * 5000 + b"]" * 5000))
        recorder.record(exchange(body=b'{"a":' * 900 + b"1" + b"}" * 900))
        assert recorder.error is None
