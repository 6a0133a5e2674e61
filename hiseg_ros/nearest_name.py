# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Names that were mistyped: what was meant, and arguments that a launch file does not have."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def expected_name(given: str, known: Iterable[str]) -> str:
    """Return in words what was expected in place of a name: the nearest one, or all of them."""
    names = sorted(known)
    lower = {name.lower(): name for name in names}
    near = get_close_matches(given.lower(), lower, n=1, cutoff=0.6)
    return f'{lower[near[0]]!r}' if near else f'one of {", ".join(names)}'


def unknown_arguments(command: Sequence[str], file: str, known: Iterable[str]) -> str:
    """Return in a sentence which arguments a launch file does not have; '' where it has all.

    `ros2 launch` passes any argument on, and a mistyped one changes nothing.

    Args:
        command: The command line.
        file: Name of the launch file. Where another one was started, which may have arguments of
            its own, nothing is checked.
        known: Arguments of the launch file.
    """
    if file not in [os.path.basename(word) for word in command]:
        return ''
    given = [word.partition(':=')[0] for word in command if ':=' in word]
    wrong = [name for name in given if name not in set(known)]
    return ' '.join(
        f'{file} has no argument {name!r}; expected {expected_name(name, known)}: correct its '
        'name.'
        for name in wrong
    )
