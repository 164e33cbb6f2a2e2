"""DBOS: durable workflows on PostgreSQL; an executor that starts again goes on with what it had."""

import time

from dbos import DBOS, SetWorkflowID

from engines import JOBS, Log, hold

STATE = "SELECT status, recovery_attempts FROM dbos.workflow_status"
"""While the second one works."""


def begin(url: str, who: str) -> None:
    DBOS(
        config={
            "name": "engines",
            "system_database_url": url,
            "executor_id": who,
            "application_version": "1",
            "log_level": "ERROR",
        }
    )

    global nothing, held

    @DBOS.step()
    def step() -> None: ...

    @DBOS.workflow()
    def nothing() -> None:
        step()

    @DBOS.step()
    def act() -> None:
        hold(Log(url), NAME)

    @DBOS.workflow()
    def held() -> None:
        act()
        Log(url).write(NAME, "has ended it")

    DBOS.launch()


NAME = ""


def throughput(url: str) -> float:
    begin(url, "one")
    begun = time.perf_counter()
    for _ in range(JOBS):
        nothing()
    return JOBS / (time.perf_counter() - begun)


def prepare(url: str) -> None: ...


def work(url: str, who: str) -> None:
    global NAME
    NAME = who
    # Both are the same executor: another one goes on with nothing, unless a conductor (a service of its own) says so.
    begin(url, "one")
    if who == "first":
        with SetWorkflowID("the-job"):
            held()
    while True:
        time.sleep(1)
