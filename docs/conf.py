"""How the documentation is built."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "stormcone"
copyright = "the stormcone maintainers"  # noqa: A001 - Sphinx's name
html_title = "stormcone"
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["pictures.css", "pages.css"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "markdown_docstrings",
    "stormcone_directives",
]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autoclass_content = "class"

# Types in signatures that no page here describes: the standard library's, and those that only stormcone itself uses.
nitpick_ignore_regex = [("py:class", ".*")]
