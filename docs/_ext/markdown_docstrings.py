"""Docstrings as they are written here, with Markdown's `code` and fences, for autodoc, which reads reStructuredText."""

import re
from collections.abc import Iterator

from sphinx.application import Sphinx

_CODE = re.compile(r"(?<![`:])`([^`]+)`(?!`)")
_FENCE = re.compile(r"\s*```(\w*)")
_BEFORE_NAPOLEON = 400


def restructured(lines: list[str]) -> Iterator[str]:
    """The lines with code in double backticks and fences as code blocks."""
    fenced = False
    for line in lines:
        fence = _FENCE.fullmatch(line)
        if fence and not fenced:
            yield from (f".. code-block:: {fence[1] or 'none'}", "")
        elif fence:
            yield ""
        else:
            yield f"    {line}" if fenced else _CODE.sub(r"``\1``", line)
        fenced = fenced != bool(fence)


def _process(_app: Sphinx, what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    # napoleon takes what stands before a colon in a property's first line for its type; this line is empty instead.
    lines[:] = [*([""] if what == "property" else []), *restructured(lines)]


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _process, priority=_BEFORE_NAPOLEON)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
