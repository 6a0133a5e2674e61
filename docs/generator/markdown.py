# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Markdown text and tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r'([\\*_\[\]<>|])')


def plain(text: str) -> str:
    """Return plain text with `code` in backticks as Markdown that shows exactly this."""
    parts = re.split(r'(`[^`]*`)', ' '.join(text.split()))
    return ''.join(
        part.replace('|', r'\|') if part.startswith('`') else _SPECIAL.sub(r'\\\1', part)
        for part in parts
    )


def code(text: str) -> str:
    """Return text as inline code, or nothing for no text."""
    return f'`{text}`' if text else ''


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, or nothing where there are no rows.

    Args:
        titles: Of the columns, as Markdown.
        rows: Cells as Markdown.
    """
    lines = ['| ' + ' | '.join(row) + ' |' for row in rows]
    if not lines:
        return ''
    return '\n'.join(['| ' + ' | '.join(titles) + ' |', '|' + '---|' * len(titles), *lines, ''])
