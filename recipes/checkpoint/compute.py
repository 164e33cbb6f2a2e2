"""A long computation in small steps, with a checkpoint every few seconds and at its end.

python recipes/checkpoint/compute.py CHECKPOINT LOG SECONDS_A_STEP SECONDS_A_CHECKPOINT
"""

import json
import signal
import sys
import threading
import time
from pathlib import Path


def main() -> None:
    """Compute until SIGTERM."""
    checkpoint, log = Path(sys.argv[1]), Path(sys.argv[2])
    step_seconds, checkpoint_seconds = float(sys.argv[3]), float(sys.argv[4])
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    state = json.loads(checkpoint.read_text()) if checkpoint.exists() else {"steps": 0, "total": 0}
    written = time.monotonic()

    def write() -> None:
        new = checkpoint.with_suffix(".new")
        new.write_text(json.dumps(state))
        new.replace(checkpoint)  # a checkpoint is whole, or the one before is

    while not told.is_set():
        began = time.monotonic()
        time.sleep(step_seconds)
        state = {"steps": state["steps"] + 1, "total": state["total"] + state["steps"] ** 2}
        with log.open("a") as lines:
            lines.write(f"{state['steps']} {began} {time.monotonic() - began}\n")
        if time.monotonic() - written > checkpoint_seconds:
            write()
            written = time.monotonic()
    write()


if __name__ == "__main__":
    main()
