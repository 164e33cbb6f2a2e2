"""Values that are known to be secret, hidden wherever they turn up: a service repeats them without their names.

Judging by names alone (`SecurityToken=...`) misses an error that says "the token X is not valid", a string to sign,
a header of one line. So whoever sees a secret's value learns it here, and every text is looked through for it.
"""

import json
import re
import threading
from collections.abc import Iterable
from functools import lru_cache

MOST = 64
"""Values that are kept: the last ones to be learnt. Each signed request brings one or two."""

SHORTEST = 8
"""Characters below which a value is not learnt: hiding `true` everywhere would spoil every text."""

LONGEST = 8192
"""Characters above which it is not learnt."""


class SecretValues:
    """The secrets that were seen last. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, None] = {}

    def learn(self, values: Iterable[str]) -> None:
        """Remember these values; those that are too short or too long are not."""
        with self._lock:
            for value in values:
                if SHORTEST <= len(value) <= LONGEST:
                    self._known.pop(value, None)
                    self._known[value] = None
            while len(self._known) > MOST:
                del self._known[next(iter(self._known))]

    def hidden(self, text: str, mark: str) -> str:
        """The text with `mark` in place of every known value, however encoded."""
        with self._lock:
            known = tuple(self._known)
        return hidden(text, known, mark)


def hidden(text: str, secrets: Iterable[str], mark: str) -> str:
    """The text with `mark` in place of each of `secrets`: as they are, in JSON, and percent-encoded up to thrice."""
    may_be_encoded = any(sign in text for sign in "%\\+")
    for secret in sorted(filter(None, secrets), key=len, reverse=True):  # one may be a part of another
        if may_be_encoded or secret in text:
            text = _pattern(secret).sub(lambda _: mark, text)
    return text


@lru_cache(maxsize=2 * MOST)
def _pattern(secret: str) -> re.Pattern[str]:
    parts = _PARTS.findall(secret)
    return re.compile("".join(_encodings(part, before) for part, before in zip(parts, ["", *parts], strict=False)))


_PARTS = re.compile(r"\\+|[^\\]", re.DOTALL)
_ESCAPES = r"\\{0,8}"  # a text in JSON that stands in JSON again has three for one, and seven the next time


def _encodings(part: str, before: str) -> str:
    """A pattern of the forms that a character has, or a run of backslashes, behind the part before it."""
    if part.isascii() and part.isalnum():
        return part
    encoded = "".join(
        f"%(?:25){{0,2}}[{byte >> 4:X}{byte >> 4:x}][{byte & 15:X}{byte & 15:x}]"
        for byte in part.encode("utf-8", "surrogatepass")
    )
    if part[0] == "\\":
        return rf"(?:{encoded}|\\{{{len(part)},{8 * len(part)}}}+)"
    in_json = json.dumps(part)[1:-1]
    if in_json == part or part == '"':
        plain = (_ESCAPES if part in '"/' else "") + re.escape(part)
    else:
        fewest = 0 if before.startswith("\\") else 1  # a run before it has taken its own escape's as well
        plain = re.escape(part) + "|" + in_json.replace("\\", rf"\\{{{fewest},8}}")
    space = r"|\+" if part == " " else ""
    return f"(?:{encoded}|{plain}{space})"
