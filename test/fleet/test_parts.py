# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A replay in parts gives the bytes of a replay in one go, whatever passes from part to part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fleet_support import PartsReplay
from numpy.typing import NDArray
from replay_support import SIZE, TRUTH, contents, drive, replay, write_drive
from rosbags.rosbag2 import StoragePlugin, Writer

from hiseg_ros.bags.builder import messages
from hiseg_ros.bags.footage import CAMERA_TOPIC, EPOCH_NS
from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.fleet.drive_progress import DriveProgress
from hiseg_ros.fleet.sign_notes import UnknownMotionError, join
from hiseg_ros.fleet.tasks import (
    CameraCarry,
    Carry,
    Task,
    start_carry,
    task_key,
    task_starts,
    tasks_of,
)
from hiseg_ros.replay.replay_folder import PART_FRAMES, part_frames
from hiseg_ros.replay.sign_tracks import SignTracks

FRAMES = 23
COMPRESSED = 'sensor_msgs/msg/CompressedImage'


def test_tasks_end_where_files_of_the_new_bag_end() -> None:
    """An hour at 30 Hz: the starts do not depend on the number of frames."""
    tasks = tasks_of(108_000)
    assert [task.first for task in tasks[1:]] == [task.stop for task in tasks[:-1]]
    assert tasks[-1].stop == 108_000
    files = [file for task in tasks for file in task.files]
    assert [number for number, _ in files] == list(range(len(files)))
    assert all(count == part_frames(number) for number, count in files[:-1])
    assert all(task.frames >= 100 for task in tasks[:-1])
    starts = task_starts(100)
    assert [task.first for task in tasks] == [next(starts) for _ in tasks]
    # So that one recording keeps at least thirty workers busy.
    assert 108_000 / max(task.frames for task in tasks) > 30
    assert tasks_of(0) == [] and tasks_of(3) == [Task(0, 0, ((0, 3),))]
    assert PART_FRAMES < 100


@pytest.mark.needs('torch')
def test_parts_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    """With signs that pass from one to the next, and ground truth of every third frame."""
    bag = write_drive(tmp_path / 'bag', FRAMES, sparse=3)
    replay(bag, tmp_path / 'whole', truth=TRUTH)
    expected = contents(tmp_path / 'whole')
    tracks = replay(bag, tmp_path / 'again', truth=TRUTH)['cameras'][0]['sign_tracks']
    assert any(track['last_frame'] - track['first_frame'] > 5 for track in tracks)
    for seed in (1, 2):
        parts = PartsReplay(bag, tmp_path / f'work_{seed}', truth=TRUTH, seed=seed)
        assert len(parts.progress.tasks) == 5
        assert set(parts.index.entries) == {5, 10, 15, 20}
        parts.merge(tmp_path / f'out_{seed}')
        assert contents(tmp_path / f'out_{seed}') == expected
        assert parts.done == 5


def test_an_unreadable_image_makes_the_parts_behind_it_again(tmp_path: Path) -> None:
    """Their statistics count it, and the frame before the next part is another."""
    bag = write_drive(tmp_path / 'bag', FRAMES)
    file = bag / 'bag.mcap'
    data = bytearray(file.read_bytes())
    places, start = [], 0
    while (start := data.find(b'\xff\xd8\xff', start)) >= 0:
        places.append(start)
        start += 1
    # The last image of the first part of five; JPEG is lossy, and PNG is the truth's form.
    for place in (places[4], places[11]):
        data[place : place + 3] = b'\0\0\0'
    file.write_bytes(data)
    metrics = replay(bag, tmp_path / 'whole')
    assert metrics['cameras'][0]['unreadable'] == 2
    parts = PartsReplay(bag, tmp_path / 'work', seed=3)
    parts.merge(tmp_path / 'out')
    assert contents(tmp_path / 'out') == contents(tmp_path / 'whole')
    assert parts.done > 5


def test_a_recording_that_was_cut_off_is_read_from_its_beginning(tmp_path: Path) -> None:
    """It has no index; damages are told as in one go."""
    bag = write_drive(tmp_path / 'bag', FRAMES)
    file = bag / 'bag.mcap'
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    replay(bag, tmp_path / 'whole')
    parts = PartsReplay(bag, tmp_path / 'work')
    assert parts.index.entries == {} and parts.index.damages
    parts.merge(tmp_path / 'out')
    assert contents(tmp_path / 'out') == contents(tmp_path / 'whole')


def write_messages(path: Path, rows: list[tuple[str, str, int, Any]]) -> Path:
    """Write (topic, type, recording time in ns, message) as a bag."""
    types = node_types()
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connections: dict[str, Any] = {}
        for topic, kind, time_ns, message in rows:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=types)
            writer.write(connections[topic], time_ns, types.serialize_cdr(message, kind))
    return path


def compressed(stamp_ns: int, pixels: NDArray[Any]) -> Any:
    """Return a PNG message."""
    message = messages.compressed_message(
        messages.header(stamp_ns, ''), np.zeros((8, 8), np.uint8)
    )
    message.data = cv2.imencode('.png', pixels[..., ::-1])[1].reshape(-1)
    return message


def test_measured_bit_depths_pass_on(tmp_path: Path) -> None:
    """A brighter image in the second part raises the depth of all behind it."""
    rows = [
        (f'{CAMERA_TOPIC}/compressed', COMPRESSED, EPOCH_NS + n * 10**8,
         compressed(EPOCH_NS + n * 10**8, frame.rgb.astype(np.uint16) * (3 if n < 7 else 15)))
        for n, frame in enumerate(drive(13))
    ]  # fmt: skip
    bag = write_messages(tmp_path / 'bag', rows)
    metrics = replay(bag, tmp_path / 'whole')
    assert metrics['cameras'][0]['bit_depth']['bits'] == 12
    parts = PartsReplay(bag, tmp_path / 'work')
    parts.merge(tmp_path / 'out')
    assert contents(tmp_path / 'out') == contents(tmp_path / 'whole')
    assert parts.done > 3


def calibration(stamp_ns: int, focal: float) -> Any:
    """Return a camera_info."""
    known = node_types().types
    matrix = np.array([focal, 0, 32, 0, focal, 24, 0, 0, 1.0])
    roi = known['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
    return known['sensor_msgs/msg/CameraInfo'](
        messages.header(stamp_ns, ''), *SIZE, 'plumb_bob', np.zeros(5), matrix,
        np.eye(3).reshape(-1), np.zeros(12), 0, 0, roi,
    )  # fmt: skip


def test_each_of_two_cameras_has_its_own_frame_before(tmp_path: Path) -> None:
    """One is slow, and its camera_info comes once, at the beginning."""
    info = 'sensor_msgs/msg/CameraInfo'
    rows: list[tuple[str, str, int, Any]] = []
    for n, frame in enumerate(drive(17)):
        stamp_ns = EPOCH_NS + n * 10**8
        if n in (0, 6, 7):
            rows.append(('/left/camera_info', info, stamp_ns - 1, calibration(stamp_ns, 50 + n)))
        for side, every in (('left', 1), ('right', 7)):
            if n % every == 0:
                topic = f'/{side}/image_raw/compressed'
                rows.append((topic, COMPRESSED, stamp_ns + every, compressed(stamp_ns, frame.rgb)))
    bag = write_messages(tmp_path / 'bag', rows)
    metrics = replay(bag, tmp_path / 'whole')
    assert [camera['frames'] for camera in metrics['cameras']] == [17, 3]
    parts = PartsReplay(bag, tmp_path / 'work', seed=4)
    assert parts.index.last_before(10) == [8, 9]
    parts.merge(tmp_path / 'out')
    assert contents(tmp_path / 'out') == contents(tmp_path / 'whole')


def test_a_part_is_done_again_with_the_tracks_before_it(tmp_path: Path) -> None:
    """Where the notes lack the images that tell where a sign went."""
    bag = write_drive(tmp_path / 'bag', 12)
    replay(bag, tmp_path / 'whole')
    parts = PartsReplay(bag, tmp_path / 'work')
    parts.do()
    for part in parts.parts.values():
        for notes in part.results['signs']:
            for row in notes['rows']:
                row['grey'] = None
                row['moves'] = None if row['moves'] is None else []
    with pytest.raises(UnknownMotionError):
        tracks = SignTracks(parts.engine.taxonomy)
        for key in sorted(parts.parts):
            join(tracks, parts.parts[key].results['signs'][0])
    # Only the second part is without them: the others are sound.
    parts = PartsReplay(bag, tmp_path / 'more')
    parts.do()
    [second] = [part for key, part in parts.parts.items() if key.startswith('1_')]
    for row in second.results['signs'][0]['rows']:
        row['grey'], row['moves'] = None, []
    parts.merge(tmp_path / 'out')
    assert parts.done == 4
    assert contents(tmp_path / 'out') == contents(tmp_path / 'whole')


def test_a_wrong_assumption_is_found_in_the_order_of_the_frames() -> None:
    """The third task is not accepted before the second, and done again behind it."""
    tasks = [{'number': n, 'first': 5 * n, 'files': [[n, 5]]} for n in range(3)]
    drive_of = {'tasks': tasks, 'lasts': [[None], [4], [9]], 'cameras': 1}
    progress = DriveProgress(drive_of)
    begun = [progress.next_task() for _ in range(3)]
    assert progress.next_task() is None
    assumed = [one[1].cameras[0] for one in begun if one is not None]
    assert assumed == [CameraCarry(), CameraCarry(last=4), CameraCarry(last=9)]

    def summary(number: int, before: CameraCarry, behind: CameraCarry) -> dict[str, object]:
        rows = [{'cameras': [vars(one)], 'signs': None} for one in (before, behind)]
        return {'key': f'{number}', 'assumed': rows[0], 'found': rows[1]}

    progress.done(2, summary(2, assumed[2], CameraCarry(last=14)))
    # One image of the first task is unreadable: both behind it have counted wrongly.
    progress.done(0, summary(0, assumed[0], CameraCarry(1, 0, 4)))
    again = progress.next_task()
    assert again is None  # the second is still being done, and the third waits for it
    progress.done(1, summary(1, assumed[1], CameraCarry(0, 0, 9)))
    second = progress.next_task()
    assert second is not None and second[0].number == 1
    assert second[1].cameras[0] == CameraCarry(1, 0, 4)
    progress.done(1, summary(1, second[1].cameras[0], CameraCarry(1, 0, 9)))
    third = progress.next_task()
    assert third is not None and third[1].cameras[0] == CameraCarry(1, 0, 9)
    assert not progress.is_ready
    progress.done(2, summary(2, third[1].cameras[0], CameraCarry(1, 0, 14)))
    assert progress.is_ready and progress.keys() == ['0', '1', '2']


def test_the_name_of_results_tells_what_they_depend_on() -> None:
    task, carry = Task(0, 0, ((0, 5),)), start_carry(1)
    key = task_key({'weights': 'a'}, task, carry)
    assert key == task_key({'weights': 'a'}, task, Carry((CameraCarry(),)))
    others = [
        task_key({'weights': 'b'}, task, carry),
        task_key({'weights': 'a'}, Task(0, 0, ((0, 4),)), carry),
        task_key({'weights': 'a'}, task, Carry((CameraCarry(unreadable=1),))),
    ]
    assert len({key, *others}) == 4


def test_depths_that_round_to_the_same_bits_are_one() -> None:
    """The largest value of 12 bits does not make a part again that began with another of 12."""
    twelve, other = Carry((CameraCarry(0, 3000, 4),)), Carry((CameraCarry(0, 4000, 4),))
    assert twelve.fits(other, measured=True)
    assert not twelve.fits(Carry((CameraCarry(0, 9000, 4),)), measured=True)
    assert twelve.fits(Carry((CameraCarry(0, 9000, 4),)), measured=False)
    assert other.after(Carry((CameraCarry(0, 3500, 9),)), twelve, measured=True) == Carry(
        (CameraCarry(0, 4000, 9),)
    )
