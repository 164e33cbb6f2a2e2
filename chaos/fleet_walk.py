"""Whether a fleet keeps its promises whatever is done to its agents, watchers, workers and database.

    python chaos/fleet_walk.py                              a thousand faults, on both scenes
    python chaos/fleet_walk.py --faults 5000 --seed 7
    python chaos/fleet_walk.py --scene agents --faults 60

Each round has a PostgreSQL, a simulator and real programs with links that can be cut: they are killed, frozen and cut
off, their clocks are moved, the database is killed, frozen and made read-only. Then all is well again, and the record
of the round is read: `fleet/rules.py` says what must hold. A breach is printed with the folder of its round, which is
kept, and the status is 1. What is done is drawn from the seed; when exactly, the machine decides as well.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from fleet.agents import Agents
from fleet.record import Record
from fleet.region import Region
from fleet.rules import breaches, excused
from fleet.scene import Scene
from machinery import FAKETIME, Zygote
from world import move_clock

SCENES: tuple[type[Scene], ...] = (Agents, Region)

FAULTS_A_ROUND = 60
NUMBERS = 100_000
"""How many lives a round may have."""


def figures(record: Record) -> Counter[str]:
    """What there was in a round."""
    spells = (f"{'database' if each.target == 'database' else 'process'}: {each.kind}" for each in record.spells)
    return Counter(spells) + Counter(
        rounds=1,
        faults=len(record.spells),
        events=len(record.events),
        stages=sum(line.does == "begins" for line in record.done),
        approvals=sum(bool(ask.approves) for ask in record.asks),
        rights=len(record.claims),
        writes=len(record.writes),
        excused=excused(record),
    )


async def walk(folder: Path, seed: str, faults: int, scenes: tuple[type[Scene], ...]) -> tuple[Counter[str], list[str]]:
    """All rounds, one after the other; answers the figures, and the breaches."""
    told: Counter[str] = Counter()
    found: list[str] = []
    clock = folder / "clock"
    move_clock(clock, 0)
    zygotes = [Zygote(), Zygote(clock)] if FAKETIME else [Zygote()]
    for zygote in zygotes:
        await zygote.open()
    number = 0
    while told["faults"] < faults:
        number += 1
        scene = scenes[number % len(scenes)]
        place = folder / f"round-{number}"
        many = min(FAULTS_A_ROUND, faults - told["faults"])
        record = await scene(place, f"{seed}/{number}", many, zygotes, clock, number * NUMBERS).run()
        told += figures(record)
        broken = breaches(record)
        for breach in broken:
            print(f"BREACH in {place} ({scene.name} {record.seed}): {breach}", flush=True)
        found += broken
        if not broken:
            shutil.rmtree(place)
        print(f"{told['faults']} of {faults} faults, {told['approvals']} approvals, {len(found)} breaches", flush=True)
    for zygote in zygotes:
        await zygote.close()
    return told, found


def main() -> int:
    """Walk; answers the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=1000, help="how many things are done (1000)")
    parser.add_argument("--seed", default=str(int(time.time())), help="what they are drawn from")
    parser.add_argument("--scene", choices=[scene.name for scene in SCENES], help="only this one")
    given = parser.parse_args()
    scenes = tuple(scene for scene in SCENES if given.scene in {None, scene.name})
    folder = Path(tempfile.mkdtemp(prefix="stormcone-fleet-walk-"))
    begun = time.monotonic()
    told, found = asyncio.run(walk(folder, given.seed, given.faults, scenes))
    seconds = time.monotonic() - begun
    came = {"seed": given.seed, "seconds": round(seconds), **dict(sorted(told.items())), "breaches": len(found)}
    print(json.dumps(came))
    if not found:
        shutil.rmtree(folder)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
