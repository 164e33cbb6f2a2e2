"""The file: written for vcrpy and for people, read back as it was, and refused in one sentence where it is none."""

import contextlib
import string
from datetime import UTC, datetime

import pytest
import requests
import vcr
from hypothesis import given
from hypothesis import strategies as st

from stormcone.clouds.exchange import Exchange
from stormcone.errors import SettingsError, TraceError
from stormcone.recording import Header, Recorder, TraceEntry, read_trace
from stormcone.recording.trace_file import entry_text, header_text, tail_text

TIMES = st.datetimes(timezones=st.just(UTC))
LINES = st.text(st.characters(exclude_categories=["Cs"]))
NAMES = st.text(string.ascii_letters + "-", min_size=1, max_size=20)
HEADERS = st.dictionaries(NAMES, LINES, max_size=3)

EXCHANGES = st.builds(
    Exchange,
    at=TIMES,
    method=st.sampled_from(["GET", "POST", "PUT"]),
    url=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    request_headers=HEADERS,
    request_body=st.none() | st.binary() | LINES.map(str.encode),
    status=st.integers(100, 599),
    reason=LINES,
    headers=HEADERS,
    body=st.binary() | LINES.map(str.encode),
)
ENTRIES = st.builds(TraceEntry, exchange=EXCHANGES, last_seen=TIMES, count=st.integers(1, 10**12 - 1))


class TestAnyTrace:
    @given(entries=st.lists(ENTRIES, max_size=4), begun=TIMES, machine=LINES, anonymised=st.booleans())
    def test_is_read_as_it_was_written(self, tmp_path_factory, entries, begun, machine, anonymised):
        header = Header(provider="azure", begun=begun, machine=machine, anonymised=anonymised)
        path = tmp_path_factory.mktemp("trace") / "trace.yaml"
        path.write_text(header_text(header) + "".join(map(entry_text, entries)), "ascii", newline="\n")
        trace = read_trace(path)
        assert trace.header == header
        assert list(trace.entries) == sorted(entries, key=lambda entry: entry.exchange.at)

    @given(times=st.tuples(TIMES, TIMES), counts=st.tuples(st.integers(1, 10**12 - 1), st.integers(1, 10**12 - 1)))
    def test_has_ends_of_one_length_so_that_counts_fit_into_their_place(self, times, counts):
        one, other = (tail_text(time, count) for time, count in zip(times, counts, strict=True))
        assert len(one) == len(other)

    @given(st.binary(max_size=300))
    def test_that_is_none_is_refused_and_nothing_else(self, tmp_path_factory, content):
        path = tmp_path_factory.mktemp("trace") / "trace.yaml"
        path.write_bytes(content)
        with pytest.raises(TraceError, match="line "):
            read_trace(path)

    @given(data=st.data())
    def test_that_is_cut_anywhere_is_a_shorter_trace_or_refused(self, tmp_path_factory, data):
        whole = header_text(Header(provider="azure", begun=datetime(2026, 1, 1, tzinfo=UTC))) + entry_text(
            TraceEntry(
                exchange=Exchange(at=datetime(2026, 1, 1, tzinfo=UTC), method="GET", url="http://x/", status=200),
                last_seen=datetime(2026, 1, 1, tzinfo=UTC),
            )
        )
        path = tmp_path_factory.mktemp("trace") / "trace.yaml"
        path.write_text(whole[: data.draw(st.integers(0, len(whole)))])
        with contextlib.suppress(TraceError):
            assert len(read_trace(path).entries) <= 1


class TestVcrpy:
    def test_plays_a_recorded_trace(self, exchange, tmp_path):
        url = exchange().url
        with Recorder(tmp_path / "trace.yaml", provider="azure", begun=exchange().at) as recorder:
            recorder.record(exchange())
            recorder.record(exchange(body='{"Events": ["Bär\'s \U0001f43b"]}'.encode()))
            recorder.record(
                exchange(method="POST", request_body=b'{"StartRequests": []}', status=400, body=b"\xff\x00")
            )
        with vcr.use_cassette(str(tmp_path / "trace.yaml"), record_mode="none") as cassette:
            assert requests.get(url, timeout=30).json() == {"DocumentIncarnation": 1, "Events": []}
            assert requests.get(url, timeout=30).json() == {"Events": ["Bär's \U0001f43b"]}
            answer = requests.post(url, data=b'{"StartRequests": []}', timeout=30)
            assert (answer.status_code, answer.content) == (400, b"\xff\x00")
        assert cassette.all_played

    def test_plays_what_got_no_answer_as_a_gateway_that_timed_out(self, exchange, tmp_path):
        with Recorder(tmp_path / "trace.yaml", provider="azure", begun=exchange().at) as recorder:
            recorder.record(exchange(status=0, body=b"", fault="connection refused"))
        with vcr.use_cassette(str(tmp_path / "trace.yaml"), record_mode="none"):
            assert requests.get(exchange().url, timeout=30).status_code == 504
        (entry,) = read_trace(tmp_path / "trace.yaml").entries
        assert (entry.exchange.status, entry.exchange.fault) == (0, "connection refused")


TRACE = """\
version: 1
trace: {format: 1, provider: azure, begun: 2026-01-01T00:00:00Z}
interactions:
- request: {method: get, uri: 'http://x/'}
  response:
    status: {code: 200}
    body: {string: hello}
  recorded_at: 2026-01-01T00:00:05Z
"""


class TestAFileThatSomebodyWrote:
    @pytest.fixture
    def read(self, tmp_path):
        def read(text):
            (tmp_path / "trace.yaml").write_text(text)
            return read_trace(tmp_path / "trace.yaml")

        return read

    def test_needs_the_essentials_only(self, read):
        (entry,) = read(TRACE).entries
        assert (entry.exchange.method, entry.exchange.body, entry.count) == ("GET", b"hello", 1)
        assert entry.last_seen == entry.exchange.at == datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)

    def test_has_its_entries_in_the_order_of_their_times(self, read):
        second = TRACE[TRACE.index("- request") :].replace("00:00:05", "00:00:04").replace("hello", "first")
        assert [entry.exchange.body for entry in read(TRACE + second).entries] == [b"first", b"hello"]

    @pytest.mark.parametrize(
        ("text", "line", "why"),
        [
            (TRACE.replace("- request: {", "- request: {{{"), 5, "did not find expected"),
            (TRACE.replace("code: 200", "code: 2000"), 4, "response.status.code: "),
            (TRACE.replace("  recorded_at: 2026-01-01T00:00:05Z\n", ""), 4, "recorded_at: field required"),
            (TRACE.replace("2026-01-01T00:00:05Z", "yesterday"), 4, "recorded_at: "),
            (TRACE.replace("uri: 'http://x/'", "url: 1"), 4, "request.uri: field required"),
            (TRACE.replace("format: 1", "format: 2"), 2, "of a newer stormcone"),
            (TRACE.replace("provider: azure, ", ""), 2, "provider: field required"),
            (TRACE.replace("trace: ", "about: "), 1, "says nothing of a trace"),
            (TRACE.replace("interactions:", "interactions: 5\nothers:"), 1, "no list of interactions"),
            ("hello", 1, "no list of interactions"),
            ("", 1, "no list of interactions"),
            ("a: !!python/object:os.system {}", 1, "could not determine a constructor"),
            (TRACE.replace("- request: {method: get, uri: 'http://x/'}", "- 5"), 5, ""),
        ],
    )
    def test_that_is_no_trace_is_told_by_its_line(self, read, text, line, why):
        with pytest.raises(TraceError, match=rf"cannot be used: line {line}: .*{why}") as error:
            read(text)
        assert "\n" not in str(error.value)

    def test_that_vcrpy_recorded_by_itself_has_no_times_to_replay(self, read):
        with pytest.raises(TraceError, match="its times are not known; record it with `stormcone record`"):
            read("interactions: []\nversion: 1\n")

    def test_that_is_not_there_is_told(self, tmp_path):
        with pytest.raises(TraceError, match="no such file"):
            read_trace(tmp_path / "none.yaml")

    def test_needs_yaml_and_says_how_to_get_it(self, tmp_path, monkeypatch):
        (tmp_path / "trace.yaml").write_text(TRACE)
        monkeypatch.setitem(__import__("sys").modules, "yaml", None)
        with pytest.raises(SettingsError, match=r"pip install 'stormcone\[replay\]'"):
            read_trace(tmp_path / "trace.yaml")

    @pytest.mark.parametrize("deep", ["[" * 100_000, "{a: " * 100_000, "\n  - " + "- " * 100_000, "[" * 33 + "]" * 33])
    def test_that_is_nested_beyond_all_measure_is_refused(self, tmp_path, deep):
        (tmp_path / "trace.yaml").write_text(TRACE.replace("interactions:", f"more: {deep}\ninteractions:"))
        # Some versions of libyaml have a limit of their own, for what they must read ahead.
        with pytest.raises(TraceError, match=r"nested more than 32 deep|exceeded maximum nesting depth"):
            read_trace(tmp_path / "trace.yaml")

    def test_may_be_large_and_is_refused_beyond_all_measure(self, tmp_path, monkeypatch):
        monkeypatch.setattr("stormcone.recording.trace_file.LARGEST", 10)
        (tmp_path / "trace.yaml").write_text(TRACE)
        with pytest.raises(TraceError, match="larger than"):
            read_trace(tmp_path / "trace.yaml")
