# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Pages of the site that are made from the code: parameters, messages, arguments, commands, API.

Sphinx's conf.py calls `write_pages` before every build; docs/generated/ is ignored by git.
"""

from __future__ import annotations

from pathlib import Path

from generator.api import api_pages
from generator.commands import commands_page
from generator.imports import mock_absent_modules
from generator.interfaces import interfaces_page
from generator.launch_arguments import argument_table
from generator.links import WRAPPED, moved
from generator.parameters import parameter_table

FOLDER = 'generated'
"""Below docs/."""


def write_pages(root: Path, docs: Path) -> None:
    """Write all generated pages below docs/generated/; those that are unchanged stay untouched.

    From then on this process imports mocks in place of ROS, torch and other packages.

    Args:
        root: Folder of the package, with package.xml.
        docs: Folder of the site's pages.
    """
    folder = docs / FOLDER
    mock_absent_modules(root)
    pages = {
        'parts/messages.md': interfaces_page(root),
        'parts/parameters.md': parameter_table(),
        'parts/commands.md': commands_page(),
    }
    for path in sorted((root / 'launch').glob('*.launch.py')):
        pages[f'parts/{path.name.removesuffix(".py")}.md'] = argument_table(path)
    for source, name in WRAPPED.items():
        text = (root / source).read_text(encoding='utf-8')
        page = docs / 'index.rst' if source == 'README.md' else folder / name
        pages[name] = moved(text, root / source, page, root, docs)
    pages.update({f'api/{name}': text for name, text in api_pages(root).items()})
    for name, text in pages.items():
        write(folder / name, text)
    for path in folder.rglob('*.*'):
        if path.relative_to(folder).as_posix() not in pages:
            path.unlink()


def write(path: Path, text: str) -> None:
    """Write a page whose text has changed, so that Sphinx reads no other again."""
    if not path.is_file() or path.read_text(encoding='utf-8') != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding='utf-8')
