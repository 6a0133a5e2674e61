# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Bags are read as they were written, and damaged ones end in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from hiseg_ros.bags.bag import Bag, read_images, read_taxonomy
from hiseg_ros.bags.cameras import choose_from, companions
from hiseg_ros.bags.footage import EPOCH_NS, Frame, write_camera_bag
from hiseg_ros.bags.recording import open_recording
from hiseg_ros.errors import BagError, ImageError

SIZE = (24, 37)
FRAMES = 10


def images(count: int = FRAMES) -> list[Frame]:
    rng = np.random.default_rng(1)
    smooth = np.linspace(0, 200, SIZE[1], dtype=np.uint8)
    return [
        Frame(
            np.broadcast_to(smooth[None, :, None], (*SIZE, 3)) + np.uint8(i),
            rng.integers(0, 256, SIZE, np.uint8),
        )
        for i in range(count)
    ]


@pytest.fixture(params=['mcap', 'sqlite3'])
def storage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_raw_images_come_back_bit_by_bit_with_their_stamps(tmp_path: Path, storage: str) -> None:
    frames = images()
    path = tmp_path / 'bag'
    assert write_camera_bag(path, frames, 10.0, compressed=False, storage=storage) == FRAMES
    read = list(read_images(path, '/camera/image_raw'))
    assert [stamp for stamp, _ in read] == [EPOCH_NS + i * 100_000_000 for i in range(FRAMES)]
    for (_, pixels), frame in zip(read, frames, strict=True):
        np.testing.assert_array_equal(pixels, frame.rgb)


def test_compressed_images_keep_their_colours(tmp_path: Path, storage: str) -> None:
    red = np.full((*SIZE, 3), (220, 30, 40), np.uint8)
    write_camera_bag(tmp_path / 'bag', [Frame(red)], 10.0, storage=storage)
    [(_, pixels)] = read_images(tmp_path / 'bag', '/camera/image_raw/compressed')
    assert pixels.shape == (*SIZE, 3)
    assert np.abs(pixels.astype(int) - red).max() < 6


def test_ground_truth_keeps_every_id(tmp_path: Path, storage: str) -> None:
    frames = images()
    write_camera_bag(tmp_path / 'bag', frames, 10.0, storage=storage)
    truth = list(read_images(tmp_path / 'bag', '/ground_truth/node_ids/compressed'))
    for (_, labels), frame in zip(truth, frames, strict=True):
        assert labels.dtype == np.uint8
        np.testing.assert_array_equal(labels, frame.labels)


@pytest.mark.parametrize('storage_suffix', [('mcap', '.mcap'), ('sqlite3', '.db3')])
def test_the_single_file_of_a_bag_is_a_bag_too(
    tmp_path: Path, storage_suffix: tuple[str, str]
) -> None:
    storage, suffix = storage_suffix
    write_camera_bag(tmp_path / 'bag', images(), 10.0, storage=storage)
    file = tmp_path / 'bag' / f'bag{suffix}'
    assert len(list(read_images(file, '/camera/image_raw/compressed'))) == FRAMES


def test_the_topics_are_listed_with_types_and_counts(tmp_path: Path) -> None:
    write_camera_bag(tmp_path / 'bag', images(), 10.0)
    with Bag(tmp_path / 'bag') as bag:
        camera, truth = bag.topics
        assert (camera.name, camera.count) == ('/camera/image_raw/compressed', FRAMES)
        assert camera.is_image and camera.is_compressed and truth.is_image
        assert bag.duration_s == pytest.approx(0.9, abs=1e-6)


def test_one_odd_type_in_a_bag_does_no_harm(tmp_path: Path) -> None:
    types = get_typestore(Stores.ROS2_JAZZY)
    types.register(get_types_from_msg('vendor_msgs/Unknown thing\nint8 x', 'vendor_msgs/msg/Odd'))
    types.register(get_types_from_msg('int8 y', 'vendor_msgs/msg/Unknown'))
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        nonsense = 'this is no message definition'
        odd = writer.add_connection('/odd', 'vendor_msgs/msg/Odd', msgdef=nonsense, rihs01='R_0')
        text = writer.add_connection('/text', 'std_msgs/msg/String', typestore=types)
        writer.write(odd, 1, b'\x00\x01\x00\x00\x05')
        message = types.types['std_msgs/msg/String'](data='hello')
        writer.write(text, 2, types.serialize_cdr(message, 'std_msgs/msg/String'))
    with Bag(tmp_path / 'bag') as bag:
        [(_, read)] = bag.messages('/text')
        assert read.data == 'hello'
        with pytest.raises(BagError):
            list(bag.messages('/odd'))


def test_a_topic_of_numbers_is_no_image_topic(tmp_path: Path) -> None:
    types = get_typestore(Stores.ROS2_JAZZY)
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        writer.add_connection('/speed', 'std_msgs/msg/Float32', typestore=types)
    with pytest.raises(BagError, match='std_msgs/msg/Float32'):
        list(read_images(tmp_path / 'bag', '/speed'))
    with pytest.raises(BagError, match='no camera'):
        choose_from([open_recording(tmp_path / 'bag')])


def test_a_missing_topic_is_answered_with_those_there_are(tmp_path: Path) -> None:
    write_camera_bag(tmp_path / 'bag', images(2), 10.0)
    with pytest.raises(BagError, match='/camera/image_raw/compressed'):
        list(read_images(tmp_path / 'bag', '/lidar'))


def test_a_bag_without_a_label_tree_says_so(tmp_path: Path) -> None:
    write_camera_bag(tmp_path / 'bag', images(1), 10.0)
    with pytest.raises(BagError, match='/segmentation/taxonomy'):
        read_taxonomy(tmp_path / 'bag')


def test_the_camera_is_chosen_before_the_ground_truth(tmp_path: Path) -> None:
    write_camera_bag(tmp_path / 'bag', images(2), 10.0)
    truth = '/ground_truth/node_ids/compressed'
    recording = open_recording(tmp_path / 'bag')
    choice = choose_from([recording])
    assert choice.best.topic == '/camera/image_raw/compressed'
    assert choice.cameras == (choice.best,)
    assert dict(choice.left_out) == {truth: 'ground truth'}
    assert [topic.name for topic in companions(recording.topics, choice.best)] == [truth]
    assert choose_from([recording], [truth]).best.topic == truth


def damaged(path: Path, how: str) -> Path:
    """Write a bag and damage it."""
    write_camera_bag(path, images(), 10.0, storage='sqlite3' if 'db3' in how else 'mcap')
    file = next(p for p in path.iterdir() if p.suffix in ('.mcap', '.db3'))
    data = file.read_bytes()
    if how.startswith('empty'):
        file.write_bytes(b'')
    elif how.startswith('cut'):
        file.write_bytes(data[: len(data) // 2])
    elif how.startswith('noise'):
        middle = len(data) // 2
        file.write_bytes(data[: middle - 400] + bytes(range(200)) * 4 + data[middle + 400 :])
    elif how == 'no file':
        file.unlink()
    elif how == 'metadata':
        (path / 'metadata.yaml').write_text('rosbag2_bagfile_information: [1, 2')
    elif how == 'metadata of another kind':
        (path / 'metadata.yaml').write_text('a: 1')
    return path


@pytest.mark.parametrize(
    'how',
    [
        'empty',
        'cut',
        'noise',
        'empty db3',
        'cut db3',
        'noise db3',
        'no file',
        'metadata',
        'metadata of another kind',
    ],
)
def test_a_damaged_bag_ends_in_one_sentence(tmp_path: Path, how: str) -> None:
    path = damaged(tmp_path / 'bag', how)
    with pytest.raises((BagError, ImageError)) as caught:
        for topic in ('/camera/image_raw/compressed', '/ground_truth/node_ids/compressed'):
            list(read_images(path, topic))
    assert 'expected' in str(caught.value)
    assert '\n' not in str(caught.value)


def test_what_is_no_bag_is_refused_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(BagError, match='There is no bag'):
        Bag(tmp_path / 'nowhere')
    (tmp_path / 'folder').mkdir()
    with pytest.raises(BagError, match=r'no metadata\.yaml'):
        Bag(tmp_path / 'folder')
    (tmp_path / 'old.bag').write_bytes(b'#ROSBAG V2.0')
    with pytest.raises(BagError, match='rosbags-convert'):
        Bag(tmp_path / 'old.bag')
    (tmp_path / 'video.mp4').write_bytes(b'')
    with pytest.raises(BagError, match='no bag file'):
        Bag(tmp_path / 'video.mp4')


def test_errors_of_the_reader_of_messages_are_not_called_damage(tmp_path: Path) -> None:
    write_camera_bag(tmp_path / 'bag', images(2), 10.0)
    with Bag(tmp_path / 'bag') as bag, pytest.raises(ZeroDivisionError):
        for _ in bag.raw():
            raise ZeroDivisionError
