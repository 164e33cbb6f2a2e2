"""Whether the agent keeps its promises whatever is done to it: killed, frozen and stopped at random.

    python chaos/chaos.py                         a thousand kills
    python chaos/chaos.py --kills 10000 --seed 7

Each round is a simulator, a wire that spoils what passes, and one life of an agent after the other on the same journal;
afterwards the checker reads what was done. Rounds go side by side. A breach is printed with the folder of its round,
which is kept, and the status is 1.

What it is made of is drawn from the seed, and so is what is done; when exactly, the machine decides as well, so a seed
repeats the kind of a round and not its every moment.
"""

import argparse
import asyncio
import faulthandler
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from checker import FIGURES, breaches
from machinery import FAKETIME, Zygote
from story import Story
from world import Plan, World, can_mount, move_clock

KILLS_A_ROUND = 60
"""At the most: then a world has lived long enough."""

ROUNDS_A_LINE = 20
"""How far it is, is said after so many rounds."""

LONGEST_STALL = 20.0
"""Seconds without a look at the load, which is due every two: then nobody has carried the requests through the wire."""

CLOUDS = ("azure", "alibaba")
SPEED = 5.0
NUMBERS = 1_000_000
"""How many lives a round may have."""


class Rounds:
    """What is still to be done, and what came of the rest.

    Args:
        kills: how many lives are to end by SIGKILL.
        seed: what everything is drawn from.
        folder: where rounds have their folders.
        worlds: how many go side by side.
        features: which of the attacks that not every system allows are made.
        fixed: what is the same in each plan, whatever is drawn.
    """

    def __init__(
        self, kills: int, seed: str, folder: Path, *, worlds: int, features: set[str], fixed: dict[str, Any]
    ) -> None:
        self.kills = kills
        self.seed = seed
        self.folder = folder
        self.worlds = worlds
        self.features = features
        self.fixed = fixed
        self.number = 0
        self.planned = 0
        self.figures: Counter[str] = Counter()
        self.breaches: list[str] = []

    def next_plan(self) -> Plan | None:
        """The next round; None where there is nothing left to do."""
        if self.planned >= self.kills:
            return None
        kills = min(KILLS_A_ROUND, -(-self.kills // self.worlds), self.kills - self.planned)
        self.planned += kills
        self.number += 1
        seed = f"{self.seed}/{self.number}"
        chance = random.Random(seed)  # noqa: S311 - it is to be repeatable
        draws = {name: chance.random() for name in ("clock", "disk", "unread", "overwrites")}
        clock = "clock" in self.features and draws["clock"] < 0.06
        drawn = Plan(
            seed=seed,
            cloud=CLOUDS[self.number % len(CLOUDS)],
            handlers=chance.choice(("python", "commands", "both")),
            kills=kills,
            speed=1.0 if clock else SPEED,
            clock=clock,
            disk="disk" in self.features and not clock and draws["disk"] < 0.25,
            unread=draws["unread"] < 0.2,
            overwrites=not clock and draws["overwrites"] < 0.1,
        )
        return replace(drawn, **self.fixed)

    def judge(self, folder: Path) -> None:
        """Add a round to the rest; its folder goes where nothing was wrong.

        One in which the attack itself stood still says nothing of the agent: its kills are made again.
        """
        story = Story.read(folder)
        if story.stalled > LONGEST_STALL:
            print(f"{folder.name} is not judged: the attack itself stood still for {story.stalled:.0f} s", flush=True)
            self.planned -= story.plan["kills"]
            shutil.rmtree(folder)
            return
        self.figures.update({name: figure(story) for name, figure in FIGURES.items()})
        self.figures["rounds"] += 1
        if not self.figures["rounds"] % ROUNDS_A_LINE:
            print(f"{self.figures['kills']} of {self.kills} kills", flush=True)
        found = breaches(story)
        self.breaches += found
        for breach in found:
            print(f"BREACH in {folder} ({story.plan}): {breach}", flush=True)
        if not found:
            shutil.rmtree(folder)


async def work(rounds: Rounds, lives: Zygote, clocked: Zygote | None, offset: Path) -> None:
    """Do rounds until there are none left."""
    while (plan := rounds.next_plan()) is not None:
        number = rounds.number
        folder = rounds.folder / f"round-{number}"
        zygote = clocked if plan.clock and clocked is not None else lives
        if plan.clock:
            move_clock(offset, 0)
        await World(plan, folder, zygote, lives, offset, number * NUMBERS).run()
        rounds.judge(folder)


async def show_what_stands_still() -> None:
    """Print where the attack itself is where it does not come on for a long time."""
    try:
        while True:
            faulthandler.dump_traceback_later(LONGEST_STALL)
            await asyncio.sleep(1.0)
    finally:
        faulthandler.cancel_dump_traceback_later()


async def attack(rounds: Rounds) -> None:
    """All rounds, some at a time; SIGTERM ends it in good order, as Ctrl-C does."""
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    offsets = [rounds.folder / f"offset-{number}" for number in range(rounds.worlds)]
    lives = Zygote()
    await lives.open()
    clocked = [Zygote(offset) if "clock" in rounds.features else None for offset in offsets]
    for offset, zygote in zip(offsets, clocked, strict=True):
        move_clock(offset, 0)
        if zygote is not None:
            await zygote.open()
    watching = asyncio.create_task(show_what_stands_still())
    tasks = [
        asyncio.create_task(work(rounds, lives, own, offset)) for own, offset in zip(clocked, offsets, strict=True)
    ]
    try:
        await asyncio.gather(*tasks)
    finally:
        watching.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for zygote in (lives, *clocked):
            if zygote is not None:
                await zygote.close()


def main() -> int:
    """Attack; answers the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000, help="lives that end by SIGKILL (default 1000)")
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(10**6)), help="default: a new one")
    parser.add_argument("--worlds", type=int, default=3 * (os.cpu_count() or 1), help="rounds side by side")
    parser.add_argument("--plan", type=json.loads, default={}, help="what each round is made of (JSON; see world.Plan)")
    parser.add_argument("--without", choices=["clock", "disk"], action="append", default=[], help="an attack")
    options = parser.parse_args()
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own within
    folder = Path(tempfile.mkdtemp(prefix="stormcone-chaos-", dir=memory if memory.is_dir() else None))
    features = {"clock", "disk"} - set(options.without)
    if FAKETIME is None and "clock" in features:
        print("without steps of the wall clock: libfaketime is not installed (Debian's package libfaketime)")
        features.discard("clock")
    if "disk" in features and not can_mount(folder):
        print("without full disks: this system lets nobody mount a small one (it takes root)")
        features.discard("disk")
    rounds = Rounds(options.kills, options.seed, folder, worlds=options.worlds, features=features, fixed=options.plan)
    begun = time.monotonic()
    print(f"seed {options.seed}; {options.worlds} rounds side by side", flush=True)
    try:
        asyncio.run(attack(rounds))
    except (asyncio.CancelledError, KeyboardInterrupt):
        print(f"interrupted; what there is so far is in {folder}")
    print(", ".join(f"{count} {name}" for name, count in rounds.figures.items()))
    print(f"{len(rounds.breaches)} breaches in {time.monotonic() - begun:.0f} s (seed {options.seed})")
    if not rounds.breaches:
        shutil.rmtree(folder)
    return 1 if rounds.breaches else 0


if __name__ == "__main__":
    sys.exit(main())
