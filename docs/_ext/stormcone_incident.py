"""The time line of one incident: an agent rides out a reboot on a simulator, and its journal is drawn."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import svg

from stormcone import App, Context, Handler, Impact, MaintenanceEvent, ManualClock, Phase, Retry
from stormcone.journal.timeline import TimelineEntry
from stormcone.testing import AgentDriver
from stormcone_simulators.azure import AzureSimulator

_LANE, _ROW = 26, 30


class Pool(Handler):
    """Leaves the load balancer's pool; the first try meets a load balancer that does not answer."""

    def prepare(self, _event: MaintenanceEvent, context: Context) -> None:
        context.wait(3)
        if context.attempt == 1:
            raise Retry("no answer", after=5)

    def recover(self, _event: MaintenanceEvent, context: Context) -> None:
        context.wait(2)


class Queue(Handler):
    """Finishes what it has begun."""

    def prepare(self, _event: MaintenanceEvent, context: Context) -> None:
        context.wait(170)

    def recover(self, _event: MaintenanceEvent, context: Context) -> None:
        context.wait(8)


def story() -> list[TimelineEntry]:
    """What the journal of such an agent says. The clock stands still, so it is the same every time."""
    clock = ManualClock()
    with (
        _silent(),
        AzureSimulator(["web-0"], clock=clock) as simulator,
        AgentDriver(simulator, App([Pool(), Queue()])) as agent,
    ):
        event = simulator.schedule(Impact.REBOOT, resources=["web-0"], notice=timedelta(minutes=15))
        agent.run_until(event, Phase.STARTED)
        clock.advance(minutes=4)
        agent.restart(boot_id="boot-2")
        agent.run_until(event, Phase.ENDED)
        return agent.timeline(event)


@contextmanager
def _silent() -> Iterator[None]:
    """What the agent of the story logs is no news of the build."""
    logger = logging.getLogger("stormcone")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def incident(entries: Sequence[TimelineEntry] | None = None) -> str:
    """One line for each entry, with a lane for each who took part and a bar for as long as a stage runs."""
    entries = story() if entries is None else entries
    lanes = list(dict.fromkeys(entry.who for entry in entries))
    begin = 84
    words = begin + len(lanes) * _LANE + 4
    parts, running = [], dict[str, float]()
    bottom = 30 + len(entries) * _ROW
    for number in range(len(lanes)):
        x = begin + number * _LANE
        parts.append(f'<path class="lane" d="M{x} 16V{bottom - 10}"/>')
    for number, entry in enumerate(entries):
        lane, y = lanes.index(entry.who), 30.0 + number * _ROW
        x = begin + lane * _LANE
        step = entry.what.partition(" ")[2]
        if step.startswith("begins"):
            running[entry.who] = y
        elif step == "ends" and entry.who in running:
            parts.append(f'<path class="bar lane-{lane}" d="M{x} {running.pop(entry.who):g}V{y:g}"/>')
        shown = f"{entry.what}: {entry.result}" if entry.result else entry.what
        parts += [
            f'<circle class="dot lane-{lane}" cx="{x}" cy="{y:g}" r="6"/>',
            svg.text(62, y + 5, [_since(entries[0], entry)], "time", "end"),
            f'<text><tspan class="strong" x="{words}" y="{y + 5:g}">{entry.who}</tspan> <tspan>{shown}</tspan></text>',
        ]
    says = "The time line of a reboot: announced, prepared, approved, started, ended, recovered"
    return svg.picture("incident", says, bottom, parts, width=530)


def _since(first: TimelineEntry, entry: TimelineEntry) -> str:
    seconds = round((entry.at - first.at).total_seconds())
    return f"{seconds // 60}:{seconds % 60:02}"
