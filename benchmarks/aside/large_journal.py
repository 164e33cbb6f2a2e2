"""What a large journal costs at the start of the agent: memory and time.

    python benchmarks/aside/large_journal.py [EVENTS]

A journal of so many events is made in the temporary folder (TMPDIR puts it elsewhere) and opened in a process of its
own, which then looks for what is left to do: once where all have ended, and once where all go on.
"""

import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from stormcone import App, MaintenanceEvent
from stormcone.agent.engine import Engine
from stormcone.clock import Instant
from stormcone.journal import Journal
from stormcone.model import Impact, Machine, Outcome, Phase
from stormcone.rules.changes import Change, ChangeKind

EVENTS = 50_000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MACHINE = Machine(provider="azure", id="b4ff4c5e-7c4d-4b0a-8d2a-1d6a1d3a9a50", name="web-0")


def make(path: Path, number: int, *, ended: bool) -> None:
    with Journal.open(path) as journal:
        journal.begin_life(BEGIN, MACHINE)
        with journal.transaction():
            for each in range(number):
                event = MaintenanceEvent(
                    id=f"E-{each}",
                    provider="azure",
                    impact=Impact.REBOOT,
                    phase=Phase.SCHEDULED,
                    resources=("web-0",),
                    native={"Description": "x" * 900},
                )
                steps = [Change(kind=ChangeKind.ANNOUNCED, event=event, before=None, episode=1)]
                if ended:
                    over = event.but(phase=Phase.ENDED, outcome=Outcome.COMPLETED)
                    steps.append(Change(kind=ChangeKind.ENDED, event=over, before=event, episode=1))
                for step in steps:
                    journal.save_change(step, Instant.of(BEGIN), MACHINE)


def most() -> int:
    """The most that this process has had in memory, in KiB; what getrusage says is that of who started it, too."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])


def start(path: Path) -> str:
    before, begun = most(), time.process_time()
    with Journal.open(path) as journal:
        opened = most()
        Engine(journal, App(), MACHINE)
        return (
            f"{(opened - before) / 1024:.0f} MiB more to open it, {(most() - opened) / 1024:.0f} MiB more for what "
            f"is left to do, {time.process_time() - begun:.1f} s of a processor"
        )


def main() -> None:
    number = int(sys.argv[1]) if sys.argv[1:] else EVENTS
    print(f"{datetime.now(UTC):%Y-%m-%d}: {Path(__file__).name}")
    for ended in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "journal.db")
            make(path, number, ended=ended)
            code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import large_journal as b; "
            code += f"print(b.start(b.Path({str(path)!r})))"
            said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
            what = "have ended" if ended else "go on"
            print(f"{number} events that {what}, {path.stat().st_size / 2**20:.0f} MiB: {said.strip()}", flush=True)


if __name__ == "__main__":
    main()
