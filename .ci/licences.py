"""Lists the licences of what stormcone installs, and fails on one that nobody has looked at.

Run by `make lint`, in an environment that has stormcone with every extra that users install.
"""

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import extras as ours

ROOT = "stormcone"

ALLOWED = re.compile(
    r"\b(MIT|BSD|BSD-2-Clause|BSD-3-Clause|Apache|Apache-2\.0|PSF-2\.0|Python Software Foundation|ISC|MPL-2\.0|"
    r"Mozilla Public License 2\.0|Unlicense)\b"
)
"""Licences under which a library may be used beside Apache-2.0 code; MPL-2.0 covers its own files alone."""

REASONED = {
    **dict.fromkeys(
        ("psycopg", "psycopg-binary", "psycopg-pool"),
        "LGPL-3.0, which lets a program of any licence import the library as it is: it is installed beside stormcone, "
        "with the extra `fleet` alone, no part of it is copied, and whoever installs it may replace it",
    )
}
"""Libraries under another licence, each with why it may be used all the same."""

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


def licence(found: Distribution) -> str:
    """What a distribution says of its licence, in one line."""
    meta = found.metadata
    classified = [line.split(" :: ")[-1] for line in meta.get_all("Classifier", []) if line.startswith("License ::")]
    text = meta.get("License-Expression") or ", ".join(classified) or meta.get("License") or ""
    return " ".join(text.split())[:80]


def closure() -> dict[str, Distribution]:
    """Everything that is installed with stormcone, by normalised name; what a marker leaves out is not installed."""
    known: dict[str, Distribution] = {}
    queue = [(ROOT, set(ours.extras()))]
    while queue:
        name, extras = queue.pop()
        key = name.lower().replace("_", "-").replace(".", "-")
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        if key in known and not extras:
            continue
        known[key] = found
        for requirement in found.requires or ():
            wanted, _, marker = requirement.partition(";")
            extra = _EXTRA.search(marker)
            if (extra is None or extra[1] in extras) and (match := _NAME.match(wanted)):
                queue.append((match[0], set()))
    return known


def main() -> int:
    """Print the table; 1 if a licence is not in `ALLOWED`."""
    unknown = []
    for name, found in sorted(closure().items()):
        text = licence(found)
        fine = ALLOWED.search(text) or name in REASONED
        print(f"{name:<28} {found.version:<12} {text}{'' if fine else '   <- not on the list'}")
        if not fine:
            unknown.append(name)
    if unknown:
        names = ", ".join(unknown)
        print(f"look at the licence of {names} and add it to .ci/licences.py, or do without", file=sys.stderr)
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
