# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Import rules between files: which module may import which, and what breaks a rule.

Modules are named without the package's name: 'ros.node.worker'. A room is a module or a package;
a module belongs to the room with the longest name that it starts with.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = 'hiseg_ros'
GENERATED = ('msg', 'srv')
"""Built from the message definitions, so not among the files."""


@dataclass(frozen=True, order=True)
class Import:
    """An import statement, type-only ones included."""

    module: str
    """Where it stands, as in 'ros.node.worker'."""
    imported: str
    """As in 'hiseg_ros.taxonomy.tree' or 'torch.nn'."""

    @property
    def target(self) -> str | None:
        """The imported module of this package, None for a foreign or a generated one."""
        package, _, name = self.imported.partition('.')
        generated = name.partition('.')[0] in GENERATED
        return None if package != PACKAGE or not name or generated else name


def modules_below(folder: Path) -> dict[str, Path]:
    """Return the file of every module of the package in a folder, by name; '' for its face."""
    found = {}
    for path in sorted(folder.rglob('*.py')):
        parts = path.relative_to(folder).with_suffix('').parts
        found['.'.join(parts[:-1] if parts[-1] == '__init__' else parts)] = path
    return found


def imports_of(modules: Mapping[str, Path]) -> list[Import]:
    """Return every import of the modules, wherever in a file it stands."""
    found = set()
    for module, path in modules.items():
        is_package = path.name == '__init__.py'
        for name in imported_names(path.read_text(encoding='utf-8'), module, is_package, modules):
            found.add(Import(module, name))
    return sorted(found)


def imported_names(
    source: str, module: str, is_package: bool, modules: Iterable[str]
) -> Iterator[str]:
    """Yield the full name of every module that a file's source imports.

    Args:
        source: Text of the file.
        module: Its name.
        is_package: Whether it is an __init__.py.
        modules: All modules of the package: `from a import b` means a.b where that is one.
    """
    known = set(modules)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                above = [PACKAGE, *module.split('.')]
                above = above[: len(above) - node.level + is_package]
                base = '.'.join([*above, *([base] if base else [])])
            for alias in node.names:
                longer = f'{base}.{alias.name}'
                is_module = longer.removeprefix(f'{PACKAGE}.') in known
                yield longer if is_module else base


def room_of(module: str, rooms: Iterable[str]) -> str | None:
    """Return the room that a module belongs to, None for none."""
    fitting = [room for room in rooms if module == room or module.startswith(f'{room}.')]
    return max(fitting, key=len, default=None)


def broken(layers: Iterable[str], imports: Iterable[Import]) -> list[str]:
    """Return a sentence for each import that points up or to a stranger.

    Args:
        layers: From top to bottom, each with its rooms; those with a bar between them are
            strangers, others of a layer may meet.
        imports: To be judged.
    """
    level: dict[str, int] = {}
    group: dict[str, int] = {}
    for number, layer in enumerate(layers):
        for part, names in enumerate(layer.split('|')):
            for room in names.split():
                level[room], group[room] = number, part
    sentences = []
    for one in imports:
        if one.target is None or not one.module:
            continue
        here, there = room_of(one.module, level), room_of(one.target, level)
        if here is None or there is None:
            sentences.append(f'{one.module} or {one.target} belongs to no room')
        elif level[there] < level[here]:
            sentences.append(f'{one.module} imports {one.target}, which lies above')
        elif level[there] == level[here] and group[there] != group[here]:
            sentences.append(f'{one.module} imports {one.target}, a stranger')
    return sentences


def circle(imports: Iterable[Import]) -> list[str]:
    """Return the modules of one circle of imports, [] where there is none."""
    graph: dict[str, set[str]] = {}
    for one in imports:
        if one.target is not None and one.target != one.module:
            graph.setdefault(one.module, set()).add(one.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as found:
        return list(found.args[1])
    return []


def users_of(
    imports: Iterable[Import], packages: Iterable[str], rooms: Iterable[str]
) -> list[str]:
    """Return a sentence for each import of foreign packages by modules of these rooms."""
    wanted, allowed = set(packages), list(rooms)
    return [
        f'{one.module} imports {one.imported}'
        for one in imports
        if one.imported.partition('.')[0] in wanted and room_of(one.module, allowed) is not None
    ]
