"""One agent per journal, by whatever name its file is opened and whatever becomes of its lock's file."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from stormcone.errors import JournalError, JournalLocked, NotAJournal
from stormcone.journal import Journal


class TestTheLock:
    def test_refuses_a_second_agent_and_names_the_first(self, path, journal):
        with pytest.raises(JournalLocked) as caught:
            Journal.open(path)
        assert str(caught.value) == (
            f"the journal {path} is in use by process {os.getpid()}; "
            "stop that agent, or give this one a journal of its own"
        )

    def test_is_let_go_when_opening_fails(self, path):
        path.write_bytes(b"no database " * 100)
        for _ in range(2):
            with pytest.raises(NotAJournal):
                Journal.open(path)

    def test_is_let_go_by_a_process_that_was_killed(self, path):
        code = f"""
            import time
            from stormcone.journal import Journal
            journal = Journal.open({str(path)!r})
            print("held", flush=True)
            time.sleep(60)
        """
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
        ) as holder:
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(JournalLocked, match=f"in use by process {holder.pid};"):
                Journal.open(path)
            holder.kill()
            holder.wait()
        Journal.open(path).close()

    def test_is_not_kept_by_a_process_that_a_command_left_running(self, path):
        journal = Journal.open(path)
        with subprocess.Popen(["sleep", "60"]) as left:
            journal.close()
            Journal.open(path).close()
            left.kill()

    def test_names_who_really_holds_it(self, path, journal):
        path.with_name("journal.db.lock").write_bytes(b"1".ljust(31) + b"\n")
        with pytest.raises(JournalLocked, match=f"in use by process {os.getpid()};"):
            Journal.open(path)

    def test_is_let_go_by_the_forked_child_of_a_handler(self, path):
        code = f"""
            import os, time
            from stormcone.journal import Journal
            journal = Journal.open({str(path)!r})
            if os.fork():
                os._exit(0)
            print(os.getpid(), flush=True)
            time.sleep(60)
        """
        with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE) as agent:
            child = int(agent.stdout.readline())
            try:
                agent.wait()
                Journal.open(path).close()
            finally:
                os.kill(child, signal.SIGKILL)


@pytest.fixture(params=["a symbolic link", "a chain of them", "a hard link", "a removed lock file"])
def another_way_in(request, path, journal, tmp_path):
    other = tmp_path / "elsewhere" / "other.db"
    other.parent.mkdir()
    if request.param == "a hard link":
        other.hardlink_to(path)
    elif request.param == "a removed lock file":
        path.with_name("journal.db.lock").unlink()
        return path
    elif request.param == "a chain of them":
        (tmp_path / "between").symlink_to(path)
        other.symlink_to("../between")
    else:
        other.symlink_to(path)
    return other


class TestOneJournalHasOneLock:
    def test_by_every_way_in(self, path, journal, another_way_in):
        for _ in range(2):
            with pytest.raises(JournalLocked, match=f"in use by process {os.getpid()};"):
                Journal.open(another_way_in)
        journal.close()
        Journal.open(another_way_in).close()

    def test_a_link_to_no_file_yet_makes_the_file(self, path, tmp_path):
        link = tmp_path / "link.db"
        link.symlink_to(path)
        with Journal.open(link), pytest.raises(JournalLocked):
            Journal.open(path)
        assert link.is_symlink()
        with Journal.read(link) as reader:
            assert reader.episodes() == []

    def test_links_in_a_circle_are_an_error(self, path):
        path.symlink_to(path)
        for opens in (Journal.open, Journal.read):
            with pytest.raises(JournalError, match="symbolic links go in a circle"):
                opens(path)


class TestTheLocksFile:
    """What stands where it should is somebody else's: it is told, and left as it is."""

    @pytest.fixture
    def place(self, path):
        return path.with_name("journal.db.lock")

    @pytest.fixture
    def refused(self, path, place):
        def check():
            with pytest.raises(JournalError) as caught:
                Journal.open(path)
            assert str(caught.value) == (
                f"{place} is not the lock of a journal, and is left as it is; move it away, or name another journal"
            )
            assert not path.exists()

        return check

    @pytest.mark.parametrize("content", ["my notes\n", "127.0.0.1 localhost\n", "a journal was here, and more of it"])
    def test_a_file_of_somebody_else_is_left_as_it_is(self, place, refused, content):
        place.write_text(content)
        refused()
        assert place.read_text() == content

    @pytest.mark.parametrize("content", ["", "my notes\n"])
    def test_a_link_is_not_followed(self, place, refused, tmp_path, content):
        target = tmp_path / "target"
        target.write_text(content)
        place.symlink_to(target)
        refused()
        assert target.read_text() == content

    def test_a_link_to_nothing_makes_nothing(self, place, refused, tmp_path):
        place.symlink_to(tmp_path / "target")
        refused()
        assert not (tmp_path / "target").exists()

    def test_a_pipe_does_not_hold_it_up(self, place, refused):
        os.mkfifo(place)
        refused()

    def test_half_a_lock_as_a_full_disk_leaves_it_is_ours(self, path, place):
        for content in (b"", b"12", b"12".ljust(31), b"\0" * 32 + b"a journal was here"):
            place.write_bytes(content)
            Journal.open(path).close()
