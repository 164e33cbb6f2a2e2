"""Let a worker finish the jobs that it has before maintenance, and give back what it cannot finish.

    REDIS=redis://10.0.0.5:6379 WORKER=worker.service stormcone run handler.py

The worker moves each job from `jobs` to `working:MACHINE` (BLMOVE), and takes it from there when it is done.
On SIGTERM it takes no more jobs, finishes those that it has, and ends.
"""

import os
import subprocess
from datetime import timedelta

from redis import Redis

from stormcone import App, Context, Handler, Impact, MaintenanceEvent

QUEUE = Redis.from_url(os.environ["REDIS"], socket_timeout=10)
WORKER = os.environ["WORKER"]


class FinishOrGiveBack(Handler):
    impacts = set(Impact) - {Impact.NONE, Impact.DEGRADED, Impact.FREEZE}
    timeout = timedelta(minutes=5)

    def prepare(self, event: MaintenanceEvent, context: Context) -> None:
        # systemd waits for TimeoutStopSec before it ends what has not finished.
        subprocess.run(["systemctl", "stop", WORKER], check=True, timeout=240)
        while job := QUEUE.lmove(f"working:{context.machine.name}", "jobs", "RIGHT", "LEFT"):
            context.log.warning("gave back %s, which was not finished", job)

    def recover(self, event: MaintenanceEvent, context: Context) -> None:
        subprocess.run(["systemctl", "start", WORKER], check=True, timeout=60)


app = App([FinishOrGiveBack()])
