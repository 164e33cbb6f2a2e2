"""Rows of our own: claimed with SKIP LOCKED, ended only by the worker and the attempt that has them."""

import threading
import time

import psycopg

from engines import JOBS, SILENCE, Log, hold

CLAIM = """
UPDATE jobs SET worker = %(who)s, attempt = attempt + 1, beat = clock_timestamp() WHERE id = (
    SELECT id FROM jobs
    WHERE NOT done AND (worker IS NULL OR beat < clock_timestamp() - make_interval(secs => %(silence)s))
    ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1
) RETURNING id, attempt
"""
BEAT = "UPDATE jobs SET beat = clock_timestamp() WHERE worker = %s AND NOT done"
END = "UPDATE jobs SET done = true WHERE id = %s AND worker = %s AND attempt = %s"


STATE = "SELECT CASE WHEN done THEN 'done' ELSE 'not done, attempt ' || attempt END FROM jobs"
"""While the second one works."""


def make(url: str, jobs: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE jobs (id serial PRIMARY KEY, worker text, attempt int DEFAULT 0, beat timestamptz,"
            " done bool DEFAULT false)"
        )
        connection.execute("INSERT INTO jobs (worker) SELECT NULL FROM generate_series(1, %s)", (jobs,))


def throughput(url: str) -> float:
    make(url, JOBS)
    begun = time.perf_counter()
    with psycopg.connect(url, autocommit=True) as connection:
        while row := connection.execute(CLAIM, {"who": "one", "silence": 60}).fetchone():
            connection.execute(END, (row[0], "one", row[1]))
    return JOBS / (time.perf_counter() - begun)


def prepare(url: str) -> None:
    make(url, 1)


def beat(url: str, who: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            connection.execute(BEAT, (who,))
            time.sleep(SILENCE / 5)


def work(url: str, who: str) -> None:
    log = Log(url)
    threading.Thread(target=beat, args=(url, who), daemon=True).start()
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            row = connection.execute(CLAIM, {"who": who, "silence": SILENCE}).fetchone()
            if row is None:
                time.sleep(0.05)
                continue
            hold(log, who)
            ended = connection.execute(END, (row[0], who, row[1])).rowcount
            log.write(who, "has ended it" if ended else "is told that it is another's")
