"""Measures, row by row, prints one table and writes it down for the docs: `make bench`, `make bench ROW=idle`.

    python benchmarks/bench.py [ROW ...]

Each row compares, in one run and in turns, so that ratios hold on any machine; absolute numbers hold on the machine
that they are shown with. Nothing is asserted: an aim that is missed is shown as missed.
"""

import json
import os
import sys
import time
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

from figures import as_json, text_table

HERE = Path(__file__).parent
RESULTS = HERE.parent / "docs" / "data" / "performance.json"


def main() -> None:
    # What is installed has its bytecode; with this in the environment each start would compile it once more.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    table = {row["name"]: row for row in tomllib.loads((HERE / "table.toml").read_text("utf-8"))["row"]}
    asked = sys.argv[1:] or list(table)
    if unknown := [name for name in asked if name not in table]:
        sys.exit(f"there is no row {unknown[0]!r}; there are: {', '.join(table)}")
    known: dict[str, Any] = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    done: dict[str, Any] = {}
    for name in asked:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        begun = time.perf_counter()
        measured = import_module(f"rows.{name.replace('-', '_')}").measure()
        done[name] = as_json(table[name], measured, time.perf_counter() - begun)
    print("\n".join(text_table(done)))
    known |= done
    kept = {name: known[name] for name in table if name in known}
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    print(f"\nwritten to {RESULTS.relative_to(HERE.parent)}")


if __name__ == "__main__":
    main()
