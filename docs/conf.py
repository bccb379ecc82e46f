# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Sphinx's settings; tools/build_docs.py gathers the pages and runs it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from sphinx.application import Sphinx

_manifest = ElementTree.parse(Path(__file__).parents[1] / "package.xml").getroot()

project = "avatar_forcing_ros"
author = "The avatar_forcing_ros contributors"
project_copyright = f"2026, {author}"
version = release = _manifest.findtext("version") or ""

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
myst_heading_anchors = 4  # as GitHub names them
suppress_warnings = ["ref.python"]  # a dataclass has a field `bytes`, which Sphinx takes for a second type of that name

default_role = "code"  # docstrings write `name`, as Markdown does
autodoc_mock_imports = ["launch", "launch_ros", "triton"]  # which need a ROS distribution, or a GPU
autodoc_default_options = {"exclude-members": "kmeans2"}  # SciPy's, which hides where it comes from
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Source"]
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"{project} {release}"
html_show_sourcelink = False
html_copy_source = False


def _show_as_written(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Make literal blocks of tables and of indented passages: docstrings are plain text, not reStructuredText."""
    written, literal, before = list(lines), False, ""
    lines.clear()
    for line in written:
        table = line.startswith("|")
        indented = line.startswith("    ") and (literal or (lines[-1:] == [""] and before[:1] not in ("", " ")))
        if (table or indented) and not literal:
            lines += ["", "::", ""]
        literal = table or indented or (literal and not line)
        lines.append(f"    {line}" if literal and line else line)
        before = line or before


def setup(app: Sphinx) -> None:
    """Come before Napoleon, whose priority is 500."""
    app.connect("autodoc-process-docstring", _show_as_written, priority=400)
