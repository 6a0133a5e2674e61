# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""docs/architecture.md, read: the files to read first, the flow picture, the table of layers."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / 'hiseg_ros'
TEXT = (ROOT / 'docs' / 'architecture.md').read_text(encoding='utf-8')

_FILE = r'[a-z_]+(?:/[a-z_]+)*\.py'
_PLACE = rf'{_FILE}|[a-z_]+(?:/[a-z_]+)*/'


def section(title: str) -> str:
    """Return the text below a heading of the second level."""
    _, _, after = TEXT.partition(f'\n## {title}\n')
    assert after, f'docs/architecture.md has no section {title!r}'
    return after.split('\n## ')[0]


def reading_list() -> list[str]:
    """Return the files that a newcomer reads first, in order, relative to the package."""
    return re.findall(rf'^\d+\. `({_FILE})`', section('The frame on one page'), re.MULTILINE)


def flow() -> list[str]:
    """Return files and folders, these with a slash at their end, of the flow picture in order."""
    picture = section('The frame on one page').split('```')[1]
    return re.findall(rf'^(?:  [|v] {{2}}| {{5}})({_PLACE})\s', picture, re.MULTILINE)


def places() -> set[str]:
    """Return every file and folder that stands in backticks anywhere on the page."""
    return set(re.findall(rf'`((?:config|test)/[^`]+|{_PLACE})`', TEXT))


def layers() -> list[list[set[str]]]:
    """Return the layers from top to bottom, each as its groups that do not import each other."""
    rows = re.findall(r'^\| (\d+) \| ([^|]*) \|', section('Layers'), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1))
    return [
        [set(re.findall(r'`([^`]+)`', group)) for group in names.split(' / ')] for _, names in rows
    ]
