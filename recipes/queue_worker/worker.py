"""A worker of a queue in Redis, with room for several jobs at a time.

python recipes/queue_worker/worker.py REDIS_URL MACHINE SECONDS
"""

import signal
import sys
import threading
import time
from typing import Any

from redis import Redis

ROOM = 8

FINISH = """
if redis.call('lrem', KEYS[1], 1, ARGV[1]) == 1 then redis.call('rpush', KEYS[2], ARGV[2]) end
"""
"""A result counts only where the job was not given back meanwhile."""


def main() -> None:
    """Work until SIGTERM."""
    url, machine, seconds = sys.argv[1:]
    queue, told = Redis.from_url(url, decode_responses=True), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    working = f"working:{machine}"
    while queue.lmove(working, "jobs", "RIGHT", "LEFT"):
        pass  # what an earlier life has left
    finish = queue.register_script(FINISH)

    def work() -> None:
        while not told.is_set():
            job: Any = queue.blmove("jobs", working, 1, "LEFT", "RIGHT")
            if job:
                queue.incr(f"begun:{job}")
                time.sleep(float(seconds))
                finish(keys=[working, f"result:{job}"], args=[job, machine])

    threads = [threading.Thread(target=work) for _ in range(ROOM)]
    for thread in threads:
        thread.start()
    told.wait()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
