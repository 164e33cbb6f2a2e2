"""Text from outside, made fit for a line on a terminal or in a log."""

from datetime import datetime, timedelta


def printable(text: str) -> str:
    """The text with every control character, line break and terminal escape turned into a space."""
    return "".join(character if character.isprintable() else " " for character in text)


def one_line(error: BaseException) -> str:
    """An error as one line: its kind and its text."""
    text = " ".join(printable(str(error)).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def span(delta: timedelta) -> str:
    """A length of time for people: `45 s`, `15 min`, `2 h 5 min`, `7 d`; a negative one counts as zero."""
    seconds = max(0, round(delta.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 120:
        rest = seconds % 60
        return f"{minutes} min" + (f" {rest} s" if rest and minutes < 5 else "")
    if hours < 48:
        rest = minutes % 60
        return f"{hours} h" + (f" {rest} min" if rest else "")
    rest = hours % 24
    return f"{days} d" + (f" {rest} h" if rest else "")


def stamp(time: datetime) -> str:
    """A time for people and machines: `2026-11-21 03:15:00Z`, in UTC."""
    return f"{time:%Y-%m-%d %H:%M:%SZ}"
