"""How the metadata service looks on the wire: plain text where it knows something, a page where it refuses.

Seen in the field, and unverified otherwise: the pages, and the name of the server.
"""

from stormcone_simulators.http.messages import Response

_SERVER = ("Server", "EC2ws")
_TEXT_TYPE = "text/plain"
_PAGE_TYPE = "text/html"
_REASONS = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Not Allowed"}
_PAGE = """\
<?xml version="1.0" encoding="iso-8859-1"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
\t"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title>{title}</title>
 </head>
 <body>
  <h1>{title}</h1>
 </body>
</html>
"""


def text(value: str, *headers: tuple[str, str]) -> Response:
    """What the service knows."""
    return Response(200, value.encode(), _TEXT_TYPE, (*headers, _SERVER))


def page(status: int) -> Response:
    """What it says with any other status."""
    title = f"{status} - {_REASONS.get(status) or Response(status).reason}"
    return Response(status, _PAGE.format(title=title).encode(), _PAGE_TYPE, (_SERVER,))
