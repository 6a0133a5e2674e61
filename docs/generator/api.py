# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Pages of the Python API: one for each subpackage, with its modules in sections."""

from __future__ import annotations

import ast
from pathlib import Path

from generator.markdown import code, plain, table

_PAGE = """# {title}

{summary}

{table}

{sections}
"""

_MODULE = """## {name}

```{{eval-rst}}
.. automodule:: {module}
```
"""

_INDEX = """# Python API

Every module of the package, by subpackage, from its docstrings.

```{{toctree}}
:maxdepth: 1

{names}
```
"""


def api_pages(root: Path) -> dict[str, str]:
    """Return the pages by file name, index.md among them."""
    pages = {}
    for folder in sorted(path.parent for path in (root / 'hiseg_ros').rglob('__init__.py')):
        package = '.'.join(folder.relative_to(root).parts)
        paths = [path for path in sorted(folder.glob('*.py')) if not path.stem.startswith('__')]
        names = [path.stem for path in paths]
        pages[f'{package}.md'] = _PAGE.format(
            title=package,
            summary=plain(_summary(folder / '__init__.py')),
            table=table(
                ('module', 'contents'),
                ((code(path.stem), plain(_summary(path))) for path in paths),
            ),
            sections='\n'.join(
                _MODULE.format(name=name, module=f'{package}.{name}') for name in names
            ),
        )
    index = '\n'.join(name.removesuffix('.md') for name in pages)
    return {**pages, 'index.md': _INDEX.format(names=index)}


def _summary(path: Path) -> str:
    """Return the first line of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))) or ''
    return text.partition('\n\n')[0]
