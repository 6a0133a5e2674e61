# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Lets Python in .venv find the checkout's module and its colcon install without sourcing.

`make setup` copies this file into .venv, where a .pth file imports it at every start of Python.
The name of that file sorts before that of the ROS wheels, which restart the interpreter with
LD_LIBRARY_PATH set: environment variables that are changed here reach that second start.
"""

from __future__ import annotations

import os
import sys
import sysconfig

CHECKOUT = os.path.dirname(sys.prefix)
INSTALL = os.path.join(CHECKOUT, 'install')
RESTARTED = '_ROS_WHEELS_BOOTSTRAP_COMPLETE'
"""Variable that the ROS wheels set once they have restarted the interpreter."""


class CheckoutFinder:
    """Finds hiseg_ros in the checkout.

    The checkout itself is not added to sys.path: its folder launch/ would then be imported instead
    of ROS's package of that name.
    """

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> object:
        """Return the spec of hiseg_ros, None for any other name."""
        if name != 'hiseg_ros':
            return None
        from importlib.util import spec_from_file_location

        folder = os.path.join(CHECKOUT, 'hiseg_ros')
        return spec_from_file_location(
            name, os.path.join(folder, '__init__.py'), submodule_search_locations=[folder]
        )


def entries(variable: str) -> list[str]:
    """Return the non-empty parts of an environment variable with paths."""
    return [part for part in os.environ.get(variable, '').split(os.pathsep) if part]


def below(path: str, prefixes: list[str]) -> bool:
    """Return whether a path is one of the prefixes or below one."""
    return any(path == prefix or path.startswith(prefix + os.sep) for prefix in prefixes)


def enter() -> None:
    """Put the workspace first, and remove another ROS installation that the shell has sourced.

    Two distributions of ROS in one process end in missing symbols. Overlays without an rclpy of
    their own are kept.
    """
    own = [INSTALL] if os.path.isdir(os.path.join(INSTALL, 'share')) else []
    own.append(sys.prefix)
    foreign = [
        prefix
        for prefix in entries('AMENT_PREFIX_PATH')
        if prefix not in own and os.path.isdir(os.path.join(prefix, 'share', 'rclpy'))
    ]
    wanted = {
        'AMENT_PREFIX_PATH': own,
        'LD_LIBRARY_PATH': [os.path.join(prefix, 'lib') for prefix in own],
        'PYTHONPATH': [],
    }
    for variable, first in wanted.items():
        rest = [part for part in entries(variable) if part not in first]
        value = os.pathsep.join(first + [part for part in rest if not below(part, foreign)])
        missing = any(part not in entries(variable) for part in first)
        if missing or any(below(part, foreign) for part in rest):
            os.environ[variable] = value
            os.environ.pop(RESTARTED, None)
    sys.meta_path.insert(0, CheckoutFinder)  # type: ignore[arg-type]
    messages = sysconfig.get_path('purelib', 'posix_prefix', vars={'base': INSTALL})
    if messages not in sys.path:
        sys.path.append(messages)


enter()
