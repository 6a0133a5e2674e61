# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The layers of docs/architecture.md: an import points down, strangers do not know each other."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MODULE = Path(__file__).resolve().parent.parent / 'hiseg_ros'

LAYERS = (
    'cli',
    'viewer',
    'ros | replay | training',
    'benchmark',
    'evaluation | visualization',
    'inference',
    'pipeline',
    'model preprocessing decision regions',
    'taxonomy',
    'types resources pictures',
    'errors threads allocator',
)
"""Top to bottom. Rooms on both sides of a bar are strangers; others of a layer may meet."""

ROS = {
    'builtin_interfaces',
    'cv_bridge',
    'diagnostic_msgs',
    'lifecycle_msgs',
    'rcl_interfaces',
    'rclpy',
    'sensor_msgs',
    'std_msgs',
    'std_srvs',
    'vision_msgs',
}
WITHOUT_TORCH = (
    'errors',
    'pictures',
    'regions',
    'replay',
    'resources',
    'ros',
    'taxonomy',
    'types',
    'visualization',
)

Import = tuple[Path, str, str]
"""File, its room, and the imported module, e.g. 'hiseg_ros.taxonomy' or 'torch.nn'."""


def level_of_room() -> dict[str, int]:
    """Return each room's layer, 0 at the top."""
    rooms = [layer.replace('|', ' ').split() for layer in LAYERS]
    return {room: level for level, row in enumerate(rooms) for room in row}


def imported_modules(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield every module that a file names in an import, wherever in the file it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield '.'.join([*package.split('.')[: 1 - node.level or None], node.module or ''])
        elif isinstance(node, ast.ImportFrom) and node.module == 'hiseg_ros':
            yield from (f'hiseg_ros.{alias.name}' for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def imports() -> list[Import]:
    """Return every import statement of the module's rooms."""
    found = []
    for path in sorted(MODULE.rglob('*.py')):
        parts = path.relative_to(MODULE).parts
        if parts == ('__init__.py',):
            continue
        room = parts[0].removesuffix('.py')
        package = '.'.join(['hiseg_ros', *parts[:-1]])
        for name in imported_modules(ast.parse(path.read_text(encoding='utf-8')), package):
            found.append((path.relative_to(MODULE), room, name))
    return found


def between_rooms() -> list[tuple[Path, str, str]]:
    """Return (file, importing room, imported room) of every import across rooms."""
    crossing = []
    for path, room, name in imports():
        parts = name.split('.')
        if parts[0] == 'hiseg_ros' and len(parts) > 1:
            target = parts[1]
            if target not in (room, 'msg', 'srv', '__version__'):
                crossing.append((path, room, target))
    return crossing


def test_every_room_has_a_layer() -> None:
    """A new file or folder at the top of the module is either a room or a mistake."""
    rooms = {path.name.removesuffix('.py') for path in MODULE.iterdir() if path.name[0] != '_'}
    assert rooms == set(level_of_room())


def test_an_import_points_down() -> None:
    """No room imports one of a higher layer."""
    level = level_of_room()
    upward = [(str(file), to) for file, room, to in between_rooms() if level[to] < level[room]]
    assert not upward


def test_strangers_do_not_import_each_other() -> None:
    """Rooms of one layer with a bar between them stay apart."""
    strangers = {
        frozenset((one, other))
        for layer in LAYERS
        if '|' in layer
        for one in layer.split(' | ')
        for other in layer.split(' | ')
        if one != other
    }
    meetings = [
        (str(file), to) for file, room, to in between_rooms() if frozenset((room, to)) in strangers
    ]
    assert not meetings


def test_rooms_do_not_import_in_a_circle() -> None:
    """Rooms of one layer may meet, but in one direction."""
    pairs = {(room, to) for _, room, to in between_rooms()}
    assert not {(room, to) for room, to in pairs if (to, room) in pairs}


def test_only_the_ros_room_imports_ros() -> None:
    """Everything else works on a machine without ROS."""
    guests = [
        (str(file), name)
        for file, room, name in imports()
        if room != 'ros' and (name.split('.')[0] in ROS or name.startswith('hiseg_ros.msg'))
    ]
    assert not guests


def test_ros_never_sees_a_tensor() -> None:
    """The rooms that have no business with tensors do not import torch."""
    users = [
        (str(file), name)
        for file, room, name in imports()
        if room in WITHOUT_TORCH and name.split('.')[0] in ('torch', 'torchvision', 'timm')
    ]
    assert not users


@pytest.mark.parametrize('module', ['taxonomy', 'visualization', 'regions', 'cli.__main__'])
def test_importing_a_light_room_costs_no_torch(module: str) -> None:
    """A new interpreter that imports the room has not loaded torch, nor ROS."""
    program = (
        f'import sys, hiseg_ros.{module}; '
        'print([name for name in ("torch", "rclpy", "lightning") if name in sys.modules])'
    )
    result = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.strip() == '[]'
