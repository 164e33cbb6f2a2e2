"""Measures, row by row, prints one table and writes it down for the docs: `make bench`, `make bench ROW=idle`.

    python benchmarks/bench.py TABLE [ROW ...]

A table is TABLE.toml beside this file; what comes of it is docs/data/TABLE.json. Each row compares, in one run and in
turns, so that ratios hold on any machine; absolute numbers hold on the machine that they are shown with. Nothing is
asserted: an aim that is missed is shown as missed.
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
DATA = HERE.parent / "docs" / "data"


def table_of(name: str) -> dict[str, dict[str, Any]]:
    """The rows of a table, by name."""
    return {row["name"]: row for row in tomllib.loads((HERE / f"{name}.toml").read_text("utf-8"))["row"]}


def main() -> None:
    # What is installed has its bytecode; with this in the environment each start would compile it once more.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    tables = sorted(path.stem for path in HERE.glob("*.toml"))
    if len(sys.argv) < 2 or sys.argv[1] not in tables:
        sys.exit(f"name a table, and rows of it if not all are meant; there are: {', '.join(tables)}")
    table, results = table_of(sys.argv[1]), DATA / f"{sys.argv[1]}.json"
    asked = sys.argv[2:] or list(table)
    if unknown := [name for name in asked if name not in table]:
        sys.exit(f"there is no row {unknown[0]!r}; there are: {', '.join(table)}")
    known: dict[str, Any] = json.loads(results.read_text("utf-8")) if results.exists() else {}
    done: dict[str, Any] = {}
    for name in asked:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        begun = time.perf_counter()
        measured = import_module(f"rows.{name.replace('-', '_')}").measure()
        done[name] = as_json(table[name], measured, time.perf_counter() - begun)
        known[name] = done[name]
        kept = {each: known[each] for each in table if each in known}
        results.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    print("\n".join(text_table(done)))
    print(f"\nwritten to {results.relative_to(HERE.parent)}")


if __name__ == "__main__":
    main()
