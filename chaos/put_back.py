"""Puts known faults back, one at a time, in a copy of the source, and sees whether they are found.

    python chaos/put_back.py                    all of them
    python chaos/put_back.py clock casefold     those whose names have one of these words

`faults.toml` says what they are, and whether the attack finds each, or a test does. Ends with status 1 where one is not
found. What is printed is a table for the docs.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("core", "providers", "simulators")
COPIED = (*SOURCES, "chaos", "tests", "examples", "pyproject.toml")

TRIES = 3
"""Attacks, each with a seed of its own, before a fault counts as not found: chance has its say."""

LONGEST = 900.0
"""Seconds."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault.

    Attributes:
        name: what is wrong then.
        file: where.
        before: what stands there, once.
        after: what is put in its place.
        also: further places, each file, before and after.
        rule: the checker's rule that has to find it; "" where only tests do.
        plan: what the rounds are made of in which it has to.
        kills: how many there are in an attack.
        scene: the scene of the walk over a fleet that finds it, in place of the attack on one agent.
        faults: how many there are in such a walk.
        tests: the tests that have to fail; "" where only the attack finds it.
    """

    name: str
    file: str
    before: str
    after: str
    also: tuple[tuple[str, str, str], ...] = ()
    rule: str = ""
    plan: dict[str, Any] = field(default_factory=dict)
    kills: int = 24
    scene: str = ""
    faults: int = 60
    tests: str = ""

    def put_into(self, root: Path) -> None:
        """Put it into the source there.

        Raises:
            ValueError: the source is not as it was when this was written.
        """
        for name, before, after in ((self.file, self.before, self.after), *self.also):
            path = root / name
            text = path.read_text(encoding="utf-8")
            if text.count(before) != 1:
                raise ValueError(f"{name} has {before!r} {text.count(before)} times: write the fault anew")
            path.write_text(text.replace(before, after), encoding="utf-8")


def faults() -> list[Fault]:
    """All that `faults.toml` knows."""
    with Path(__file__).with_name("faults.toml").open("rb") as file:
        return [Fault(**entry) for entry in tomllib.load(file)["fault"]]


def copy_to(folder: Path) -> Path:
    """A copy of the source."""
    leave = shutil.ignore_patterns("__pycache__", ".hypothesis")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=leave)
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def _run(root: Path, command: list[str]) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(root / name) for name in SOURCES)}
    words = [sys.executable, *command]
    return subprocess.run(  # noqa: S603
        words, cwd=root, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False
    )


def _attack(fault: Fault) -> list[str]:
    if fault.scene:
        return ["chaos/fleet_walk.py", "--scene", fault.scene, "--faults", str(fault.faults)]
    return ["chaos/chaos.py", "--kills", str(fault.kills), "--worlds", "3", "--plan", json.dumps(fault.plan)]


def found_by_attack(fault: Fault, root: Path) -> str:
    """Which rules find it, as a clause; "" where the one that has to does not."""
    for number in range(TRIES):
        done = _run(root, [*_attack(fault), "--seed", f"put back {number}"])
        rules = dict.fromkeys(re.findall(r"^BREACH .*\): (\w+): ", done.stdout, re.MULTILINE))
        if kept := re.search(r"BREACH in (\S+)/round", done.stdout):
            shutil.rmtree(kept[1], ignore_errors=True)
        if fault.rule in rules:
            many = f"{(number + 1) * fault.faults} faults" if fault.scene else f"{(number + 1) * fault.kills} kills"
            return f"`{fault.rule}`, after {many} at the most"
        if done.returncode not in {0, 1} or "Traceback" in done.stderr:
            return f"the attack itself failed: {done.stderr[-500:]}"
    return ""


def found_by_tests(fault: Fault, root: Path) -> str:
    """The first test that fails; "" where none does."""
    done = _run(root, ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *fault.tests.split()])
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    return f"`{failed[1].partition('[')[0]}`" if done.returncode == 1 and failed else ""


def main() -> int:
    """Put them back; answers the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only the faults whose names have one of these words")
    words = [word.lower() for word in parser.parse_args().words]
    chosen = [fault for fault in faults() if not words or any(word in fault.name.lower() for word in words)]
    missed = 0
    print("| fault that was put back | found by |\n| --- | --- |", flush=True)
    for fault in chosen:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="stormcone-put-back-") as folder:
            root = copy_to(Path(folder))
            fault.put_into(root)
            ways = ((fault.rule, found_by_attack), (fault.tests, found_by_tests))
            results = [found(fault, root) for wanted, found in ways if wanted]
        missed += not all(results)
        print(f"| {fault.name} | {'; '.join(each or '**not found**' for each in results)} |", flush=True)
        print(f"{fault.name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    print(f"{len(chosen)} faults, {missed} of them not found", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
