# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Files and folders that are written into an output folder: never through a symbolic link."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from hiseg_ros.errors import ConfigError


def output_file(path: Path) -> Path:
    """Return the path of a file to be written.

    The output folder itself may be a link that the user named; what lies in it may be somebody
    else's, who wants another file to be overwritten, or a pipe, in which writing waits forever.

    Raises:
        ConfigError: There is something else than a plain file.
    """
    return _checked(path, stat.S_ISREG, 'a plain file or none')


def output_folder(path: Path) -> Path:
    """Return the path of a folder inside the output folder.

    Raises:
        ConfigError: There is something else than a folder, such as a link to one.
    """
    return _checked(path, stat.S_ISDIR, 'a folder or none')


def _checked(path: Path, is_right: Callable[[int], bool], expected: str) -> Path:
    try:
        mode = os.lstat(path).st_mode
    except (OSError, ValueError):  # nothing there, or not to be seen: the writer finds out
        return path
    if not is_right(mode):
        kinds = ((stat.S_ISLNK, 'a symbolic link'), (stat.S_ISDIR, 'a folder'))
        found = next((name for test, name in kinds if test(mode)), 'no plain file')
        raise ConfigError(
            f'{path} is {found}; expected {expected}, since results are written there: remove it, '
            'or name another output folder.'
        )
    return path
