"""Hand the primary's role to the standby before maintenance, and come back as its standby.

    PG_BIN=/usr/lib/postgresql/15/bin PG_DATA=/var/lib/postgresql/15/main \
    PG_HERE="host=/var/run/postgresql user=postgres" PG_PEER="host=db-1 user=postgres" stormcone run handler.py

Both servers have `primary_conninfo` set to the other one, so that `standby.signal` alone makes a standby.
"""

import os
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

from stormcone import App, Context, Handler, Impact, MaintenanceEvent, Retry, Veto

BIN, DATA = Path(os.environ["PG_BIN"]), Path(os.environ["PG_DATA"])
HERE, PEER = os.environ["PG_HERE"], os.environ["PG_PEER"]
SIGNAL, OURS = DATA / "standby.signal", "switched over before maintenance\n"
AS_POSTGRES = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


def run(program: str | Path, *words: str | Path) -> str:
    command = [*AS_POSTGRES, str(program), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
    if done.returncode:
        raise RuntimeError(f"{program} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def ask(server: str, query: str) -> str:
    return run(BIN / "psql", "-XAtqw", "-d", f"{server} dbname=postgres connect_timeout=5", "-c", query)


def in_recovery(server: str) -> bool:
    return ask(server, "select pg_is_in_recovery()") == "t"


def runs_here() -> bool:
    try:
        return bool(run(BIN / "pg_ctl", "status", "-D", DATA))
    except RuntimeError:
        return False


class Switchover(Handler):
    impacts = set(Impact) - {Impact.NONE, Impact.DEGRADED, Impact.FREEZE}
    timeout = timedelta(minutes=10)

    def prepare(self, event: MaintenanceEvent, context: Context) -> None:
        if not in_recovery(PEER) or (runs_here() and in_recovery(HERE)):
            return  # this one is not the primary: it may go
        if runs_here():
            stop_in_step()
        lines = run(BIN / "pg_controldata", "-D", DATA).splitlines()
        last = next(line.split()[-1] for line in lines if line.startswith("Latest checkpoint location"))
        if ask(PEER, f"select pg_last_wal_replay_lsn() > '{last}'") != "t":
            raise Retry("the standby has not replayed all", after=1)
        SIGNAL.write_text(OURS)  # before the other one is promoted: whatever dies when, there are never two primaries
        shutil.chown(SIGNAL, DATA.owner(), DATA.group())
        ask(PEER, "select pg_promote()")

    def recover(self, event: MaintenanceEvent, context: Context) -> None:
        if SIGNAL.exists() and SIGNAL.read_text() == OURS and in_recovery(PEER):
            SIGNAL.unlink()  # the other one was not promoted: this one is still the primary
        if not runs_here():
            run(BIN / "pg_ctl", "start", "-D", DATA, "-l", DATA / "start.log")


def stop_in_step() -> None:
    followers = "from pg_stat_replication where state = 'streaming'"
    behind = ask(HERE, f"select min(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)) {followers}")
    if not behind:
        raise Veto("no standby is in step")
    if float(behind) > 16 * 1024**2:
        raise Retry(f"the standby is {behind} bytes behind", after=5)
    try:
        run(BIN / "pg_ctl", "stop", "-D", DATA, "-m", "smart", "-t", "30")  # transactions end, none begins
    except RuntimeError:
        run(BIN / "pg_ctl", "stop", "-D", DATA, "-m", "fast")


app = App([Switchover()])
