"""tooz on PostgreSQL: a lock of the session's, which says who may, and to whom nobody can add a number of the turn."""

import time

from tooz import coordination

from engines import Log, hold


def prepare(url: str) -> None: ...


def work(url: str, who: str) -> None:
    log = Log(url)
    coordinator = coordination.get_coordinator(url, who.encode())
    coordinator.start()
    lock = coordinator.get_lock(b"region")
    while not lock.acquire(blocking=False):
        time.sleep(0.05)
    hold(log, who)
    log.write(who, "has ended it")
    time.sleep(3600)
