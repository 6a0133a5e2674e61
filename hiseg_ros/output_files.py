# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What is written into an output folder: never through a symbolic link, and by one at a time."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

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


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Make a folder where it is missing, and keep other processes out of it during a block.

    The lock ends with the process, however that ends.

    Args:
        folder: Gets a file `lock`, which stays.

    Raises:
        ConfigError: Another process holds the lock, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = opened_lock(folder, folder)
    except OSError as error:
        raise ConfigError(
            f'The folder {folder} cannot be used ({error}); expected one that can be written: '
            'name another --output.'
        ) from error
    with lock:
        try:
            yield
        finally:
            # Not only closed: processes that were forked meanwhile have the file too.
            fcntl.flock(lock, fcntl.LOCK_UN)


def opened_lock(folder: Path, output: Path) -> TextIO:
    """Take the lock of a folder; closing the file, or the end of the process, gives it back.

    Args:
        folder: Exists; gets a file `lock`.
        output: What the lock guards, as the user knows it.

    Raises:
        ConfigError: Another process holds the lock.
        OSError: The file cannot be opened.
    """
    lock = output_file(folder / 'lock').open('w')
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise ConfigError(
            f'Another process is at work in {output}; expected a folder of its own for each: wait '
            'for it, or name another with --output.'
        ) from error
    return lock


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
