# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The files of a bag before they are read: what is there, what is packed, what is refused."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from hiseg_ros.bags.compression import unpacked_files
from hiseg_ros.bags.tables import check_tables
from hiseg_ros.errors import BagError
from hiseg_ros.yaml_file import read_yaml

METADATA = 'metadata.yaml'

MAX_METADATA = (8_000_000, 200_000)
"""Bytes and values of a metadata.yaml: a thousand files have less than a tenth."""

EXPECTED_BAG = 'expected a rosbag2 folder, or one .mcap or .db3 file'


def check_bag_path(path: Path, expected: str = EXPECTED_BAG) -> None:
    """Look whether a bag of ROS 2 may be at a path.

    Args:
        path: Of a folder or a file.
        expected: What the caller reads, for the messages.

    Raises:
        BagError: Nothing is there, or a bag of ROS 1.
    """
    if not os.path.exists(path):  # Path.exists raises on a name that is too long
        raise BagError(f'There is no bag at {path}; {expected}: check the path.')
    if path.suffix == '.bag':
        raise BagError(
            f'{path} is a bag of ROS 1; {expected}: convert it with '
            '`rosbags-convert --src FILE.bag --dst FOLDER`.'
        )


def readable(path: Path, stack: ExitStack) -> Path:
    """Refuse what would make the reader hang, take all memory or fill the disk.

    Args:
        path: The bag's folder, or one of its files.
        stack: Removes what was unpacked.

    Returns:
        What the reader may read.

    Raises:
        BagError: A metadata.yaml of endless aliases, or a database with more than tables.
        ConfigError: There is no room.
    """
    files = [path]
    if path.is_dir():
        about = read_yaml(path / METADATA, 'File', BagError, *MAX_METADATA)
        facts = about['rosbag2_bagfile_information']
        files = [path / Path(name).name for name in facts['relative_file_paths']]
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
    return path
