"""Lines on their way out: nobody who says something waits for somebody who reads it."""

import io
import logging
import threading
from collections.abc import Iterator

import pytest

from stormcone.agent.notices import Notice, NoticeKind
from stormcone.cli import spool as module
from stormcone.cli.run_output import LONGEST_TEXT, RunOutput
from stormcone.cli.spool import ROOM, Spool
from stormcone.clock import ManualClock


class StuckPipe(io.StringIO):
    """A pipe that takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def write(self, text: str) -> int:
        self.go.wait(20)
        return super().write(text)


@pytest.fixture
def stuck() -> Iterator[StuckPipe]:
    pipe = StuckPipe()
    yield pipe
    pipe.go.set()


def notice(text: str) -> Notice:
    return Notice(ManualClock().now(), NoticeKind.ANNOUNCED, text)


@pytest.mark.parametrize("as_json", [False, True])
def test_an_output_that_nobody_reads_holds_up_nobody_and_its_loss_is_counted(
    stuck: StuckPipe, monkeypatch: pytest.MonkeyPatch, *, as_json: bool
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 20.0)
    monkeypatch.setattr("sys.stdout", stuck)
    output = RunOutput(ManualClock(), as_json=as_json)
    with output.listening(0):
        for number in range(ROOM + 101):
            output.tell(notice(f"notice {number}"))
        logging.getLogger("anything").warning("said")
        print("printed by a handler")
        stuck.go.set()
    lines = stuck.getvalue().splitlines()
    assert "notice 0" in lines[0]
    # One line is in the writer's hands, or none; the others wait, and what came when there was no room is lost.
    assert ROOM <= sum("notice" in line for line in lines) <= ROOM + 1
    assert "line(s) are lost: nobody has read the output" in lines[-1]


def test_the_end_waits_for_it_for_a_while_only(stuck: StuckPipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    monkeypatch.setattr("sys.stdout", stuck)
    with (output := RunOutput(ManualClock(), as_json=False)).listening(0):
        output.tell(notice("first"))
    assert stuck.getvalue() == ""


def test_lines_come_in_their_order_and_whole() -> None:
    written: list[int] = []
    spool = Spool(lambda number: lambda: written.append(-number))
    for number in range(ROOM):
        spool.put(lambda number=number: written.append(number))  # type: ignore[misc]
    spool.close()
    assert written == list(range(ROOM))


def test_a_line_of_a_megabyte_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    with (output := RunOutput(ManualClock(), as_json=False)).listening(0):
        output.tell(notice("x" * 1_000_000))
        error = ValueError("y" * 1_000_000)
        output.tell(Notice(ManualClock().now(), NoticeKind.RUN_FAILED, "failed", error=error))
    out = capsys.readouterr().out
    assert f"({1_000_000 - LONGEST_TEXT} characters more)" in out
    assert "... (cut) ..." in out
    assert len(out) < 100_000


def test_one_that_a_signal_has_cut_off_as_it_began_goes_on_and_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_off(_thread: threading.Thread) -> None:
        raise KeyboardInterrupt

    said: list[str] = []
    spool = Spool(lambda lost: lambda: said.append(f"{lost} lost"))
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", cut_off)
        with pytest.raises(KeyboardInterrupt):
            spool.put(lambda: said.append("first"))
    spool.put(lambda: said.append("second"))
    spool.close()
    assert said == ["first", "second"]
