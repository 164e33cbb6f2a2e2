"""A trace of what the agent itself saw, told from its journal.

The journal keeps each event as the cloud showed it at every step of its life, so the documents can be put together
again. It does not keep the rest: polls that showed nothing new or failed, wordings that changed alone, the cloud's own
numbers of documents, and the identity beyond the machine's name.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from stormcone.clouds.exchange import Exchange
from stormcone.clouds.trace import CloudTrace, cloud_trace
from stormcone.errors import TraceError
from stormcone.journal import ApprovalRecord, Episode, JournalStore, Life
from stormcone.model import EventKey, Machine, MaintenanceEvent, Phase
from stormcone.plugins import provider_class
from stormcone.recording.recorder import Recorder

_REGION = "region:"
"""With what the name begins of one who watches a region, in the place of a machine."""

_ACCEPTED, _REFUSED, _FAILED, _LOST = 200, 400, 503, 0


class _Step(NamedTuple):
    """Something that the journal knows of a moment; the fields that do not apply are None."""

    at: datetime
    life: Life | None = None
    change: MaintenanceEvent | None = None
    before: MaintenanceEvent | None = None
    approval: tuple[MaintenanceEvent, ApprovalRecord] | None = None


def export(journal: JournalStore, path: str | Path, *, anonymise: bool = False) -> int:
    """Write what the cloud must have said to the journal's last machine as a new trace; answers how many entries.

    Raises:
        TraceError: the journal knows of no agent, or of one of a whole region, its cloud has no way to tell it anew, or
            the file cannot be made.
        JournalStoreError: the journal cannot be read.
        PluginError: the journal's provider is not installed.
    """
    lives = journal.lives()
    if not lives:
        raise TraceError(f"the journal {journal.path} is of no agent yet, so there is nothing to export")
    last = lives[-1]
    if last.machine.startswith(_REGION):
        raise TraceError(
            f"the journal {journal.path} is of an agent that watches a region, and a trace is of one machine; record "
            "what the cloud says instead: stormcone record"
        )
    cloud = cloud_trace(provider_class(last.provider))
    if cloud is None:
        raise TraceError(f"the provider {last.provider} has no way to tell a journal as a trace")
    ours = [life for life in lives if (life.provider, life.machine) == (last.provider, last.machine)]
    episodes = [episode for episode in journal.episodes() if episode.event.provider == last.provider]
    steps = sorted(_steps(journal, ours, episodes), key=lambda step: step.at)
    with Recorder(
        path,
        provider=last.provider,
        begun=steps[0].at,
        rules=cloud.rules,
        machine=last.machine,
        anonymise=anonymise,
        origin="journal",
    ) as recorder:
        for exchange in _told(cloud, steps, Machine(provider=last.provider, id="", name=last.machine)):
            recorder.record(exchange)
    if recorder.error:
        raise recorder.error
    return recorder.stored


def _steps(journal: JournalStore, lives: list[Life], episodes: list[Episode]) -> Iterator[_Step]:
    yield from (_Step(life.begun, life=life) for life in lives)
    for episode in episodes:
        changes = journal.changes(episode.id)
        events = [change.event for change in changes]
        for change, before in zip(changes, (None, *events), strict=False):
            yield _Step(change.at, change=change.event, before=before)
        for approval in journal.approvals(episode.id):
            # Where the wall clock was put back meanwhile, the approval bears an earlier time than the announcement.
            known = [change for change in changes if change.at <= approval.asked] or changes[:1]
            at = max(approval.answered or approval.asked, known[-1].at)
            yield _Step(at, approval=(known[-1].event, approval))


def _told(cloud: CloudTrace, steps: list[_Step], machine: Machine) -> Iterator[Exchange]:
    going_on: dict[EventKey, MaintenanceEvent] = {}
    polls = 0
    for at, together in groupby(steps, key=lambda step: step.at):
        ended: list[MaintenanceEvent] = []
        news = False
        for step in together:
            if step.life is not None:
                news = True
                yield from cloud.identity(machine, at)
            if step.approval is not None:
                event, approval = step.approval
                yield from cloud.approval(machine, event, _status(approval), at)
            if step.change is not None:
                news = True
                if step.before is not None:  # its id may have been another one
                    going_on.pop(step.before.key, None)
                if step.change.phase is Phase.ENDED:
                    ended.append(step.change)
                else:
                    going_on[step.change.key] = step.change
        if news:
            polls += 1
            yield from cloud.poll(machine, list(going_on.values()), ended, polls, at)


def _status(approval: ApprovalRecord) -> int:
    if approval.accepted is None:
        return _LOST
    return _ACCEPTED if approval.accepted else _REFUSED if approval.final else _FAILED
