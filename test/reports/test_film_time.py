# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The time of a film only goes on; gaps are cut and said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from replay_support import CAMERA, drive, replay
from rosbags.rosbag2 import StoragePlugin, Writer

from hiseg_ros.bags.builder import messages
from hiseg_ros.bags.footage import EPOCH_NS
from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.bags.recording import open_recording
from hiseg_ros.cli.__main__ import main
from hiseg_ros.reports.film_clock import FilmClock
from hiseg_ros.reports.labelled_frames import labelled_frames, pairs_of, stream_of

MS = 1_000_000
DAY = 86_400_000
FRAMES = 12


def film(stamps_ms: list[int], times_ms: list[int] | None = None) -> tuple[list[int], str]:
    """Return the times of frames in ms, and what is said."""
    clock = FilmClock(10.0)
    times = times_ms or [0] * len(stamps_ms)
    found = [clock.at(s * MS, t * MS) // MS for s, t in zip(stamps_ms, times, strict=True)]
    return found, ' '.join(clock.notes)


EPOCH = EPOCH_NS // MS


@pytest.mark.parametrize(
    ('stamps', 'times', 'expected', 'said'),
    [
        ([5, 72, 138, 338], None, [0, 67, 133, 333], ''),
        ([0, 67, 133], None, [0, 67, 133], ''),
        ([0] * 4, None, [0, 100, 200, 300], '3 frames'),
        ([0] * 4, [50, 90, 200, 210], [0, 40, 150, 160], '3 frames'),
        ([EPOCH] * 3, [7, 8, 9], [0, 1, 2], '2 frames'),
        ([10, 110, 10, 110], None, [0, 100, 200, 300], '1 frames'),
        ([10, 110, 10, 110], [1, 101, 501, 601], [0, 100, 500, 600], '1 frames'),
        ([0, EPOCH, EPOCH + 50], None, [0, 100, 150], '1 frames'),
        ([0, EPOCH, EPOCH + 50], [20, 60, 110], [0, 40, 90], '1 frames'),
        ([10, 110, DAY, DAY + 90], None, [0, 100, 200, 290], '1 gaps of 86399.9 s'),
        ([10, 110, DAY, DAY + 90], [1, 2, DAY, DAY + 1], [0, 100, 200, 290], '1 gaps'),
        ([10, 110, DAY, DAY + 90], [1, 101, 190, 280], [0, 100, 189, 279], '1 frames'),
        ([0] * 3, [5, DAY, DAY + 30], [0, 100, 130], '1 gaps'),
        ([-50, -10, 30], None, [0, 40, 80], ''),
    ],
)
def test_each_frame_is_later_than_the_one_before(
    stamps: list[int], times: list[int] | None, expected: list[int], said: str
) -> None:
    found, notes = film(stamps, times)
    assert found == expected
    assert said in notes and bool(said) == bool(notes)


def write(path: Path, stamp_of: Callable[[int], int], time_of: Callable[[int], int]) -> Path:
    """Write a drive with other stamps and recording times."""
    types, kind = node_types(), 'sensor_msgs/msg/CompressedImage'
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(CAMERA, kind, typestore=types)
        for number, frame in enumerate(drive(FRAMES)):
            message = messages.compressed_message(
                messages.header(stamp_of(number), 'camera'), frame.rgb, 95
            )
            writer.write(connection, time_of(number), types.serialize_cdr(message, kind))
    return path


def recorded(number: int) -> int:
    return EPOCH_NS + number * 100 * MS


@pytest.mark.parametrize(
    ('stamp_of', 'time_of', 'said'),
    [
        (lambda n: 0, recorded, '11 frames have a stamp'),
        (lambda n: recorded(n % 6), recorded, '1 frames have a stamp'),
        (lambda n: recorded(n) if n else 0, recorded, '1 frames have a stamp'),
        (lambda n: recorded(n) + (n > 5) * DAY * MS, lambda n: recorded(n) + (n > 5) * DAY * MS,
         '1 gaps of 86400.1 s'),
        (lambda n: n * 100 * MS, recorded, ''),
    ],
)  # fmt: skip
def test_the_film_of_an_odd_recording_has_its_length(
    tmp_path: Path,
    stamp_of: Callable[[int], int],
    time_of: Callable[[int], int],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every frame a tenth of a second after the one before, and a word on what is odd."""
    replay(write(tmp_path / 'bag', stamp_of, time_of), tmp_path / 'out')
    path = tmp_path / 'video.mp4'
    command = ['video', str(tmp_path / 'out'), '--output', str(path), '--height', '64']
    assert main([*command, '--no-legend', '--no-names']) == 0
    printed = capsys.readouterr().out
    assert said in printed and ('have a stamp' in printed or 'gaps' in printed) == bool(said)
    assert f'{FRAMES} frames at 10.0 Hz' in printed
    with av.open(str(path)) as video:
        times = [float(frame.time or 0) for frame in video.decode(video=0)]
    assert times == pytest.approx(np.arange(FRAMES) / 10, abs=1e-3)


def test_images_without_stamps_are_shown_with_their_own_labels(tmp_path: Path) -> None:
    """Recording time tells the pairs of a live recording, also where images were dropped."""
    types, path = node_types(), tmp_path / 'bag'
    kinds = {'/image': 'sensor_msgs/msg/Image', '/segmentation/labels': 'sensor_msgs/msg/Image'}
    rows = []
    for number, frame in enumerate(drive(FRAMES)):
        assert frame.labels is not None
        header = messages.header(0, 'camera')
        rows.append((recorded(number), '/image', messages.image_message(header, frame.rgb)))
        if number % 3 != 1:
            labels = messages.image_message(header, frame.labels)
            rows.append((recorded(number) + 20 * MS, '/segmentation/labels', labels))
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        of = {name: writer.add_connection(name, kind, typestore=types)
              for name, kind in kinds.items()}  # fmt: skip
        for time_ns, name, message in rows:
            writer.write(of[name], time_ns, types.serialize_cdr(message, kinds[name]))
    recording = open_recording(path)
    image, labels_topic = recording.topic('/image'), recording.topic('/segmentation/labels')
    pairs = pairs_of(recording, image, labels_topic)
    stream = stream_of(recording, image, labels_topic)
    found = list(labelled_frames(stream, image, labels_topic, pairs))
    kept = [frame for number, frame in enumerate(drive(FRAMES)) if number % 3 != 1]
    for one, frame in zip(found, kept, strict=True):
        np.testing.assert_array_equal(one.rgb, frame.rgb)
        np.testing.assert_array_equal(one.labels, frame.labels)
