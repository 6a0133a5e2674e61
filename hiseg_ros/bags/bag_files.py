# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Checks on the files of a bag before they are read, and unpacking of compressed ones.

rosbags reads whatever it is given: endless YAML aliases, database views that compute for ever,
and a few bytes that unpack to gigabytes.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from hiseg_ros.bags.compression import check_room, unpacked_files
from hiseg_ros.bags.tables import check_tables, merged, unfinished_log
from hiseg_ros.errors import BagError
from hiseg_ros.yaml_file import read_yaml

METADATA = 'metadata.yaml'

MAX_METADATA = (8_000_000, 200_000)
"""Largest metadata.yaml in bytes and in values; a bag of a thousand files needs a tenth of it."""

SUFFIXES = ('.mcap', '.db3', '.bag')
"""Suffixes of bag files; .bag is that of ROS 1."""

MAX_FILES = 10_000
"""Most files of a bag: a day in files of ten seconds. Looking for each takes time."""

EXPECTED_BAG = 'expected a rosbag2 folder, or one .mcap, .db3 or .bag file'


def check_bag_path(path: Path, expected: str = EXPECTED_BAG) -> None:
    """Check that there is a file or folder at a path.

    Args:
        path: A folder or a file.
        expected: What the caller can read, for the error messages.

    Raises:
        BagError: Nothing is there, or the unfinished file of a recorder of ROS 1.
    """
    if not os.path.exists(path):  # Path.exists raises on a name that is too long
        raise BagError(f'There is no bag at {path}; {expected}: check the path.')
    if not (os.path.isfile(path) or os.path.isdir(path)):
        raise BagError(f'{path} is neither a file nor a folder; {expected}: check the path.')
    if path.name.endswith('.bag.active'):
        raise BagError(
            f'{path} is a bag of ROS 1 whose recorder was killed; {expected}: finish it with '
            '`rosbag reindex`.'
        )


def readable(path: Path, stack: ExitStack) -> Path:
    """Return a path that the reader can open without hanging or filling memory or disk.

    Args:
        path: The bag's folder, or one of its files.
        stack: Removes the unpacked files when it is closed.

    Returns:
        The path itself, or a temporary folder with the unpacked files.

    Raises:
        BagError: The metadata.yaml has too many values, or a database holds more than tables.
        ConfigError: The disk has no room for the unpacked files.
    """
    files = [path]
    if path.is_dir():
        about = read_yaml(path / METADATA, 'File', BagError, *MAX_METADATA)
        facts = about['rosbag2_bagfile_information']
        names = facts['relative_file_paths']
        if len(names) > MAX_FILES:
            raise BagError(
                f'{path / METADATA} names {len(names)} files; expected at most {MAX_FILES}.'
            )
        files = [path / Path(name).name for name in names]
        for file in files:
            if os.path.exists(file) and not os.path.isfile(file):
                raise BagError(f'{file} is no file; {EXPECTED_BAG}: remove it.')
        if str(facts.get('compression_mode', '')).lower() == 'file':
            path = Path(stack.enter_context(TemporaryDirectory(prefix='hiseg_bag_')))
            files = unpacked_files(files, path)
            whole = {'relative_file_paths': [file.name for file in files]}
            none = {'compression_format': '', 'compression_mode': ''}
            about['rosbag2_bagfile_information'] = {**facts, **whole, **none}
            (path / METADATA).write_text(json.dumps(about, ensure_ascii=False))  # YAML, too
    for file in files:
        if file.suffix == '.db3' and file.is_file():
            check_tables(file)
    if any(unfinished_log(file) for file in files):
        return _with_logs(path, files, stack)
    return path


def _with_logs(path: Path, files: list[Path], stack: ExitStack) -> Path:
    """Return a temporary copy of a bag in which the logs of killed recorders are merged."""
    folder = Path(stack.enter_context(TemporaryDirectory(prefix='hiseg_bag_')))
    for file in files:
        log = unfinished_log(file)
        if log is not None:
            check_room(folder, [file, log])
            merged(file, log, folder)
        else:
            (folder / file.name).symlink_to(file.resolve())
    if path.is_file():
        return folder / path.name
    shutil.copyfile(path / METADATA, folder / METADATA)
    return folder
