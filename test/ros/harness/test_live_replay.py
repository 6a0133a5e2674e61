# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Recordings that are repeated, with a simulated clock that jumps back."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rosbag2_rules import check_bag

from hiseg_ros.bags.bag import Bag, read_images

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = [pytest.mark.needs('ros', 'torch'), pytest.mark.timeout(600)]

START_NS = 1_600_000_000_000_000_000
FRAMES = 6
CAMERA = '/camera/image_raw/compressed'
SIZE = (96, 160)


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a short drive, 10 Hz, compressed."""
    import numpy as np

    from hiseg_ros.bags.footage import Frame, write_camera_bag

    rng = np.random.default_rng(4)
    frames = [Frame(rng.integers(0, 256, (*SIZE, 3), np.uint8)) for _ in range(FRAMES)]
    path = tmp_path_factory.mktemp('drive') / 'bag'
    write_camera_bag(path, frames, 10.0)
    return path


def hiseg(*arguments: object) -> list[str]:
    return [sys.executable, '-m', 'hiseg_ros.cli', *map(str, arguments)]


def test_the_node_goes_on_segmenting_when_the_simulated_clock_jumps_back(
    bag: Path, tmp_path: Path, tiny_checkpoint: Path, ros_environment: dict[str, str]
) -> None:
    """An endless demo ends with Ctrl-C; it has recorded the first round, and counted all."""
    output = tmp_path / 'out'
    command = hiseg('demo', bag, '--output', output, '--model', tiny_checkpoint)
    command += ['--clock', '--loop', '--rate', '2']
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    said = bytearray()
    later_round = threading.Event()

    def listen() -> None:
        assert process.stderr is not None
        while data := process.stderr.read1():
            said.extend(data)
            if any(int(count) > FRAMES for count in re.findall(rb'processed=(\d+)', said)):
                later_round.set()  # more than one round has images

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        assert later_round.wait(300), said.decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0, said.decode()
    finally:
        process.kill()
        process.wait()
        listener.join(10)
    summary = json.loads((output / 'summary.json').read_text())
    assert summary['simulated_clock'] is True
    assert summary['rounds'] >= 2
    assert summary['all_rounds']['published'] > FRAMES < summary['all_rounds']['processed']
    assert 1 <= summary['frames_processed'] <= summary['frames_published'] == FRAMES
    assert 0 < summary['latency_ms']['median'] < 60_000
    check_recording(output / 'recording', bag)
    log = (output / 'logs' / 'segmentation_node.log').read_text()
    assert 'Traceback' not in log


def check_recording(recorded: Path, bag: Path) -> None:
    """Check that stamps are those of the bag, once each, under the times of its clock."""
    check_bag(recorded)
    camera = [stamp for stamp, _ in read_images(bag, CAMERA)]
    assert [stamp for stamp, _ in read_images(recorded, CAMERA)] == camera
    labels = [stamp for stamp, _ in read_images(recorded, '/segmentation/labels')]
    assert labels == sorted(set(labels)) and set(labels) <= set(camera)
    with Bag(recorded) as written:
        times = [message.time_ns for message in written.raw()]
    assert START_NS <= times[0] <= times[-1] < START_NS + 60 * 10**9


def test_a_recording_is_played_to_whoever_listens(
    bag: Path, graph: Graph, ros_environment: dict[str, str]
) -> None:
    """`hiseg play` alone: a node's name is waited for, and it ends by itself."""
    from rosgraph_msgs.msg import Clock
    from sensor_msgs.msg import CompressedImage

    images = graph.collect(CompressedImage, CAMERA, 50)
    clock = graph.collect(Clock, '/clock', 500)
    process = subprocess.Popen(
        hiseg('play', bag, '--clock', '--rate', 4, '--loop', 2, '--wait-for', 'peer'),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        graph.until(lambda: len(images) == 2 * FRAMES, 'all images twice')
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, output
    assert f'Replayed 2 times, {2 * FRAMES} images in all.' in output
    times = [c.clock.sec * 10**9 + c.clock.nanosec for c in clock]
    assert sum(later < earlier for earlier, later in zip(times, times[1:], strict=False)) == 1


def test_an_interrupted_player_ends_quietly(
    bag: Path, graph: Graph, ros_environment: dict[str, str]
) -> None:
    """As a launch ends it."""
    from sensor_msgs.msg import CompressedImage

    images = graph.collect(CompressedImage, CAMERA, 50)
    process = subprocess.Popen(
        hiseg('play', bag, '--loop', '--wait-for', 'peer'),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        graph.until(lambda: images, 'an image')
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, output
    assert 'Traceback' not in output


def test_a_recorder_under_a_simulated_clock_keeps_each_stamp_once(
    graph: Graph, tmp_path: Path
) -> None:
    """Under the time of the clock; what comes again is counted, what is late has its place."""
    from rosgraph_msgs.msg import Clock
    from sensor_msgs.msg import Image

    from hiseg_ros.ros.harness.bag_sink import BagSink
    from hiseg_ros.ros.harness.recorder import Recorder

    sink = BagSink(tmp_path / 'recording')
    recorder = Recorder('/peer', [], sink, is_simulated=True, context=graph.context)
    graph.start(recorder)
    clocks = graph.peer.create_publisher(Clock, '/clock', 10)
    images = graph.peer.create_publisher(Image, '/peer/labels', 10)

    def message(kind: type, at_ms: int) -> Any:
        made = kind()
        time = made.clock if kind is Clock else made.header.stamp
        time.sec, time.nanosec = divmod(START_NS + at_ms * 1_000_000, 10**9)
        return made

    def now_ms() -> int:
        return int((recorder.get_clock().now().nanoseconds - START_NS) // 1_000_000)

    recorder.discover()
    assert not recorder.counts  # no time yet
    graph.until(
        lambda: now_ms() == 0, 'the time', meanwhile=lambda: clocks.publish(message(Clock, 0))
    )
    graph.until(
        lambda: '/peer/labels' in recorder.counts and images.get_subscription_count(),
        'the recorder listens', meanwhile=recorder.discover,
    )  # fmt: skip

    def send(clock_ms: int, stamp_ms: int) -> None:
        count = recorder.counts['/peer/labels']
        clocks.publish(message(Clock, clock_ms))
        graph.until(lambda: now_ms() == clock_ms, f'the time {clock_ms}')
        images.publish(message(Image, stamp_ms))
        graph.until(lambda: recorder.counts['/peer/labels'] == count + 1, 'the image')

    for clock_ms, stamp_ms in ((100, 90), (200, 190), (5, 290), (100, 90), (200, 190)):
        send(clock_ms, stamp_ms)
    # `/peer/labels` and nothing else of the node: the rest has no header, or is not its own.
    sink.close()
    with Bag(tmp_path / 'recording') as bag:
        kept = [
            ((time_ns - START_NS) // 1_000_000, made.header.stamp.nanosec // 1_000_000)
            for time_ns, made in bag.messages('/peer/labels')
        ]
    assert kept == [(100, 90), (200, 190), (200, 290)]
    assert recorder.counts['/peer/labels'] == 5
    assert recorder.last_stamp_ns['/peer/labels'] == START_NS + 190_000_000
