# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Docstrings as reStructuredText: plain text with `code` in backticks and Google sections."""

from __future__ import annotations

import re

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config
from sphinx.ext.napoleon.docstring import GoogleDocstring

_CODE = re.compile(r'(`+[^`]+`+)')
_SPECIAL = re.compile(r'[\\*|]|_(?!\w)')


def as_restructured_text(
    app: Sphinx, kind: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Change a docstring's lines in place; called by `autodoc-process-docstring` of autodoc."""
    parts = _CODE.split('\n'.join(lines))
    for number, part in enumerate(parts):
        if number % 2:
            # Code ends where a word does, else a backslash has to end it.
            end = '\\ ' if parts[number + 1][:1].isalnum() else ''
            parts[number] = f'``{part.strip("`")}``{end}'
        else:
            parts[number] = _SPECIAL.sub(lambda match: '\\' + match[0], part)
    text = ''.join(parts)
    if kind not in (
        'attribute',
        'data',
        'property',
    ):  # napoleon would take a colon in these for a type
        text = str(GoogleDocstring(text, Config(), app, kind, name, thing, options))
    lines[:] = text.split('\n')
