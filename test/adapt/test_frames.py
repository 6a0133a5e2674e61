# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Which frames an adaptation takes, and what is said where there are too few; without torch."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hiseg_ros.adapt.frames import (
    LEAST_FRAMES,
    choose_frames,
    farthest_points,
    read_frames,
    shows_something,
)
from hiseg_ros.bags.footage import Frame, write_camera_bag
from hiseg_ros.errors import BagError, ConfigError
from hiseg_ros.retrieval.sources import open_source


class MeanColour:
    """Stands for a network: the mean colour of the image."""

    identity = 'mean colour'

    def compute(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return a vector of length 1."""
        vector = np.array([*rgb.mean((0, 1)), 60.0], np.float32)
        return vector / np.linalg.norm(vector)


def striped(red: int, green: int, blue: int) -> NDArray[np.uint8]:
    """Return an image of stripes of a colour and its half."""
    image = np.full((48, 64, 3), (red, green, blue), np.uint8)
    image[:, ::16] //= 2
    image[:, 1::16] //= 2
    image[:, 2::16] //= 2
    image[:, 3::16] //= 2
    return image


def bag_of(path: Path, images: list[NDArray[np.uint8]]) -> Path:
    write_camera_bag(path, [Frame(image) for image in images], 10.0, compressed=False)
    return path


def test_a_long_red_light_is_taken_once_and_what_is_rare_is_taken(tmp_path: Path) -> None:
    """90 images of standing and 10 of other streets: every tenth would be one of the latter."""
    other = [striped(40 + 20 * n, 220 - 20 * n, 90) for n in range(10)]
    images = [striped(120, 120, 120)] * 50 + other + [striped(120, 120, 120)] * 40
    source = open_source(bag_of(tmp_path / 'drive', images))
    choice = choose_frames([source], MeanColour(), tmp_path / 'cache', 12)
    taken = {frame.number for frame in (*choice.learnt, *choice.held_back)}
    assert len(choice.learnt) == 12 and len(choice.held_back) == 16
    assert set(range(50, 60)) <= taken
    standing = sorted(taken - set(range(50, 60)))
    assert max(b - a for a, b in zip(standing, standing[1:], strict=False)) < 25, 'spread in time'


def test_held_back_frames_are_others_and_as_spread(tmp_path: Path) -> None:
    images = [striped(10 + 2 * n, 100, 200 - n) for n in range(100)]
    source = open_source(bag_of(tmp_path / 'drive', images))
    choice = choose_frames([source], MeanColour(), tmp_path / 'cache', 200)
    learnt = {frame.number for frame in choice.learnt}
    held = [frame.number for frame in choice.held_back]
    assert not learnt & set(held) and len(learnt) + len(held) == 100
    assert len(held) == 16 and held == sorted(held)
    assert set(np.diff(held).tolist()) <= {6, 7}


def test_several_recordings_and_their_images(tmp_path: Path) -> None:
    """A bag and a folder with a damaged file; images come back by source and number."""
    bag = bag_of(tmp_path / 'drive', [striped(200, 10 * n, 30) for n in range(15)])
    folder = tmp_path / 'images'
    folder.mkdir()
    for number in range(15):
        cv2.imwrite(str(folder / f'{number:02d}.png'), striped(200, 10 * number, 40)[..., ::-1])
    (folder / '07.png').write_bytes(b'')
    sources = [open_source(bag), open_source(folder)]
    seen: list[int] = []
    choice = choose_frames(sources, MeanColour(), tmp_path / 'cache', 100, lambda: seen.append(1))
    assert len(seen) == choice.looked_at == 30
    assert (choice.damaged, choice.empty) == (1, 0)
    assert choice.notes == ['1 images cannot be decoded: left out']
    assert {frame.source for frame in choice.learnt} == {0, 1}
    for frame, rgb in read_frames(sources, choice.learnt):
        expected = striped(
            *(((200, 10 * frame.number, 30), (200, 10 * frame.number, 40))[frame.source])
        )
        np.testing.assert_array_equal(rgb, expected)
        assert (frame.time_ns is None) == (frame.source == 1)


def test_a_black_image_shows_nothing_and_a_dark_street_does() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 12, (480, 640, 3)).astype(np.uint8)
    assert not shows_something(np.zeros((480, 640, 3), np.uint8))
    assert not shows_something(noise), 'the noise of a covered sensor'
    assert not shows_something(np.full((480, 640, 3), 255, np.uint8))
    assert shows_something((striped(120, 120, 120) // 4).astype(np.uint8))


def test_black_images_are_left_out_and_counted(tmp_path: Path) -> None:
    images = [striped(9 * n, 90, 50) for n in range(25)] + [np.zeros((48, 64, 3), np.uint8)] * 9
    source = open_source(bag_of(tmp_path / 'drive', images))
    choice = choose_frames([source], MeanColour(), tmp_path / 'cache', 100)
    assert choice.notes == ['9 images show nothing (black or of one colour): left out']
    assert max(frame.number for frame in (*choice.learnt, *choice.held_back)) < 25


@pytest.mark.parametrize(
    ('images', 'words'),
    [
        ([striped(100, 9 * n, 50) for n in range(6)], 'has 6 usable images; expected at least 20'),
        (
            [np.zeros((48, 64, 3), np.uint8)] * 40,
            r'has 0 usable images \(40 are black or of one colour\); expected at least 20, of '
            'which 4 are held back',
        ),
    ],
)
def test_too_few_images_are_refused_with_the_number_that_is_needed(
    tmp_path: Path, images: list[NDArray[np.uint8]], words: str
) -> None:
    source = open_source(bag_of(tmp_path / 'drive', images))
    with pytest.raises(ConfigError, match=words):
        choose_frames([source], MeanColour(), tmp_path / 'cache', 100)
    assert LEAST_FRAMES == 20


def test_a_bag_without_a_camera_is_refused(tmp_path: Path) -> None:
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    types = get_typestore(Stores.ROS2_JAZZY)
    with Writer(tmp_path / 'bag', version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection('/chatter', 'std_msgs/msg/String', typestore=types)
        text = types.types['std_msgs/msg/String']('hello')
        writer.write(connection, 1, types.serialize_cdr(text, 'std_msgs/msg/String'))
    with pytest.raises(BagError, match='camera|image'):
        open_source(tmp_path / 'bag')


def test_each_point_is_the_farthest_from_those_before() -> None:
    places = np.random.default_rng(1).normal(size=(60, 3))
    chosen = farthest_points(places, 10)
    assert len(set(chosen)) == 10
    for count in range(1, 10):
        distances = np.linalg.norm(places[:, None] - places[chosen[:count]], axis=2).min(1)
        assert distances[chosen[count]] == pytest.approx(distances.max())
    assert sorted(farthest_points(np.zeros((5, 2)), 5)) == [0, 1, 2, 3, 4], 'equal points, once'
