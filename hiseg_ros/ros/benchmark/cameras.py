# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Cameras and subscriber of `hiseg benchmark --ros`, in one process.

python -m hiseg_ros.ros.benchmark.cameras SETTINGS (JSON, see `main`)
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from hiseg_ros.bags.stamps import header_stamp_ns
from hiseg_ros.benchmark.graph_run import LABELS, Run, summary
from hiseg_ros.errors import ConfigError
from hiseg_ros.msg import FrameStats, ProbabilityMap, SubclassMasks
from hiseg_ros.ros.harness.child_process import report, run_child
from hiseg_ros.ros.harness.live_run import SEGMENTATION
from hiseg_ros.ros.harness.spinning import spinning
from hiseg_ros.ros.start import init_ros

IN_FLIGHT = 2
"""Images of each camera without results while the fastest rate is measured: one is processed, one
waits."""

FLOOD = 2.0
"""Factor on the fastest rate so far, to measure the node with too many images."""

LOSS = 0.01
"""Largest share of lost images at a sustained rate."""

TRIES = (0.97, 0.92, 0.85, 0.75, 0.6)
"""Shares of the fastest rate, tried in this order until one is sustained."""

DRAIN_S = 3.0
"""How long to wait for the last results of a run."""
QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
CLOCK_TICKS = os.sysconf('SC_CLK_TCK')


class Cameras(Node):
    """Publishes prepared images and records when their results arrive.

    Callbacks run in the thread of `spinning`, which shares the run's records under a lock.
    """

    def __init__(
        self, shown: Sequence[NDArray[np.uint8]], results: Sequence[str], names: Sequence[str]
    ) -> None:
        """Create publishers and subscriptions.

        Args:
            shown: (H, W, 3) uint8 images, sent in turn.
            results: Names of the node's outputs: images, probabilities and traffic_signs.
            names: Names of the cameras, as in the node's parameter.
        """
        super().__init__('hiseg_benchmark_camera', enable_rosout=False)
        self._results = tuple(results)
        self._run = Run()
        self._lock = threading.Condition()
        self._messages = [_message(image) for image in shown]
        self._cameras = []
        self._topics = []
        for camera in names:
            prefix = f'{camera}/' if camera else ''
            self._cameras.append(self.create_publisher(Image, f'{prefix}image', QOS))
            for name in results:
                kind = _kind_of(name)
                self._topics.append(f'{SEGMENTATION}/{prefix}{name}')
                self.create_subscription(kind, self._topics[-1], self._noter(name), QOS)
            stats = f'{SEGMENTATION}/{prefix}stats'
            self.create_subscription(FrameStats, stats, self._on_stats, QOS)

    def _noter(self, name: str) -> Callable[[Image | ProbabilityMap | SubclassMasks], None]:
        def note(message: Image | ProbabilityMap | SubclassMasks) -> None:
            now = time.monotonic()
            with self._lock:
                run, stamp = self._run, header_stamp_ns(message)
                if stamp in run.sent:
                    run.arrived.setdefault(stamp, {})[name] = now
                    if name == LABELS:
                        run.labels.setdefault(run.image[stamp], message)
                    self._lock.notify_all()

        return note

    def _on_stats(self, message: FrameStats) -> None:
        with self._lock:
            if header_stamp_ns(message) in self._run.sent:
                self._run.stats.append(message)

    def wait_for_node(self, patience_s: float) -> None:
        """Wait until the node has subscribed to the images and publishes the results.

        Raises:
            ConfigError: It has not after `patience_s`.
        """
        deadline = time.monotonic() + patience_s
        while not all(camera.get_subscription_count() for camera in self._cameras) or not all(
            self.count_publishers(topic) for topic in self._topics
        ):
            if time.monotonic() > deadline:
                raise ConfigError(
                    f'The node has not subscribed to the images after {patience_s:.0f} s; '
                    'expected it to be configured by then.'
                )
            time.sleep(0.1)

    def _send(self, index: int) -> None:
        """Send an image of each camera."""
        image = index % len(self._messages)
        message = self._messages[image]
        now = time.time_ns()
        for number, camera in enumerate(self._cameras):
            stamp = now + number  # unique, to identify the results
            message.header.stamp = Time(sec=stamp // 10**9, nanosec=stamp % 10**9)
            with self._lock:
                self._run.sent[stamp] = time.monotonic()
                self._run.image[stamp] = image
            camera.publish(message)

    def _complete(self) -> int:
        return sum(len(found) == len(self._results) for found in self._run.arrived.values())

    def as_fast_as_results_come(self, seconds: float) -> Run:
        """Send images as long as fewer than `IN_FLIGHT` of each camera wait for results."""
        self._run = run = Run()
        until = time.monotonic() + seconds
        index, most = 0, (IN_FLIGHT - 1) * len(self._cameras)
        while time.monotonic() < until:
            with self._lock:
                self._lock.wait_for(
                    lambda: len(run.sent) - self._complete() <= most, timeout=DRAIN_S
                )
            self._send(index)
            index += 1
        self._drain(run)
        return run

    def at_rate(self, hertz: float, seconds: float) -> Run:
        """Send an image of each camera at a fixed rate."""
        self._run = run = Run()
        began = time.monotonic()
        for index in range(max(1, round(hertz * seconds))):
            time.sleep(max(0.0, began + index / hertz - time.monotonic()))
            self._send(index)
        self._drain(run)
        return run

    def _drain(self, run: Run) -> None:
        """Wait for results that are on their way: earlier images may be lost, the last are not."""
        last = list(run.sent)[-len(self._cameras) :]
        with self._lock:
            self._lock.wait_for(
                lambda: all(
                    len(run.arrived.get(stamp, ())) == len(self._results) for stamp in last
                ),
                timeout=DRAIN_S,
            )


def _kind_of(name: str) -> Any:
    """Return the message type of one of the node's outputs."""
    if name == 'traffic_signs':
        return SubclassMasks
    return ProbabilityMap if name.endswith('/probabilities') else Image


def _message(image: NDArray[np.uint8]) -> Image:
    height, width = image.shape[:2]
    message = Image(height=height, width=width, encoding='rgb8', step=3 * width)
    message.header.frame_id = 'camera'
    data = array('B')
    data.frombytes(image.tobytes())
    message.data = data
    return message


def processor_s(process_id: int) -> float:
    """Return the CPU time that a process has used, in seconds."""
    fields = Path(f'/proc/{process_id}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def measure_all(cameras: Cameras, settings: dict[str, Any]) -> None:
    """Run all measurements and report each."""
    seconds, process_id = float(settings['seconds']), int(settings['node'])
    count = len(settings['cameras'])
    reference = np.load(settings['reference']) if settings['reference'] else None
    settle_s = float(settings['settle_s'])

    def measured(send: Callable[[], Run]) -> dict[str, Any]:
        before = processor_s(process_id)
        run = send()
        cores_s = processor_s(process_id) - before
        return summary(run, settings['results'], cores_s, process_id, reference)

    def measured_at(hertz: float) -> dict[str, Any]:
        if settle_s:
            cameras.at_rate(hertz, settle_s)
        return measured(partial(cameras.at_rate, hertz, seconds))

    # The first frames are slower.
    cameras.as_fast_as_results_come(min(2.0, seconds))
    fastest = measured(partial(cameras.as_fast_as_results_come, seconds))['frames_per_s'] / count
    # While images wait for results the node is idle for moments; with too many images it is not.
    flooded = measured(partial(cameras.at_rate, max(1.0, FLOOD * fastest), seconds))
    fastest = max(fastest, flooded['frames_per_s'] / count)
    if not fastest:
        raise ConfigError('The node returned no results; expected labels: see its diagnostics.')
    for share in TRIES:
        hertz = share * fastest
        row = measured_at(hertz)
        if row['lost'] < LOSS or share == TRIES[-1]:
            sustained = row['lost'] < LOSS
            report('measured', camera_hz=round(hertz, 2), is_sustained=sustained, **row)
            break
    for hertz in settings['rates']:
        row = measured_at(hertz)
        report('measured', camera_hz=hertz, is_sustained=False, **row)


def main() -> int:
    """Run all measurements.

    Settings: 'images' (a .npy file of (N, H, W, 3) uint8), 'reference' (a .npy file with their
    labels, or ''), 'cameras' (names), 'results' (names of outputs), 'rates' (Hz of each camera),
    'seconds' of a run, 'settle_s' before a run at a fixed rate, 'node' (process id), 'patience_s'.
    """
    settings = json.loads(sys.argv[1])
    init_ros()
    shown = list(np.load(settings['images']))
    cameras = Cameras(shown, settings['results'], settings['cameras'])
    with spinning(cameras):
        cameras.wait_for_node(float(settings['patience_s']))
        measure_all(cameras, settings)
        report('finished')
        sys.stdin.buffer.read()  # the parent closes it
    return 0


if __name__ == '__main__':
    run_child(main)
