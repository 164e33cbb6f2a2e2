"""Plays recipes, with and without stormcone, and says what the client saw.

python -m recipes                    all of them
python -m recipes haproxy --short    one, as its test has it
python -m recipes --write            all, and write figures and pictures into docs/
"""

import argparse
import json
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

from recipes.play import FULL, SHORT, Pace, Scene, perform
from recipes.plot import svg
from recipes.report import WITH, WITHOUT, document, lines

NAMES = ("haproxy", "nginx", "postgresql", "queue_worker", "checkpoint", "shutdown", "central_log")
DOCS = Path(__file__).parents[1] / "docs"
CANNOT = 69
"""The exit status where what a recipe needs is not installed (EX_UNAVAILABLE)."""


def scene(name: str) -> type[Scene]:
    """A recipe's scene."""
    kind: type[Scene] = import_module(f"recipes.{name}.play").SCENE
    return kind


def play(kind: type[Scene], pace: Pace, command: str) -> dict[str, Any]:
    """Both plays of a recipe, side by side."""
    with ThreadPoolExecutor() as pool:
        plays = {name: pool.submit(perform, kind, pace, with_stormcone=name == WITH) for name in (WITHOUT, WITH)}
        return document(kind, {name: future.result() for name, future in plays.items()}, command)


def _end(number: int, _frame: object) -> None:
    """Play no more; what is being played is played to its end, so that none of its servers stays."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(128 + number)


def main() -> int:
    """Answers the exit status."""
    parser = argparse.ArgumentParser(prog="python -m recipes", description="Play recipes, with stormcone and without.")
    parser.add_argument("names", nargs="*", metavar="RECIPE", help=f"of {', '.join(NAMES)}; all unless given")
    parser.add_argument("--short", action="store_true", help="the short form, which the tests have")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", action="store_true", help="write figures and pictures into docs/")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"no recipe is called {', '.join(sorted(unknown))}; there are: {', '.join(NAMES)}")
    signal.signal(signal.SIGTERM, _end)
    status = 0
    for name in options.names or NAMES:
        kind = scene(name)
        if missing := kind.missing():
            print(f"{name}: not played, as there is no {' and no '.join(missing)} here", file=sys.stderr)
            status = CANNOT
            continue
        recipe = play(kind, SHORT if options.short else FULL, f"python -m recipes {name}")
        print(json.dumps(recipe) if options.json else "\n".join([recipe["title"], *lines(recipe), ""]), flush=True)
        if options.write:
            (DOCS / "data" / "recipes").mkdir(parents=True, exist_ok=True)
            (DOCS / "data" / "recipes" / f"{name}.json").write_text(json.dumps(recipe) + "\n")
            (DOCS / "recipes" / f"{name}.svg").write_text(svg(recipe))
    return status


if __name__ == "__main__":
    sys.exit(main())
