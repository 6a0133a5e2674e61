# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Pipes and endless lists of files in place of a bag end in a sentence, not in waiting."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from hiseg_ros.bags.bag import Bag
from hiseg_ros.bags.recording import open_recording
from hiseg_ros.errors import BagError


@pytest.mark.parametrize('name', ['bag.mcap', 'bag.db3', 'bag.mcap.zstd', 'bag.bag', 'bag'])
def test_a_pipe_is_no_bag(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    for read in (Bag, open_recording):
        with pytest.raises(BagError, match='neither a file nor a folder'):
            read(tmp_path / name)


@pytest.mark.parametrize('name', ['bag_0.mcap', 'bag_0.db3', 'bag_0.mcap.zstd'])
@pytest.mark.parametrize('is_described', [True, False])
def test_a_pipe_in_a_folder_is_not_opened(name: str, is_described: bool, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    if is_described:
        write_metadata(tmp_path, [name])
    with pytest.raises(BagError):
        with Bag(tmp_path):
            pass
    try:
        open_recording(tmp_path)
    except BagError as error:
        assert 'expected' in str(error)


def test_many_files_are_refused_at_once(tmp_path: Path) -> None:
    write_metadata(tmp_path, [f'bag_{number}.mcap' for number in range(12_000)])
    began = time.process_time()
    for read in (Bag, open_recording):
        with pytest.raises(BagError, match='expected'):
            read(tmp_path)
    assert time.process_time() - began < 20  # most of it for reading the YAML


def write_metadata(folder: Path, names: list[str]) -> None:
    about = {
        'version': 5, 'storage_identifier': 'mcap', 'relative_file_paths': names,
        'duration': {'nanoseconds': 0}, 'starting_time': {'nanoseconds_since_epoch': 0},
        'message_count': 0, 'topics_with_message_count': [], 'compression_format': '',
        'compression_mode': '',
    }  # fmt: skip
    text = json.dumps({'rosbag2_bagfile_information': about})
    (folder / 'metadata.yaml').write_text(text)
