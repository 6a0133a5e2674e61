# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The layers of docs/architecture.md, file by file: an import points down, type-only ones too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from import_rules import (
    PACKAGE,
    Import,
    broken,
    circle,
    imported_names,
    imports_of,
    modules_below,
    room_of,
    users_of,
)

FOLDER = Path(__file__).resolve().parent.parent / PACKAGE

LAYERS = (
    'cli',
    'cli.shared',
    'adapt | fleet',
    'training.comparison | reports | viewer',
    'training.run | training.classical',
    'training.adaptation',
    'training.losses',
    'training.data',
    'training training.config',
    'mining',
    'ros.soak | datasets | replay | retrieval',
    'ros.benchmark | ros.node',
    'ros.consumers',
    'ros.messages',
    'ros.health',
    'ros.harness | ros.parameters',
    'ros',
    'evaluation | export | benchmark | classical',
    'inference',
    'pipeline | postprocessing',
    'model',
    'preprocessing | decision | regions | bags | rotation | tracking',
    'messages',
    'visualization',
    'taxonomy',
    'images interfaces types resources yaml_file',
    'output_files nearest_name',
    'errors threads allocator ending',
    'plain_text',
)
"""Top to bottom. Rooms on both sides of a bar are strangers; others of a layer may meet."""

STRANGERS = (('training', 'ros'), ('reports', 'ros'), ('viewer', 'ros'), ('datasets', 'ros'),
             ('replay', 'ros'), ('replay', 'datasets'), ('ros', 'postprocessing'),
             ('ros', 'classical'))  # fmt: skip
"""Of different layers, and still the first must not import the second."""

ROS = {
    'ament_index_python',
    'bond',
    'builtin_interfaces',
    'cv_bridge',
    'diagnostic_msgs',
    'foxglove_msgs',
    'lifecycle_msgs',
    'rcl_interfaces',
    'rclpy',
    'rosidl_runtime_py',
    'sensor_msgs',
    'std_msgs',
    'std_srvs',
    'vision_msgs',
}
TORCH = {
    'lightning',
    'segmentation_models_pytorch',
    'timm',
    'torch',
    'torchmetrics',
    'torchvision',
}
WITHOUT_TORCH = (
    'allocator',
    'bags',
    'classical',
    'datasets',
    'errors',
    'fleet',
    'images',
    'interfaces',
    'messages',
    'regions',
    'replay',
    'reports',
    'resources',
    'ros',
    'rotation',
    'taxonomy',
    'threads',
    'tracking',
    'training.config',
    'types',
    'viewer',
    'visualization',
    'yaml_file',
)

MODULES = modules_below(FOLDER)
IMPORTS = imports_of(MODULES)
ROOMS = [room for layer in LAYERS for room in layer.replace('|', ' ').split()]


def test_every_module_belongs_to_a_room_and_every_room_has_modules() -> None:
    """A new file or folder at the top of the package is either a room or a mistake."""
    homes = {module: room_of(module, ROOMS) for module in MODULES if module}
    assert [module for module, room in homes.items() if room is None] == []
    assert set(homes.values()) == set(ROOMS)


def test_an_import_points_down() -> None:
    assert broken(LAYERS, IMPORTS) == []


def test_strangers_do_not_import_each_other() -> None:
    meetings = [
        (one.module, one.target)
        for one in IMPORTS
        for above, below in STRANGERS
        if room_of(one.module, [above]) and one.target and room_of(one.target, [below])
    ]
    assert meetings == []


def test_files_do_not_import_in_a_circle() -> None:
    assert circle(IMPORTS) == []


def test_only_ros_imports_ros() -> None:
    """Everything else works on a machine without ROS."""
    others = [room for room in ROOMS if not room.startswith('ros')]
    assert users_of(IMPORTS, ROS, others) == []
    generated = [
        one for one in IMPORTS if one.imported.startswith(('hiseg_ros.msg', 'hiseg_ros.srv'))
    ]
    assert [one.module for one in generated if not one.module.startswith('ros.')] == []


def test_ros_never_sees_a_tensor() -> None:
    """The rooms that have no business with tensors do not import torch."""
    assert users_of(IMPORTS, TORCH, WITHOUT_TORCH) == []


def test_packages_of_classical_methods_stay_in_their_rooms() -> None:
    """Nothing else needs the extra "classical"."""
    rooms = ('classical', 'training.classical')
    others = [room for room in ROOMS if room not in rooms]
    found = users_of(IMPORTS, ('skimage', 'sklearn'), ROOMS)
    strangers = [
        one
        for one in IMPORTS
        if one.imported.partition('.')[0] in ('skimage', 'sklearn')
        and room_of(one.module, ROOMS) in others
    ]
    assert found and strangers == []


def test_a_robot_needs_no_tool_that_writes_models() -> None:
    """What runs a model never imports what exports one."""
    robot = ('inference', 'ros', 'decision', 'pipeline', 'preprocessing')
    assert [
        (one.module, one.target)
        for one in IMPORTS
        if room_of(one.module, robot) and one.target and room_of(one.target, ['export'])
    ] == []


@pytest.mark.parametrize(
    'module',
    [
        'taxonomy',
        'visualization',
        'regions',
        'cli.__main__',
        'datasets',
        'training.config.experiment',
    ],
)
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


# The rules themselves: each finds what breaks it.


@pytest.mark.parametrize(
    ('source', 'expected'),
    [
        ('import torch.nn as nn', ['torch.nn']),
        ('from hiseg_ros.taxonomy import tree', ['hiseg_ros.taxonomy.tree']),
        ('from hiseg_ros.taxonomy import Taxonomy', ['hiseg_ros.taxonomy']),
        ('from hiseg_ros import errors', ['hiseg_ros.errors']),
        ('from . import plan', ['hiseg_ros.ros.soak.plan']),
        ('from ..health import stamps', ['hiseg_ros.ros.health.stamps']),
        ('if TYPE_CHECKING:\n    from hiseg_ros.cli import demo', ['hiseg_ros.cli.demo']),
        ('def late():\n    import rclpy', ['rclpy']),
    ],
)
def test_imports_are_found_wherever_they_stand(source: str, expected: list[str]) -> None:
    known = ['taxonomy.tree', 'errors', 'ros.soak.plan', 'ros.health.stamps', 'cli.demo']
    assert list(imported_names(source, 'ros.soak.rig', False, known)) == expected


def test_an_import_upwards_and_one_of_a_stranger_are_found() -> None:
    layers = ('cli', 'ros.node | replay', 'ros', 'errors')
    fine = [
        Import('cli.demo', 'hiseg_ros.replay.run'),
        Import('ros.node.worker', 'hiseg_ros.ros.x'),
    ]
    assert broken(layers, fine) == []
    up = Import('ros.parameters', 'hiseg_ros.ros.node.worker')
    stranger = Import('replay.run', 'hiseg_ros.ros.node.worker')
    homeless = Import('attic.box', 'hiseg_ros.errors')
    assert [len(broken(layers, [one])) for one in (up, stranger, homeless)] == [1, 1, 1]


def test_a_circle_is_found_however_long() -> None:
    names = ['a', 'b', 'c', 'd']
    ring = [
        Import(one, f'hiseg_ros.{to}')
        for one, to in zip(names, names[1:] + names[:1], strict=True)
    ]
    assert circle(ring[:-1]) == []
    assert set(circle(ring)) == set(names)


def test_a_foreign_package_in_a_room_is_found() -> None:
    guest = Import('bags.bag', 'rclpy.node')
    assert users_of([guest], ROS, ['bags']) == ['bags.bag imports rclpy.node']
    assert users_of([guest], ROS, ['ros']) == []
