"""procrastinate: jobs on PostgreSQL, with heartbeats of workers; whoever looks for stalled jobs gives them back."""

import time

from procrastinate import App, PsycopgConnector, SyncPsycopgConnector

from engines import JOBS, SILENCE, Log, hold

STATE = "SELECT status, attempts FROM procrastinate_jobs"
"""While the second one works."""


def app_of(url: str, connector: type = PsycopgConnector) -> App:
    app = App(connector=connector(conninfo=url))

    @app.task(name="nothing")
    def nothing() -> None: ...

    @app.task(name="held", pass_context=True)
    def held(context) -> None:
        hold(Log(url), context.worker_name)

    return app


def make(url: str, task: str, jobs: int) -> None:
    app = app_of(url, SyncPsycopgConnector)
    with app.open():
        app.schema_manager.apply_schema()
        for _ in range(jobs):
            app.tasks[task].defer()


def throughput(url: str) -> float:
    make(url, "nothing", JOBS)
    app = app_of(url)
    begun = time.perf_counter()
    app.run_worker(wait=False, concurrency=1, listen_notify=False, install_signal_handlers=False)
    return JOBS / (time.perf_counter() - begun)


def prepare(url: str) -> None:
    make(url, "held", 1)


GIVE_BACK = "SELECT procrastinate_retry_job_v1(%(id)s, now(), NULL, NULL, NULL)"


def take_over(url: str) -> None:
    app = app_of(url, SyncPsycopgConnector)
    with app.open():
        for job in app.job_manager.connector.execute_query_all(
            "SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND worker_id IN"
            f" (SELECT id FROM procrastinate_workers WHERE last_heartbeat < now() - interval '{SILENCE} s')"
        ):
            app.job_manager.connector.execute_query(GIVE_BACK, id=job["id"])


def work(url: str, who: str) -> None:
    app = app_of(url)
    app.run_worker(
        name=who,
        fetch_job_polling_interval=0.05,
        update_heartbeat_interval=SILENCE / 5,
        stalled_worker_timeout=3600,
        install_signal_handlers=False,
    )
