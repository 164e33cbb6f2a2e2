"""Local signs of a cloud: what the machine's own files say, read in no time and without a network.

A cloud's machines have it in DMI, which the firmware gives to the kernel: a vendor, a product, a tag.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stormcone.text import printable, shortened

DMI = "sys/class/dmi/id"
"""Where Linux shows what DMI says, below the root; these files take no privileges."""

_MOST_BYTES = 4096


@dataclass(frozen=True)
class Sign:
    """A file whose text tells that a machine is of a cloud.

    Attributes:
        file: its path, below the root.
        pattern: a regular expression that the whole text matches, without regard to case and blanks at its ends.
    """

    file: str
    pattern: str


def sign_seen(signs: Iterable[Sign], root: Path = Path("/")) -> str:
    """The first of the signs that is there, as a clause; "" where none is.

    Args:
        signs: of one cloud.
        root: below which the files are.
    """
    for sign in signs:
        try:
            with (root / sign.file).open("rb") as file:
                text = file.read(_MOST_BYTES).decode(errors="replace").strip("\0 \t\r\n")
        except OSError:
            continue
        if re.fullmatch(sign.pattern, text, re.IGNORECASE):
            return printable(f"/{sign.file} says {shortened(text, 80)!r}")
    return ""
