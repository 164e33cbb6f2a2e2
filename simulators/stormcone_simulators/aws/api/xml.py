"""Writes answers as the query protocols have them: XML made of mappings, lists and plain values."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from stormcone_simulators.aws.api.errors import REQUEST_ID, xml_text
from stormcone_simulators.http.messages import Response

EC2_NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
AUTOSCALING_NAMESPACE = "http://autoscaling.amazonaws.com/doc/2011-01-01/"


def ec2_answer(action: str, document: Mapping[str, object]) -> Response:
    """EC2's answer to an operation."""
    inner = f"<requestId>{REQUEST_ID}</requestId>{_members(document, 'item')}"
    return _answer(f'<{action}Response xmlns="{EC2_NAMESPACE}">{inner}</{action}Response>')


def autoscaling_answer(action: str, document: Mapping[str, object]) -> Response:
    """EC2 Auto Scaling's answer to an operation."""
    result = f"<{action}Result>{_members(document, 'member')}</{action}Result>"
    meta = f"<ResponseMetadata><RequestId>{REQUEST_ID}</RequestId></ResponseMetadata>"
    return _answer(f'<{action}Response xmlns="{AUTOSCALING_NAMESPACE}">{result}{meta}</{action}Response>')


def moment(time: datetime) -> str:
    """A time as the services write it: `2026-04-11T22:10:12.000Z`."""
    utc = time.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def _members(document: Mapping[str, object], each: str) -> str:
    return "".join(f"<{name}>{_value(value, each)}</{name}>" for name, value in document.items() if value is not None)


def _value(value: object, each: str) -> str:
    if isinstance(value, Mapping):
        return _members(value, each)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "".join(f"<{each}>{_value(item, each)}</{each}>" for item in value)
    return xml_text(str(value))


def _answer(text: str) -> Response:
    return Response(200, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode(), "text/xml;charset=UTF-8")
