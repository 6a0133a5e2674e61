# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""replay.launch.py with the real launch packages: a bag, the node, rounds, ends."""

from __future__ import annotations

import runpy
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from test_launch_file import RUNNER

from hiseg_ros.bags.footage import EPOCH_NS, Frame, write_camera_bag

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = [pytest.mark.needs('launch', 'ros', 'torch'), pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
LAUNCH_FILE = ROOT / 'launch' / 'replay.launch.py'
FRAMES = 5


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a short drive."""
    rng = np.random.default_rng(4)
    frames = [Frame(rng.integers(0, 256, (96, 160, 3), np.uint8)) for _ in range(FRAMES)]
    path = tmp_path_factory.mktemp('drive') / 'bag'
    write_camera_bag(path, frames, 10.0)
    return path


def run_launch_file(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    """Start the launch file in a process of its own."""
    return subprocess.Popen(
        [sys.executable, '-c', RUNNER, str(LAUNCH_FILE), *arguments],
        env={**environment, 'PYTHONPATH': python_path(environment)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def python_path(environment: dict[str, str]) -> str:
    """Return the search path for modules with the checkout in front of what is installed."""
    others = environment.get('PYTHONPATH', '')
    return f'{ROOT}:{others}' if others else str(ROOT)


@pytest.mark.parametrize(
    ('code', 'at_end', 'ends'),
    [(0, 'stay', False), (3, 'stay', False), (0, 'shutdown', True), (3, 'shutdown', True),
     (2, 'stay', True), (-9, 'stay', True)],
)  # fmt: skip
def test_a_damaged_recording_ends_as_a_sound_one(code: int, at_end: str, ends: bool) -> None:
    """Its player has replayed what can be read, and said what is damaged."""
    after_player = runpy.run_path(str(LAUNCH_FILE))['after_player']
    actions = after_player(SimpleNamespace(returncode=code), at_end)
    assert bool(actions) == ends
    if ends:
        reason = actions[0].event.reason
        assert ('could not be replayed' in reason) == (code not in (0, 3))


def test_the_arguments_are_described() -> None:
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    description = get_launch_description_from_python_launch_file(str(LAUNCH_FILE))
    arguments = {a.name: a for a in description.get_launch_arguments()}
    own = {'bag', 'topic', 'rate', 'loop', 'clock', 'seconds', 'at_end'}
    assert own <= set(arguments)
    for name in own:
        assert len(arguments[name].description) > 15, name
        assert arguments[name].description.split(' Valid choices')[0].endswith('.'), name
    assert arguments['bag'].default_value is None


def test_a_bag_is_segmented_round_after_round_under_its_own_clock(
    graph: Graph, ros_environment: dict[str, str], tiny_checkpoint: Path, bag: Path
) -> None:
    """Labels come under the recorded stamps, and come again; Ctrl-C ends all with code 0."""
    from rosgraph_msgs.msg import Clock
    from sensor_msgs.msg import Image

    labels = graph.collect(Image, '/segmentation/labels', 50)
    clock = graph.collect(Clock, '/clock', 500)
    process = run_launch_file(
        ros_environment, f'bag:={bag}', 'loop:=forever', f'model:={tiny_checkpoint}',
        'device:=cpu', 'rate:=2.0',
    )  # fmt: skip
    try:
        graph.until(lambda: len(labels) > FRAMES, 'labels of a second round')
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, output
    assert 'exit codes of the processes: [0, 0]' in output, output
    assert 'Traceback' not in output, output
    stamps = [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in labels]
    assert set(stamps) <= {EPOCH_NS + round(i * 1e8) for i in range(FRAMES)}
    times = [c.clock.sec * 10**9 + c.clock.nanosec for c in clock]
    assert min(times) == EPOCH_NS
    assert max(times) < EPOCH_NS + 10**9


def test_a_bag_that_cannot_be_replayed_ends_the_launch_with_its_sentence(
    ros_environment: dict[str, str], tmp_path: Path
) -> None:
    process = run_launch_file(ros_environment, f'bag:={tmp_path / "nowhere"}')
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert 'There is no bag at' in output
