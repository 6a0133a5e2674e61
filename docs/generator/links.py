# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Links between files of the repository, led to the pages of the site that show them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sphinx.application import Sphinx

WRAPPED = {
    'README.md': 'parts/readme.md',
    'CHANGELOG.rst': 'changelog.rst',
    'CONTRIBUTING.md': 'contributing.md',
    'examples/README.md': 'examples.md',
    'models/street_vit.md': 'street_vit.md',
    'models/street_lite.md': 'street_lite.md',
}
"""Pages outside docs/, and their copies below docs/generated/; index.rst includes the first."""

_LINK = re.compile(r'(?<=\]\()(?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))')


def moved(text: str, source: Path, page: Path, root: Path, docs: Path) -> str:
    """Return the text of a Markdown file with its links as they are on a page elsewhere.

    Args:
        text: Of the file.
        source: The file, whose links are relative to it.
        page: The page that shows it, to which they are relative afterwards.
        root: Folder of the package.
        docs: Folder of the site's pages.
    """

    def lead(match: re.Match[str]) -> str:
        target = (source.parent / match[1]).resolve()
        name = _name_in(target, root)
        if name == 'README.md':
            target = docs / 'index.rst'
        elif name in WRAPPED:
            target = docs / 'generated' / WRAPPED[name]
        elif name.startswith('docs/'):
            target = docs / name.removeprefix('docs/')
        return os.path.relpath(target, page.parent) + (match[2] or '')

    return _LINK.sub(lead, text)


def _name_in(target: Path, root: Path) -> str:
    """Return a file's path in the package; a folder stands for its README.md."""
    if (target / 'README.md').is_file():
        target = target / 'README.md'
    return target.relative_to(root).as_posix() if target.is_relative_to(root) else ''


def lead_to_pages(app: Sphinx, name: str, content: list[str]) -> None:
    """Change the links of a page of docs/ that Sphinx has read; called by its `source-read`."""
    path = Path(app.env.doc2path(name))
    docs = Path(app.srcdir)
    if path.suffix == '.md' and not name.startswith('generated/'):
        root = Path(app.config.hiseg_root)
        content[0] = moved(content[0], root / 'docs' / path.relative_to(docs), path, root, docs)
