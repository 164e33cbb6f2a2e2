"""What a recipe's page shows of its plays, drawn from what `make recipes` has written into `docs/data/recipes`."""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DATA = ROOT / "docs" / "data" / "recipes"


def figures(name: str) -> list[str]:
    """A recipe's table and picture, with date and command, as lines of Markdown."""
    sys.path.insert(0, str(ROOT))
    try:
        from recipes.report import table
    finally:
        sys.path.remove(str(ROOT))
    recipe: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text())
    header, *rows = table(recipe)
    return [
        f"![{recipe['title']}: what the client saw](/recipes/{name}.svg)",
        "",
        *("| " + " | ".join(row) + " |" for row in (header, ["---", *["---:"] * (len(header) - 1)], *rows)),
        "",
        f"{recipe['date']}, `{recipe['command']}`, on a machine with {recipe['processors']} processors.",
    ]


def summary() -> list[str]:
    """What was lost in each recipe, as lines of Markdown."""
    lines = [
        "| recipe | what the client counts | lost without stormcone | lost with it |",
        "| --- | --- | ---: | ---: |",
    ]
    for file in sorted(DATA.glob("*.json")):
        recipe = json.loads(file.read_text())
        without, with_ = (f"{play['lost']} of {play['sent']}" for play in recipe["plays"].values())
        lines.append(
            f"| [{recipe['title']}]({file.stem.replace('_', '-')}.md) | {recipe['counted']} | {without} | {with_} |"
        )
    return lines
