"""A region's watchers and workers whose database is lost, hangs, or is cut off from one of them: real programs.

Nothing is lost and nothing is done twice, whoever has to wait says so, and all go on by themselves.
"""

import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.e2e.region import Region, until

from stormcone.journal.places import read_journal
from stormcone.postgresql.address import JOURNAL_OPTIONS, DatabaseAddress
from stormcone.postgresql.server import PostgresqlServer

pytest.importorskip("psycopg", reason="the extra `fleet` is not installed")

MACHINES = [f"i-{number}" for number in range(4)]


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("postgresql")
class TestAServerThatIsLost:
    def test_in_the_middle_of_a_drain_is_followed_by_its_standby(self, region_of: Callable[..., Region]) -> None:
        """What was committed is on the standby, since that is a synchronous one: all goes on as if nothing had been."""
        waits, alone = ({"synchronous_standby_names": names} for names in ("'*'", "''"))
        with PostgresqlServer(waits) as primary, PostgresqlServer(alone, follows=primary) as standby:
            hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
            url = f"postgresql://postgres@{hosts}/postgres?journal=x&lease=6"
            region = region_of(MACHINES, url)
            workers = ["one", "two"]
            for who in workers:
                region.hold(who)
            watcher = region.watcher("watcher").says("watching ")
            other = region.watcher("other").says("standing by: ")
            started = [region.worker(who, "--silence", "10m", "--at-once", "2").says("takes up to") for who in workers]
            for machine in MACHINES:
                region.announce(machine)
            until(lambda: len(region.effects) == len(MACHINES), lambda: f"all to begin; {region.effects}")
            primary.stop(signal.SIGKILL)
            for worker in started:
                worker.says("what runs goes on, and nothing new is taken")
            standby.promote()
            for who in workers:
                region.let_go(who)
            until(lambda: region.approvals >= len(MACHINES), lambda: f"approvals; {watcher.said} {other.said}")
            began = Counter(each["machine"] for each in region.effects if each["does"] == "begins")
            assert began == dict.fromkeys(MACHINES, 1)
            for program in (*started, watcher, other):
                program.ends()
            assert "its database is another one now" in watcher.said + other.said
            assert region.approvals == len(MACHINES)
            journal = read_journal(DatabaseAddress.parse(url, own=JOURNAL_OPTIONS))
            for episode in journal.episodes():
                assert [asked.accepted for asked in journal.approvals(episode.id)] == [True]
                assert {run.attempt for run in journal.runs(episode.id)} == {1}
            journal.close()


class TestADatabaseThatNeverAnswers:
    """It takes connections, as a server that is frozen does, and says nothing."""

    COMMANDS = (
        ("history",),
        ("status",),
        ("explain", "handlers.py", "--event", "E-1", "--provider", "azure", "--machine", "a"),
        ("sink", "list"),
        ("fleet",),
        ("fleet", "history"),
        ("fleet", "forget", "web-0"),
    )

    @pytest.fixture
    def silent(self, home: Any) -> Iterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"postgresql://me:s3cret@127.0.0.1:{listener.getsockname()[1]}/x?connect_timeout=2"
            home.write(
                "handlers.py", "from stormcone import App\napp = App()\n@app.prepare\ndef p(event, context): ...\n"
            )
            file = home.write("stormcone.toml", f'on_prepare = "true"\n[fleet]\nurl = "{url}"\n')
            file.chmod(0o600)
            home.env.update(STORMCONE_JOURNAL=url, STORMCONE_CONFIG=str(file))
            yield url

    def test_is_one_sentence_of_every_command(self, home: Any, silent: str) -> None:
        """Within the time that is allowed for a connection."""
        asked = [(words, home.start(*words)) for words in self.COMMANDS]
        for words, running in asked:
            assert running.ends() in {74, 77}, words
            (line,) = running.err
            assert "cannot be used: connection timeout expired; see that the server runs and can be reached" in line
            assert "s3cret" not in line

    def test_is_a_cross_in_doctor(self, home: Any, silent: str) -> None:
        done = home.run("doctor", "--provider", "azure", "--machine", "a", "--endpoint", "http://127.0.0.1:9")
        (line,) = [line for line in done.stdout.splitlines() if " journal: " in line]
        assert line.startswith("\N{BALLOT X} journal: ")
        assert "cannot be used: connection timeout expired" in line

    def test_is_waited_for_by_a_worker_which_says_so_and_ends_when_it_is_told_to(self, home: Any, silent: str) -> None:
        worker = home.start("worker", "handlers.py")
        worker.says("cannot be used: connection timeout expired; see that the server runs and can be reached from here")
        assert worker.ends_by(signal.SIGTERM) == 0
        assert worker.out[-1].endswith("stopped")
