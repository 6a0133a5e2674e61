# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Imports of the package where neither ROS nor torch nor other packages are installed."""

from __future__ import annotations

import ast
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Union

from sphinx.ext.autodoc.mock import MockFinder, _MockObject

INSTALLED = {'jinja2', 'markupsafe', 'numpy', 'pydantic', 'pydantic_core', 'yaml'}
"""What Sphinx itself needs, and what types, constants and settings are shown with."""

BUILT = {'hiseg_ros.msg', 'hiseg_ros.srv'}
"""Modules that colcon generates."""

OF_LAUNCH_FILES = {'launch', 'launch_ros'}


def mock_absent_modules(root: Path) -> None:
    """Mock all but `INSTALLED` that the package imports, be it there or not, in this process.

    So the site is the same on every machine. Sphinx's own setting for this mocks during its first
    import of a module only, and imports the real base classes later.
    """
    sys.meta_path.insert(0, MockFinder([*absent_modules(root)]))
    # Without these the annotation `Image | None` of a mocked class is shown as it is written, and
    # its link leads to any class of that name.
    _MockObject.__or__ = _union
    _MockObject.__ror__ = lambda self, other: _union(other, self)
    # Mocks have every attribute: without this they wrap each other without end.
    attribute = _MockObject.__getattr__
    _MockObject.__getattr__ = lambda self, name: (
        object.__getattribute__(self, name) if name == '__wrapped__' else attribute(self, name)
    )


def absent_modules(root: Path) -> set[str]:
    """Return the modules that the package and its launch files import and that are mocked."""
    found: set[str] = set()
    for path in (root / 'hiseg_ros').rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                found |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
    top = {name.partition('.')[0] for name in found}
    installed = {name for name in INSTALLED if find_spec(name)}
    return top - installed - {'hiseg_ros', *sys.stdlib_module_names} | BUILT | OF_LAUNCH_FILES


def annotated_types(root: Path) -> dict[str, str]:
    """Return the names of types with constraints, such as Share, and where each is defined.

    In signatures they are shown by name instead of with all that pydantic checks.
    """
    found = {}
    for path in (root / 'hiseg_ros').rglob('*.py'):
        module = '.'.join(path.relative_to(root).with_suffix('').parts)
        for name in re.findall(r'^(\w+) = Annotated\[', path.read_text(encoding='utf-8'), re.M):
            found[name] = f'{module}.{name}'
    return found


def _union(one: Any, other: Any) -> Any:
    return Union[one, other]  # noqa: UP007 (mocked classes have no |)
