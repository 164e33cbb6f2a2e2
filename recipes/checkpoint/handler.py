"""Have a long computation write a checkpoint and stop before maintenance, and go on from there afterwards.

    COMPUTATION=compute.service CHECKPOINT=/mnt/share/checkpoint.json stormcone run handler.py

On SIGTERM the computation writes its checkpoint and ends; when it starts, it reads it.
"""

import os
import subprocess
import time
from datetime import timedelta
from pathlib import Path

from stormcone import App, Context, Handler, Impact, MaintenanceEvent

COMPUTATION, CHECKPOINT = os.environ["COMPUTATION"], Path(os.environ["CHECKPOINT"])


class Checkpoint(Handler):
    impacts = {impact for impact in Impact if impact.loses_memory is not False}
    lead = timedelta(minutes=5)  # until then it goes on computing
    timeout = timedelta(minutes=5)

    def prepare(self, event: MaintenanceEvent, context: Context) -> None:
        began = time.time()
        ran = subprocess.run(["systemctl", "is-active", "--quiet", COMPUTATION], timeout=60).returncode == 0
        subprocess.run(["systemctl", "stop", COMPUTATION], check=True, timeout=240)
        if ran and CHECKPOINT.stat().st_mtime < began - 1:
            raise RuntimeError(f"{COMPUTATION} has ended and not written {CHECKPOINT}")
        context.log.info("%s is %s bytes", CHECKPOINT, CHECKPOINT.stat().st_size)

    def recover(self, event: MaintenanceEvent, context: Context) -> None:
        subprocess.run(["systemctl", "start", COMPUTATION], check=True, timeout=60)


app = App([Checkpoint()])
