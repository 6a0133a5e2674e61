# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""An interrupted replay is resumed to the same bytes, and only with the same inputs."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from replay_support import TRUTH, contents, records, replay, write_drive

import hiseg_ros
from hiseg_ros.bags.bag import read_images
from hiseg_ros.errors import ConfigError
from hiseg_ros.replay.replay_folder import PARTS_OF_A_LENGTH, part_frames

pytestmark = pytest.mark.needs('torch')

FRAMES = 12


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drive(tmp_path_factory.mktemp('drive') / 'bag', FRAMES)


@pytest.fixture(scope='module')
def expected(tmp_path_factory: pytest.TempPathFactory, bag: Path) -> dict[str, bytes]:
    """Return the results of a replay that was left alone."""
    path = tmp_path_factory.mktemp('replay') / 'out'
    replay(bag, path, truth=TRUTH)
    return contents(path)


class PowerCutError(Exception):
    """Ends a replay."""


def test_an_end_after_any_frame_is_resumed_to_the_same_bytes(
    bag: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    """Within a part, at its end, again and again."""
    seen = []
    for stop in (3, 5, 9, 11, 12):

        def end(done: int, stop: int = stop) -> None:
            if done == stop:
                raise PowerCutError

        with pytest.raises(PowerCutError):
            replay(bag, tmp_path / 'out', truth=TRUTH, on_frame=end)
        assert not (tmp_path / 'out/metrics.json').exists()
    replay(bag, tmp_path / 'out', truth=TRUTH, on_frame=seen.append)
    assert seen == list(range(1, FRAMES + 1))
    assert contents(tmp_path / 'out') == expected


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[1].split(os.pathsep)
from replay_support import TRUTH, replay
left, replace = int(sys.argv[4]), Path.replace
def replace_or_die(self, target):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)
Path.replace = replace_or_die
replay(Path(sys.argv[2]), Path(sys.argv[3]), truth=TRUTH)
"""


@pytest.mark.slow
def test_a_kill_at_any_step_of_keeping_is_resumed_to_the_same_bytes(
    bag: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    """Each file comes into being by a rename: the process is killed before some of them."""
    support = Path(__file__).resolve().parents[1] / 'support'
    folders = (support, Path(hiseg_ros.__file__).parent.parent)
    path = os.pathsep.join(map(str, folders))
    # Before the first part, before its state, within the second and third, before metrics.json.
    for step in (2, 4, 8, 7):
        done = subprocess.run(
            [sys.executable, '-c', KILLED, path, str(bag), str(tmp_path / 'out'), str(step)],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert not (tmp_path / 'out/metrics.json').exists()
    replay(bag, tmp_path / 'out', truth=TRUTH)
    assert contents(tmp_path / 'out') == expected


def test_another_recording_or_option_is_not_mixed_in(bag: Path, tmp_path: Path) -> None:
    """Facts are compared before anything is written."""

    def end(done: int) -> None:
        if done == 7:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        replay(bag, tmp_path / 'out', facts={'weights': 'a', 'device': 'cpu'}, on_frame=end)
    before = contents(tmp_path / 'out')
    with pytest.raises(ConfigError, match=r'another weights;.*--restart'):
        replay(bag, tmp_path / 'out', facts={'weights': 'b', 'device': 'cpu'})
    assert contents(tmp_path / 'out') == before


def test_a_part_that_has_changed_is_noticed(bag: Path, tmp_path: Path) -> None:
    """Resuming behind a damaged part would give a damaged bag."""

    def end(done: int) -> None:
        if done == 7:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        replay(bag, tmp_path / 'out', on_frame=end)
    with (tmp_path / 'out/replay.mcap/replay_0.mcap').open('ab') as file:
        file.write(b'x')
    with pytest.raises(ConfigError, match=r'replay_0\.mcap is missing or has changed'):
        replay(bag, tmp_path / 'out')


def test_a_folder_with_something_else_is_not_touched(bag: Path, tmp_path: Path) -> None:
    """Not even with --restart."""
    (tmp_path / 'thesis.tex').write_text('years of work')
    with pytest.raises(ConfigError, match=r'thesis\.tex'):
        replay(bag, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.tex']


def test_two_processes_do_not_write_one_folder(bag: Path, tmp_path: Path) -> None:
    """The second one is told."""
    work = tmp_path / 'out/unfinished'
    work.mkdir(parents=True)
    with (work / 'lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match=r'Another process is at work in \S*out;'):
            replay(bag, tmp_path / 'out')


def test_an_hour_makes_few_files_and_a_kill_loses_little() -> None:
    """108000 frames are an hour at 30 Hz."""
    total, number = 0, 0
    while total < 108_000:
        # A part is never longer than a tenth of what is done, but for the first ones.
        assert number < PARTS_OF_A_LENGTH or part_frames(number) <= 0.1 * total
        total += part_frames(number)
        number += 1
    assert number < 200


def test_damage_is_reported_the_same_after_resuming(bag: Path, tmp_path: Path) -> None:
    """An image that cannot be read, and a recording that was cut off."""
    many = write_drive(tmp_path / 'bag', 40)
    file = many / 'bag.mcap'
    data = bytearray(file.read_bytes())
    start = data.find(b'\xff\xd8\xff', len(data) // 4)
    data[start : start + 3] = b'\0\0\0'  # a JPEG that is none any more
    file.write_bytes(data[: 3 * len(data) // 4])
    metrics = replay(many, tmp_path / 'whole', truth=TRUTH)
    lost, cut = sorted(metrics['damage'], key=lambda row: 'JPEG or PNG' not in row['reason'])
    [camera] = metrics['cameras']
    rows = records(tmp_path / 'whole')
    assert camera['unreadable'] == 1 and 20 < camera['frames'] < 39
    assert len(rows) == camera['frames'] + 1
    [bad] = [row for row in rows if 'error' in row]
    assert bad['time_ns'] == lost['time_ns']
    assert lost['message'] in (2 * bad['frame'] + 1, bad['frame'] + 1)
    assert cut['file'] == 'bag.mcap' and cut['message'] > lost['message']
    assert cut['time_ns'] == rows[-1]['time_ns']

    def end(done: int) -> None:
        if done == 22:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        replay(many, tmp_path / 'resumed', truth=TRUTH, on_frame=end)
    replay(many, tmp_path / 'resumed', truth=TRUTH)
    assert contents(tmp_path / 'resumed') == contents(tmp_path / 'whole')
    labels = list(read_images(tmp_path / 'whole/replay.mcap', '/segmentation/labels'))
    assert len(labels) == camera['frames']


@pytest.mark.slow
def test_memory_stays_flat_on_a_long_drive(tmp_path: Path) -> None:
    """Over two hundred images it grows by a fraction of what they would take."""
    resident = []

    def watch(done: int) -> None:
        if done in (100, 300):
            pages = int(Path('/proc/self/statm').read_text().split()[1])
            resident.append(pages * os.sysconf('SC_PAGE_SIZE') / 2**20)

    bag = write_drive(tmp_path / 'bag', 300, size=(160, 240))
    replay(bag, tmp_path / 'out', truth=TRUTH, on_frame=watch, part_frames=50)
    images_mib = 200 * 160 * 240 * 3 / 2**20
    assert resident[1] - resident[0] < 0.3 * images_mib
