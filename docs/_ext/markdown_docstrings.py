"""Docstrings as they are written here, with Markdown's `code` and fences, for autodoc, which reads reStructuredText."""

import re
from collections.abc import Iterator

from sphinx.application import Sphinx
from sphinx.ext.napoleon.docstring import GoogleDocstring
from sphinx.util.docstrings import prepare_docstring

_CODE = re.compile(r"(?<![`:])`([^`]+)`(?!`)")
_FENCE = re.compile(r"\s*```(\w*)")
_BEFORE_NAPOLEON, _AFTER_NAPOLEON = 400, 600


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


def _process(_app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    lines[:] = list(restructured(lines))


def _process_property(app: Sphinx, what: str, name: str, of: object, _options: object, lines: list[str]) -> None:
    # napoleon takes what stands before a colon in a property's first line for its type; in a method's it does not.
    if what == "property":
        plain = list(restructured(prepare_docstring(of.__doc__ or "")))
        lines[:] = GoogleDocstring(plain, app.config, app, "method", name).lines()


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _process, priority=_BEFORE_NAPOLEON)
    app.connect("autodoc-process-docstring", _process_property, priority=_AFTER_NAPOLEON)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
