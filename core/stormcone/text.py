"""Text from outside, made fit for a line on a terminal or in a log."""

import re
from datetime import UTC, datetime, timedelta
from string import ascii_lowercase, ascii_uppercase
from types import MappingProxyType

LONGEST_SPAN = timedelta(days=3660)
"""No length of time that people write is longer: ten years."""


def printable(text: str) -> str:
    """The text with every control character, line break and terminal escape turned into a space."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " for character in text)


_ASCII_CASE = str.maketrans(ascii_uppercase, ascii_lowercase)


def folded(name: str) -> str:
    """A name or an id as it is compared: without regard to the case of ASCII letters, and of no others.

    Clouds name machines in ASCII; a wider folding would take two machines for one (`straße` and `STRASSE`).
    """
    return name.lower() if name.isascii() else name.translate(_ASCII_CASE)


def shortened(text: str, longest: int) -> str:
    """The text, or its beginning with a mark that says how much is missing."""
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text) - longest} characters more)"


LONGEST_SAID = 2000
"""Characters of an error's text that are kept."""

LONGEST_TRACE = 32 * 1024
"""Characters of a traceback that are kept."""


def cut_trace(trace: str) -> str:
    """A traceback, or the beginning and the end of one that is very long."""
    half = LONGEST_TRACE // 2
    return trace if len(trace) <= LONGEST_TRACE else f"{trace[:half]}\n... (cut) ...\n{trace[-half:]}"


def said(error: BaseException) -> str:
    """An error's own text, printable and not too long; of one whose `__str__` fails, why there is none."""
    try:
        return printable(shortened(str(error), LONGEST_SAID))
    except BaseException as failure:  # noqa: BLE001 - it is user code, and must not cost the caller anything
        return f"(its text cannot be had: {type(failure).__name__})"


def one_line(error: BaseException) -> str:
    """An error as one line: its kind and its text."""
    text = " ".join(said(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def span(delta: timedelta) -> str:
    """A length of time for people, to the nearest: `45 s`, `15 min`, `2 h 5 min`, `7 d`; a negative one is zero."""
    seconds = max(0, round(delta.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 300:
        return _two(seconds // 60, "min", seconds % 60, "s")
    minutes, hours = (seconds + 30) // 60, (seconds + 1800) // 3600
    if minutes < 120:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return _two(minutes // 60, "h", minutes % 60, "min")
    return _two(hours // 24, "d", hours % 24, "h")


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit}" + (f" {small} {small_unit}" if small else "")


UNITS = MappingProxyType({"s": 1, "m": 60, "h": 3600, "d": 86400})
"""The units of a length of time as people write it, in seconds."""

SPAN_PATTERN = r"\d{1,9}(\.\d{1,6})?|(\d{1,9}(\.\d{1,6})?[smhd])+"
"""How a length of time is written: `90s`, `15m`, `1h30m`, `7d`, or a bare number of seconds."""

_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")


def span_of(text: str) -> timedelta:
    """A length of time as people write it, by `SPAN_PATTERN`.

    Raises:
        ValueError: it is none, or longer than ten years.
    """
    plain = text.strip().lower()
    if not re.fullmatch(SPAN_PATTERN, plain):
        raise ValueError(f"{text!r} is not a length of time; write 90s, 15m, 1h30m or 7d")
    seconds = sum(float(number) * UNITS[unit or "s"] for number, unit in _PART.findall(plain))
    if seconds > LONGEST_SPAN.total_seconds():
        raise ValueError(f"{text} is too long; ten years is the most")
    return timedelta(seconds=seconds)


def written(delta: timedelta) -> str:
    """A length of time as `span_of` reads it, in the largest units: `45s`, `1m30s`, `7d`."""
    seconds = delta.total_seconds()
    parts = []
    for unit, length in sorted(UNITS.items(), key=lambda each: -each[1]):
        number, seconds = divmod(seconds, length) if unit != "s" else (seconds, 0)
        if number:
            parts.append(f"{number:.6f}".rstrip("0").rstrip(".") + unit)
    return "".join(parts) or "0s"


def moment_of(text: str) -> datetime:
    """A moment as people write it: a date or a date and a time in ISO 8601, in UTC unless it names an offset.

    Raises:
        ValueError: it is none, or not of the years 1970 to 2999.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a date; write 2026-03-29, 2026-03-29T01:59:30Z or ...+02:00") from None
    if not 1970 <= moment.year <= 2999:
        raise ValueError(f"{text} is not of the years 1970 to 2999")
    return moment


def iso(time: datetime) -> str:
    """A time for programs: ISO 8601 in UTC, to the second, such as `2026-11-21T03:15:00+00:00`."""
    return time.astimezone(UTC).isoformat(timespec="seconds")


def stamp(time: datetime) -> str:
    """A time for people and machines: `2026-11-21 03:15:00Z`, in UTC."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
