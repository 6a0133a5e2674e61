# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Recordings of every form are read alike, damaged ones up to the damage."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from replay_support import CAMERA, TRUTH, write_drive
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from hiseg_ros.bags.bag import Bag
from hiseg_ros.bags.message_stream import MessageStream
from hiseg_ros.bags.recording import open_recording
from hiseg_ros.errors import BagError

FRAMES = 12
FORMS = [
    ('mcap', 'NONE'), ('mcap', 'STORAGE'), ('mcap', 'FILE'), ('mcap', 'MESSAGE'),
    ('sqlite3', 'NONE'), ('sqlite3', 'FILE'), ('sqlite3', 'MESSAGE'),
]  # fmt: skip


@pytest.fixture(scope='module')
def messages(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, int, bytes]]:
    """Return (topic, time, bytes) of a drawn drive."""
    path = write_drive(tmp_path_factory.mktemp('drive') / 'bag', FRAMES)
    with Bag(path) as bag:
        return [(m.topic, m.time_ns, m.data) for m in bag.raw()]


def write(
    path: Path, messages: list[tuple[str, int, bytes]], storage: str = 'mcap', mode: str = 'NONE'
) -> Path:
    """Write a bag in one of the forms."""
    types = get_typestore(Stores.ROS2_JAZZY)
    plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
    writer = Writer(path, version=8, storage_plugin=plugin)
    writer.set_compression(CompressionMode[mode], CompressionFormat.ZSTD)
    with writer:
        of = {
            name: writer.add_connection(name, 'sensor_msgs/msg/CompressedImage', typestore=types)
            for name in (CAMERA, TRUTH)
        }
        for topic, time_ns, data in messages:
            writer.write(of[topic], time_ns, data)
    return path


def in_several_files(path: Path, messages: list[Any], count: int, mode: str = 'NONE') -> Path:
    """Write a bag of several files."""
    path.mkdir()
    size = -(-len(messages) // count)
    abouts = []
    for index in range(count):
        part = write(path / f'part_{index}', messages[index * size :][:size], 'mcap', mode)
        abouts.append(yaml.safe_load((part / 'metadata.yaml').read_text()))
        for file in part.glob('part*'):
            file.rename(path / file.name)
        shutil.rmtree(part)
    about = abouts[0]['rosbag2_bagfile_information']
    rest = [a['rosbag2_bagfile_information'] for a in abouts[1:]]
    for entry in about['topics_with_message_count']:
        name = entry['topic_metadata']['name']
        entry['message_count'] = sum(message[0] == name for message in messages)
    about['relative_file_paths'] += [n for a in rest for n in a['relative_file_paths']]
    (path / 'metadata.yaml').write_text(yaml.safe_dump(abouts[0]))
    return path


def read(*paths: Path) -> tuple[list[tuple[str, int, bytes]], list[Any]]:
    """Return the messages of recordings and their damages."""
    stream = MessageStream([open_recording(path) for path in paths], [CAMERA, TRUTH])
    return [(m.raw.topic, m.raw.time_ns, m.raw.data) for m in stream], stream.damages


@pytest.mark.parametrize(('storage', 'mode'), FORMS)
def test_every_form_gives_the_same_messages(
    tmp_path: Path, messages: list[Any], storage: str, mode: str
) -> None:
    """Storage and compression make no difference."""
    path = write(tmp_path / 'bag', messages, storage, mode)
    found, damages = read(path)
    assert sorted(found) == sorted(messages)
    assert damages == []
    assert {(t.name, t.count) for t in open_recording(path).topics} == {
        (CAMERA, FRAMES), (TRUTH, FRAMES)
    }  # fmt: skip


@pytest.mark.parametrize('mode', ['NONE', 'FILE', 'MESSAGE'])
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_single_file_needs_no_metadata(
    tmp_path: Path, messages: list[Any], storage: str, mode: str
) -> None:
    """A file on its own, compressed or not."""
    path = write(tmp_path / 'bag', messages, storage, mode)
    [file] = [p for p in path.iterdir() if p.name != 'metadata.yaml']
    assert sorted(read(file)[0]) == sorted(messages)
    counts = {topic.name: topic.count for topic in open_recording(file).topics}
    assert counts == {CAMERA: FRAMES, TRUTH: FRAMES}


def test_files_are_read_in_their_order(tmp_path: Path, messages: list[Any]) -> None:
    """Also beyond nine, where names sort otherwise than numbers."""
    path = in_several_files(tmp_path / 'bag', messages, 12)
    assert read(path) == (messages, [])
    (path / 'metadata.yaml').unlink()
    found, [damage] = read(path)
    assert found == messages
    assert damage.file == 'metadata.yaml' and 'missing' in damage.reason


def test_recordings_of_one_time_are_merged_by_time(tmp_path: Path, messages: list[Any]) -> None:
    """One camera here, another there."""
    here = write(tmp_path / 'here', [m for m in messages if m[0] == CAMERA])
    there = write(tmp_path / 'there', [m for m in messages if m[0] == TRUTH])
    found, _ = read(there, here)
    assert [time for _, time, _ in found] == sorted(time for _, time, _ in messages)
    assert len(found) == len(messages)


def noise() -> list[tuple[str, int, bytes]]:
    """Return messages that cannot be compressed."""
    rng = np.random.default_rng(2)
    return [
        ((CAMERA, TRUTH)[number % 2], 10**18 + number, b'\0\1\0\0' + rng.bytes(6000))
        for number in range(800)
    ]


def truncate(path: Path, share: float) -> Path:
    """Cut off the end of a bag's last file."""
    file = sorted(p for p in path.iterdir() if p.name != 'metadata.yaml')[-1]
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    return path


@pytest.mark.parametrize('has_metadata', [True, False])
@pytest.mark.parametrize(('storage', 'mode'), FORMS)
def test_a_bag_that_was_cut_off_is_read_up_to_there(
    tmp_path: Path, storage: str, mode: str, has_metadata: bool
) -> None:
    """What comes is a beginning of what was; the place is named."""
    many = noise()
    path = truncate(write(tmp_path / 'bag', many, storage, mode), 0.6)
    if not has_metadata:
        (path / 'metadata.yaml').unlink()
    found, damages = read(path)
    assert found == many[: len(found)]
    assert 0.5 * len(many) < len(found) < 0.7 * len(many)
    damage = damages[-1]
    assert damage.bag == 'bag' and damage.file.startswith('bag.')
    assert damage.message == len(found) + 1
    assert damage.time_ns == found[-1][1]
    assert str(tmp_path) not in damage.reason


def test_a_hole_in_the_middle_ends_the_recording_there(tmp_path: Path) -> None:
    """The index is whole, a chunk is not."""
    many = noise()
    path = write(tmp_path / 'bag', many, 'mcap', 'STORAGE')
    data = bytearray((path / 'bag.mcap').read_bytes())
    middle = len(data) // 2
    # Wide enough to hit the headers of blocks: the content of a block has no checksum.
    data[middle : middle + 2**18] = bytes(2**18)
    (path / 'bag.mcap').write_bytes(data)
    found, [damage] = read(path)
    assert found == many[: len(found)]
    assert damage.message == len(found) + 1


def test_what_follows_a_missing_file_is_not_read(tmp_path: Path, messages: list[Any]) -> None:
    """The recording ends at the gap, and another recording goes on."""
    path = in_several_files(tmp_path / 'bag', messages, 3)
    (path / 'part_1.mcap').unlink()
    other = write(tmp_path / 'other', messages)
    found, [damage] = read(path, other)
    assert len(found) == len(messages) // 3 + len(messages)
    assert (damage.file, damage.message) == ('part_1.mcap', 1)
    assert damage.reason == 'the file is missing'


def test_noise_never_ends_in_a_traceback(tmp_path: Path, messages: list[Any]) -> None:
    """Any bytes may be wrong."""
    rng = np.random.default_rng(7)
    for storage in ('mcap', 'sqlite3'):
        for trial in range(12):
            path = write(tmp_path / f'{storage}{trial}', messages, storage)
            [file] = [p for p in path.iterdir() if p.name != 'metadata.yaml']
            data = np.frombuffer(file.read_bytes(), np.uint8).copy()
            data[rng.integers(0, len(data), 40)] = rng.integers(0, 256, 40)
            file.write_bytes(data.tobytes())
            found, _ = read(path)
            assert len(found) <= len(messages)


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    """One sentence each."""
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'old.bag').write_bytes(b'#ROSBAG V2.0')
    (tmp_path / 'video.mp4').write_bytes(b'')
    for name, words in (
        ('nowhere', 'There is no bag'), ('empty', 'neither metadata.yaml nor a bag file'),
        ('old.bag', 'rosbags-convert'), ('video.mp4', 'no bag file'),
    ):  # fmt: skip
        with pytest.raises(BagError, match=words) as caught:
            open_recording(tmp_path / name)
        assert 'expected' in str(caught.value)
