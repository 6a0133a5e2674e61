# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Imports of the package where neither ROS nor torch nor other packages are installed."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Union

from sphinx.ext.autodoc.mock import _MockObject, mock

INSTALLED = {'numpy'}
"""Packages that the documentation is built with; array types and constants show real values."""

BUILT = ['hiseg_ros.msg', 'hiseg_ros.srv']
"""Modules that colcon generates."""


def _union(one: Any, other: Any) -> Any:
    return Union[one, other]  # noqa: UP007 (mocked classes have no |)


# Without it the annotation `Image | None` of a mocked class is shown as it is written, and its
# link leads to any class of that name.
_MockObject.__or__ = _union
_MockObject.__ror__ = lambda self, other: _union(other, self)


def absent_modules(root: Path) -> list[str]:
    """Return the modules that the package imports and that are mocked, installed or not.

    So the site is the same on every machine.
    """
    found: set[str] = set()
    for path in (root / 'hiseg_ros').rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                found |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
    top = {name.partition('.')[0] for name in found} - INSTALLED - set(sys.stdlib_module_names)
    return [*sorted(top - {'hiseg_ros'}), *BUILT]


@contextmanager
def package_imports(root: Path) -> Iterator[None]:
    """Import modules of the package with all that is absent mocked; forget them at the end."""
    before = set(sys.modules)
    with mock([*absent_modules(root), 'launch', 'launch_ros']):
        yield
    for name in set(sys.modules) - before:
        if name.partition('.')[0] == 'hiseg_ros':
            del sys.modules[name]
