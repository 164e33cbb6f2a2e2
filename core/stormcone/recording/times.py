"""Times inside documents, found by their form, so that any cloud's document can be moved to another day."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

_ISO = (
    r"(?P<date>\d{4}-\d\d-\d\d)(?P<between>[T ])(?P<minute>\d\d:\d\d)"
    r"(?P<second>:\d\d)?(?P<fraction>\.\d+)?(?P<zone>Z|[+-]\d\d:?\d\d)?"
)
_DATE = r"\d\d? [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (?:GMT|[+-]\d{4})"
_RFC_1123 = rf"(?P<rfc>(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?{_DATE})"
_TIME = re.compile(rf"(?<![\w:.-])(?:{_ISO}|{_RFC_1123})(?![\w:])")


def is_time(text: str) -> bool:
    """Whether the text is a time and nothing else."""
    return _TIME.fullmatch(text) is not None


def shifted(text: str, by: timedelta) -> str:
    """The text with every time in it moved, each written as it was.

    Args:
        text: any, JSON for one.
        by: whole seconds; where a text counts minutes only, rounded to those.
    """
    return _TIME.sub(lambda match: _moved(match, by), text)


def _moved(match: re.Match[str], by: timedelta) -> str:
    try:
        if match["rfc"]:
            return _rfc_1123(match["rfc"], by)
        return _iso(match, by)
    except (ValueError, OverflowError):
        return match[0]  # the form of a time, such as the 31st of April, is all that it has of one


def _rfc_1123(text: str, by: timedelta) -> str:
    moved = parsedate_to_datetime(text) + by
    whole = format_datetime(moved.astimezone(UTC), usegmt=True) if text.endswith("GMT") else format_datetime(moved)
    # Who writes no weekday writes no zero before the day either (AWS).
    return whole if "," in text else whole.partition(", ")[2].removeprefix("0")


def _iso(match: re.Match[str], by: timedelta) -> str:
    naive = datetime.fromisoformat(f"{match['date']}T{match['minute']}{match['second'] or ''}")
    if match["second"]:
        form = "%H:%M:%S"
    else:
        form, by = "%H:%M", timedelta(minutes=round(by / timedelta(minutes=1)))
    moved = naive + by
    fraction, zone = match["fraction"] or "", match["zone"] or ""
    return f"{moved.date().isoformat()}{match['between']}{moved.strftime(form)}{fraction}{zone}"
