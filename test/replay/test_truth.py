# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Each image finds its ground truth, and only its own."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from replay_support import CAMERA, SIZE, TRUTH, drive, write_drive
from rosbags.rosbag2 import StoragePlugin, Writer

from hiseg_ros.bags.bag import Bag
from hiseg_ros.bags.footage import EPOCH_NS
from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.bags.message_stream import Damage
from hiseg_ros.bags.recording import open_recording
from hiseg_ros.errors import BagError, ConfigError
from hiseg_ros.replay.truth import Truth, TruthFolder, TruthTopic, one_byte

FRAMES = 8
STEP_NS = 100_000_000


def stamp(frame: int) -> int:
    return EPOCH_NS + frame * STEP_NS


def shifted(path: Path, shift_ns: int, break_message: int | None = None) -> Path:
    """Write a drive's truth again, recorded later or earlier, one message of it broken."""
    target = path.with_name('shifted')
    kind = 'sensor_msgs/msg/CompressedImage'
    with Bag(path) as bag, Writer(target, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(TRUTH, kind, typestore=node_types())
        for number, message in enumerate(bag.raw([TRUTH])):
            data = message.data
            if number == break_message:
                data = data.replace(b'IDAT', b'ABCD').replace(b'PNG', b'GNP')
            writer.write(connection, message.time_ns + shift_ns, data)
    return target


@pytest.mark.parametrize('shift_s', [-1.5, -0.05, 0.0, 0.05, 1.5])
def test_truth_is_found_by_its_stamp_wherever_it_lies_nearby(
    tmp_path: Path, shift_s: float
) -> None:
    """Recorded before or after its image."""
    bag = shifted(write_drive(tmp_path / 'bag', FRAMES), int(shift_s * 1e9))
    truth = TruthTopic([open_recording(bag)], TRUTH)
    for number, frame in enumerate(drive(FRAMES)):
        found = truth.at(number, stamp(number), stamp(number))
        assert isinstance(found, Truth) and found.raw is not None
        np.testing.assert_array_equal(found.label_ids, frame.labels)


def test_truth_too_far_away_is_none(tmp_path: Path) -> None:
    """Waiting for it would take memory without end."""
    bag = shifted(write_drive(tmp_path / 'bag', FRAMES), 3_000_000_000)
    truth = TruthTopic([open_recording(bag)], TRUTH)
    assert all(truth.at(n, stamp(n), stamp(n)) is None for n in range(FRAMES))


def test_skipped_frames_leave_nothing_behind(tmp_path: Path) -> None:
    """As after resuming: the first question is about a late frame."""
    truth = TruthTopic([open_recording(write_drive(tmp_path / 'bag', 60))], TRUTH)
    assert isinstance(truth.at(50, stamp(50), stamp(50)), Truth)
    assert len(truth._window) <= 40  # two windows of two seconds at 10 Hz
    assert truth.at(51, stamp(51) + 1, stamp(51)) is None  # no such stamp


def test_a_damaged_truth_is_a_damage_of_its_own(tmp_path: Path) -> None:
    """The others are found all the same."""
    bag = shifted(write_drive(tmp_path / 'bag', FRAMES), 0, break_message=3)
    truth = TruthTopic([open_recording(bag)], TRUTH)
    found = [truth.at(n, stamp(n), stamp(n)) for n in range(FRAMES)]
    assert [isinstance(item, Damage) for item in found] == [n == 3 for n in range(FRAMES)]
    damage = found[3]
    assert isinstance(damage, Damage)
    assert (damage.message, damage.time_ns) == (4, stamp(3))


def test_a_topic_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    """And label images must be one channel of ids."""
    recording = open_recording(write_drive(tmp_path / 'bag', 2))
    with pytest.raises(BagError, match=CAMERA):
        TruthTopic([recording], '/truth')
    with pytest.raises(BagError, match='one channel'):
        TruthTopic([recording], CAMERA).at(0, stamp(0), stamp(0))
    with pytest.raises(BagError, match='up to 300'):
        one_byte(np.full(SIZE, 300, np.uint16), 'here')
    assert one_byte(np.full(SIZE, 200, np.uint16), 'here').dtype == np.uint8


def labels(folder: Path, names: list[str]) -> Path:
    """Write label images."""
    folder.mkdir()
    for number, name in enumerate(names):
        assert cv2.imwrite(str(folder / name), np.full(SIZE, number, np.uint8))
    return folder


def test_files_are_named_by_stamps(tmp_path: Path) -> None:
    """Some of the images may be labelled."""
    folder = labels(tmp_path / 'labels', [f'{stamp(1)}.png', f'{stamp(3)}.png'])
    truth = TruthFolder(folder, FRAMES)
    found = [truth.at(n, stamp(n), stamp(n)) for n in range(4)]
    assert [f.label_ids.max() if isinstance(f, Truth) else None for f in found] == [
        None, 0, None, 1
    ]  # fmt: skip


def test_files_with_other_names_go_by_their_order(tmp_path: Path) -> None:
    """Then there must be one for each image."""
    folder = labels(tmp_path / 'labels', ['0016E5_07959.png', '0016E5_07961.png'])
    truth = TruthFolder(folder, 2)
    second = truth.at(1, stamp(1), stamp(1))
    assert isinstance(second, Truth) and second.label_ids.max() == 1
    for frames in (1, 3):
        with pytest.raises(ConfigError, match=f'2 PNG files for {frames} images'):
            TruthFolder(folder, frames)
    (tmp_path / 'none').mkdir()
    with pytest.raises(ConfigError, match='0 PNG files'):
        TruthFolder(tmp_path / 'none', 0)


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    """It ends the replay: a folder can be mended."""
    folder = labels(tmp_path / 'labels', ['a.png'])
    (folder / 'a.png').write_bytes(b'no')
    with pytest.raises(ConfigError, match=r'a\.png cannot be read'):
        TruthFolder(folder, 1).at(0, stamp(0), stamp(0))
