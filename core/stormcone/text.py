"""Text from outside, made fit for a line on a terminal or in a log."""

from datetime import datetime, timedelta


def printable(text: str) -> str:
    """The text with every control character, line break and terminal escape turned into a space."""
    return "".join(character if character.isprintable() else " " for character in text)


def said(error: BaseException) -> str:
    """An error's own text, printable; of one whose `__str__` fails, why there is none."""
    try:
        return printable(str(error))
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


def stamp(time: datetime) -> str:
    """A time for people and machines: `2026-11-21 03:15:00Z`, in UTC."""
    return f"{time:%Y-%m-%d %H:%M:%SZ}"
