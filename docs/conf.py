# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The site of docs/ for Sphinx: `make docs` here, rosdoc2 for ROS packages (rosdoc2.yaml)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
# rosdoc2 copies this folder elsewhere and puts the package on the path itself.
if (HERE.parent / 'package.xml').is_file():
    sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))

from generator import docstrings, links, write_pages  # noqa: E402
from generator.imports import annotated_types  # noqa: E402

SPEC = importlib.util.find_spec('hiseg_ros')
assert SPEC is not None and SPEC.origin is not None
ROOT = Path(SPEC.origin).resolve().parent.parent

project = 'hiseg_ros'
author = 'The hiseg_ros developers'
copyright = '2026, The hiseg_ros developers'
release = next(
    line.split("'")[1]
    for line in (ROOT / 'hiseg_ros' / '__init__.py').read_text().splitlines()
    if line.startswith('__version__')
)
version = release

extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx_rtd_theme']
# rosdoc2 puts the last ones beside these pages, which have the same content in their own form.
exclude_patterns = ['generator', 'generated/parts', '__*', 'msg', 'srv', 'README.md', 'C*.*']
source_suffix = {'.rst': 'restructuredtext', '.md': 'markdown'}

html_theme = 'sphinx_rtd_theme'
html_theme_options = {'navigation_depth': 3}
html_show_sourcelink = False
html_static_path = ['_static']
html_css_files = ['tables.css']

myst_heading_anchors = 4
"""Down to which level headings are targets of links, as on a repository host."""

autodoc_member_order = 'bysource'
# Defaults as they are written: os.environ as its name, not as the environment of this build.
autodoc_preserve_defaults = True
autodoc_typehints_format = 'short'
autodoc_type_aliases = annotated_types(ROOT)
autodoc_default_options = {'members': True, 'show-inheritance': True, 'ignore-module-all': True}

nitpicky = True
# Types in signatures: of other packages, or undescribed; mypy has checked that they are there.
nitpick_ignore_regex = [(r'py:.*', r'.*')]

# A name in an annotation that is imported for type checkers only may belong to several modules.
suppress_warnings = ['ref.python']

write_pages(ROOT, HERE)


def setup(app: Sphinx) -> None:
    """Connect what prepares docstrings and pages for their parsers."""
    app.add_config_value('hiseg_root', str(ROOT), 'env')
    app.connect('autodoc-process-docstring', docstrings.as_restructured_text)
    app.connect('source-read', links.lead_to_pages)
