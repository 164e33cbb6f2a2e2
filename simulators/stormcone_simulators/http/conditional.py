"""Conditional requests: `If-None-Match`, as RFC 9110, section 13.1.2, has it."""

import re

from stormcone_simulators.http.messages import Request

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def is_known(request: Request, etag: str) -> bool:
    """Whether the client says that it has what carries this `ETag`: by a list of tags, weak ones too, or by `*`."""
    asked = (request.header("if-none-match") or "").strip()
    return asked == "*" or etag.removeprefix("W/") in _TAG.findall(asked)
