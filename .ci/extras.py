"""The extras of pyproject.toml that users install; run as a program, it prints them as pip takes them."""

import tomllib
from pathlib import Path

OURS = frozenset({"bench", "suite", "docs", "dev"})
"""Those that are for the repository itself."""


def extras() -> list[str]:
    """All but those."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    return sorted(project["optional-dependencies"].keys() - OURS)


if __name__ == "__main__":
    print(",".join(extras()))
