# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The tables of launch arguments, from what the launch files declare."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from generator.markdown import code, plain, table


def argument_table(path: Path) -> str:
    """Return the arguments of a launch file; called while `launch` is mocked."""
    declared: list[tuple[str, str, str]] = []

    def declare(
        name: str, default_value: Any = None, description: str = '', **_: Any
    ) -> SimpleNamespace:
        default = "''" if default_value == '' else str(default_value or '')
        declared.append((code(name), code(default), plain(description)))
        return SimpleNamespace(name=name)

    substitutions = importlib.import_module('launch.substitutions')
    stand_ins = {
        (importlib.import_module('launch.actions'), 'DeclareLaunchArgument'): declare,
        (substitutions, 'EnvironmentVariable'): _environment_variable,
        (substitutions, 'PathJoinSubstitution'): _path,
        (importlib.import_module('launch_ros.substitutions'), 'FindPackageShare'): _share,
    }
    for (module, name), stand_in in stand_ins.items():
        setattr(module, name, stand_in)
    spec = importlib.util.spec_from_file_location('launch_file', path)
    assert spec is not None and spec.loader is not None
    launch_file = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(launch_file)
    launch_file.generate_launch_description()
    return table(('argument', 'default', 'meaning'), declared)


def _environment_variable(name: str, default_value: str = '') -> str:
    return f'${name}, else {default_value}'


def _path(parts: list[Any]) -> str:
    return '/'.join(map(str, parts))


def _share(package: str) -> str:
    return f'share/{package}'
