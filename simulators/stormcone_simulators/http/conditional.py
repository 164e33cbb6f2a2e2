"""Conditional requests: `If-None-Match`, as RFC 9110, section 13.1.2, has it."""

import re

from stormcone_simulators.http.messages import Request

_TAG = re.compile(r'"[^"]*"')


def is_known(request: Request, etag: str) -> bool:
    """Whether the client says that it has what carries this `ETag`: by a list of tags, or by `*`.

    Tags are compared weakly: `W/"1"` and `"1"` are the same.
    """
    asked = (request.header("if-none-match") or "").strip()
    return asked == "*" or etag.removeprefix("W/") in _TAG.findall(asked)
