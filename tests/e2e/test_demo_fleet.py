"""`stormcone demo fleet` on a real PostgreSQL: the story in its order, one approval for both, nothing left behind."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from stormcone.postgresql.server import programs

pytestmark = pytest.mark.skipif(programs() is None, reason="there is no PostgreSQL server here")

STORY = [
    "cloud: reboot of db-0, db-1 announced",
    "cloud: reboot of db-2 announced",
    "db-2: reboot of db-2 waits for its turn in group db: db-0 is away (reboot",
    "db-0: Pool.prepare done",
    "db-0: reboot of db-0, db-1 is not approved yet: waiting for others: db-1 is preparing",
    "db-1: Pool.prepare done",
    "db-0: reboot of db-0, db-1 approved: prepared by Pool; agreed by db-0, db-1",
    "cloud: reboot of db-0, db-1 has ended: completed (inferred)",
    "db-2: reboot of db-2 has its turn: its handlers go on",
    "db-2: Pool.prepare begins",
    "db-2: reboot of db-2 approved: prepared by Pool",
    "db-2: Pool.recover done",
]
BEGUN = ["db-1: Pool.prepare done", "cloud: reboot of db-0, db-1 has begun", "cloud: reboot of db-0, db-1 has ended"]
"""The cloud goes ahead while its answer to the approval is on its way; at this speed either may be heard first."""


@pytest.fixture
def folder(home: Any) -> Iterator[Path]:
    """Where temporary files go: near the root, since a socket's path is short, and open to whom the server runs as."""
    pytest.importorskip("psycopg", reason="the extra `fleet` is not installed")
    with TemporaryDirectory(dir="/tmp", prefix="demo-") as folder:
        Path(folder).chmod(0o755)
        home.env["TMPDIR"] = folder
        yield Path(folder)


def servers(folder: Path) -> list[str]:
    """The processes that were started with the folder's name."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words:
            found.append(words.replace("\0", " "))
    return found


class TestTheDemoOfAFleet:
    def test_tells_the_story_in_its_order_and_approves_once_for_both(self, home: Any, folder: Path) -> None:
        done = home.run("demo", "fleet", "--speed", "60")
        assert (done.returncode, done.stderr) == (0, "")
        assert "\x1b" not in done.stdout
        told = [f"{who}: {text}" for who, text in re.findall(r"^ *\d+:\d\d  . (\S+) +(.*)$", done.stdout, re.MULTILINE)]
        for story in (STORY, BEGUN):
            lines = iter(told)
            missing = [each for each in story if not any(line.startswith(each) for line in lines)]
            assert missing == [], told
        assert sum(" approved: prepared by " in line for line in told) == 2
        assert not [line for line in told if "✗" in line]
        asked = "  reboot of db-0, db-1: approved once, by db-0\n  reboot of db-2: approved once, by db-2\n"
        assert asked in done.stdout
        assert "    db-2 has waited for its turn for " in done.stdout
        assert (list(folder.iterdir()), servers(folder)) == ([], [])

    @pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_leaves_nothing_behind_when_it_is_told_to_end(
        self, home: Any, folder: Path, number: signal.Signals, status: int
    ) -> None:
        demo = home.start("demo", "fleet")
        demo.says("Pool.prepare begins")
        assert servers(folder)
        assert demo.ends_by(number) == status
        assert (list(folder.iterdir()), servers(folder)) == ([], [])

    def test_leaves_no_process_behind_when_it_is_killed(self, home: Any, folder: Path) -> None:
        """Nobody is there any more to end the server: the system does, and the agents were threads of the demo."""
        demo = home.start("demo", "fleet")
        demo.says("Pool.prepare begins")
        assert servers(folder)
        assert demo.ends_by(signal.SIGKILL) == -signal.SIGKILL
        home.until(lambda: not servers(folder), "the server to end")
