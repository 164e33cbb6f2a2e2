"""The workers of a journal, for `stormcone status`: who lives, what is at whom, and what waits."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import click

from stormcone.journal.offers import Crew, OfferedRun, WorkerState
from stormcone.text import iso, printable, shortened, span

_MOST = 20
"""Waiting runs that are shown to people; of more it is said how many."""

_LONGEST_NAME = 40


def crew_document(crew: Crew) -> dict[str, Any]:
    """The workers for programs; times are ISO 8601 in UTC, by the database's clock."""
    return {
        "at": iso(crew.at),
        "workers": [_worker(each, crew.at) for each in crew.workers],
        "waiting": [_run(each, crew.at) for each in crew.waiting],
    }


def _worker(worker: WorkerState, now: datetime) -> dict[str, Any]:
    return {
        "name": worker.name,
        "state": "silent" if worker.silent else "living",
        "last_heard": iso(worker.heard),
        "last_heard_age_seconds": _age(worker.heard, now),
        "handlers": list(worker.handlers),
        "runs": [_run(each, now) for each in worker.runs],
    }


def _run(run: OfferedRun, now: datetime) -> dict[str, Any]:
    return {
        "event": run.event,
        "machine": run.machine,
        "handler": run.handler,
        "stage": run.stage,
        "attempt": run.attempt,
        "since": iso(run.since),
        "seconds": _age(run.since, now),
        "fits": run.fits,
    }


def _age(time: datetime, now: datetime) -> float:
    return round(max((now - time).total_seconds(), 0.0), 1)


def crew_lines(crew: Crew) -> Iterator[str]:
    """The same for people; nothing where there are no workers, and nothing waits for one."""
    if not crew.workers and not crew.waiting:
        return
    living = sum(not worker.silent for worker in crew.workers)
    yield click.style(f"Workers: {living} living, {len(crew.workers) - living} silent", bold=True)
    for worker in crew.workers:
        state = click.style("silent", fg="yellow") if worker.silent else click.style("living", fg="green")
        heard = span(crew.at - worker.heard)
        handlers = ", ".join(worker.handlers)
        yield f"  {printable(shortened(worker.name, _LONGEST_NAME))}: {state}, heard {heard} ago" + printable(
            f", has {handlers}"
        )
        for run in worker.runs:
            yield f"    {_line(run, crew.at)}"
    yield from _waiting(crew.waiting, crew.at)


def _waiting(runs: Sequence[OfferedRun], now: datetime) -> Iterator[str]:
    if runs:
        yield click.style("Runs that wait for a worker", bold=True)
    for run in runs[:_MOST]:
        why = "" if run.fits else f": no worker that lives has the handler {run.handler}"
        yield f"  {_line(run, now)}{printable(why)}"
    if len(runs) > _MOST:
        yield f"  ... and {len(runs) - _MOST} more"


def _line(run: OfferedRun, now: datetime) -> str:
    attempt = f" (attempt {run.attempt})" if run.attempt > 1 else ""
    return printable(f"{run.handler}.{run.stage} of {run.machine}{attempt} for {span(now - run.since)}, {run.event}")
