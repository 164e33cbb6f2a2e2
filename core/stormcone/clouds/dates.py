"""Reads times as clouds write them: each reader makes an aware UTC time of one value, or says why it cannot.

| reader | reads |
| --- | --- |
| `read_time` | `2026-12-01T06:32:31.5Z`, `2026-12-01 06:32:31+08:00` |
| | `Tue, 01 Dec 2026 06:32:31 GMT`, `1 Dec 2026 06:32:31 GMT` |
| `read_epoch` | `1796106751`, `"1796106751"`, `1796106751.5`: seconds since 1970 |

A time without an offset is of the zone that its cloud documents (`naive`), or none; nothing here reads a clock or the
machine's time zone. The errors are `ValueError`s, which pydantic reads; their text is a clause.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS = re.compile(r"[+-]?\d{1,20}(\.\d{1,20})?", re.ASCII)
_LONGEST = 60
_READERS: tuple[Callable[[str], datetime], ...] = (datetime.fromisoformat, parsedate_to_datetime)


def read_time(value: object, *, naive: tzinfo | None = UTC) -> datetime:
    """The time that a text in the form of ISO 8601 (RFC 3339), or of RFC 1123, with or without its weekday, means.

    Fractions of a second may be of any length; what is below a microsecond is dropped.

    Args:
        value: what the cloud sent.
        naive: the zone of a time that says none; None: such a one is no time.

    Raises:
        ValueError: it is no text, no time, or none that a calendar holds in UTC.
    """
    if not isinstance(value, str):
        raise ValueError(f"it is not a time but of type {type(value).__name__}")  # noqa: TRY004 (pydantic reads these)
    text = value.strip()
    for read in _READERS:
        try:
            return _zoned(read(text), text, naive).astimezone(UTC)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    raise ValueError(f"it is not a time: {text[:_LONGEST]!r}")


def read_epoch(value: object) -> datetime:
    """The time so many seconds after 1970 in UTC: a number, or a text of digits.

    Raises:
        ValueError: it is neither, or beyond the calendar.
    """
    if isinstance(value, str) and _SECONDS.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"it is not a number of seconds: {str(value)[:_LONGEST]!r}")  # noqa: TRY004 (pydantic reads these)
    try:
        return _EPOCH + timedelta(seconds=value)
    except (ValueError, OverflowError):
        raise ValueError("it is a number of seconds that no calendar holds") from None


def _zoned(time: datetime, text: str, naive: tzinfo | None) -> datetime:
    if time.tzinfo is not None:
        return time
    if text[-1:].isalpha():
        raise ValueError("the library takes a zone that it does not know for none")
    zone = UTC if text.endswith("-0000") else naive
    if zone is None:
        raise ValueError("it says no zone")
    return time.replace(tzinfo=zone)
