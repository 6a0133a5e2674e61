# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Camera and consumer of `hiseg benchmark --ros`, in one process.

python -m hiseg_ros.ros.benchmark_camera SETTINGS (JSON, see `main`)
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from hiseg_ros.errors import ConfigError
from hiseg_ros.msg import FrameStats, ProbabilityMap
from hiseg_ros.ros.child_process import report, run_child
from hiseg_ros.ros.live_run import SEGMENTATION
from hiseg_ros.ros.spinning import spinning
from hiseg_ros.types import ImageSize

IN_FLIGHT = 2
"""Images that are sent ahead to find out how fast the node is: one in work, one waiting."""

FLOOD = 2.0
"""Factor on the rate found so far, to find out what the node makes of too many images."""

LOSS = 0.01
"""Share of images that may be lost at a rate that is called sustained."""

TRIES = (0.97, 0.92, 0.85, 0.75, 0.6)
"""Shares of the fastest rate, tried in this order."""

DRAIN_S = 3.0
PICTURES = 2
QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
CLOCK_TICKS = os.sysconf('SC_CLK_TCK')


@dataclass
class Run:
    """What came of the images of one run, by stamp in ns."""

    sent: dict[int, float] = field(default_factory=dict)
    """When it was sent, in seconds of the steady clock."""
    arrived: dict[int, dict[str, float]] = field(default_factory=dict)
    """When each result came."""
    stats: list[FrameStats] = field(default_factory=list)


class Camera(Node):
    """Publishes prepared images and notes when their results arrive."""

    def __init__(self, size: ImageSize, results: Sequence[str]) -> None:
        """Create publisher and subscriptions.

        Args:
            size: (H, W) of the images.
            results: Names of the node's outputs: images and probabilities.
        """
        super().__init__('hiseg_benchmark_camera', enable_rosout=False)
        self._results = tuple(results)
        self._run = Run()
        self._lock = threading.Condition()
        self._messages = [_message(picture) for picture in pictures(size)]
        self._camera = self.create_publisher(Image, 'image', QOS)
        for name in results:
            kind = ProbabilityMap if name.endswith('/probabilities') else Image
            self.create_subscription(kind, f'{SEGMENTATION}/{name}', self._noter(name), QOS)
        self.create_subscription(FrameStats, f'{SEGMENTATION}/stats', self._on_stats, QOS)

    def _noter(self, name: str) -> Callable[[Image | ProbabilityMap], None]:
        def note(message: Image | ProbabilityMap) -> None:
            now = time.monotonic()
            with self._lock:
                stamp = _nanoseconds(message.header.stamp)
                if stamp in self._run.sent:
                    self._run.arrived.setdefault(stamp, {})[name] = now
                    self._lock.notify_all()

        return note

    def _on_stats(self, message: FrameStats) -> None:
        with self._lock:
            if _nanoseconds(message.header.stamp) in self._run.sent:
                self._run.stats.append(message)

    def wait_for_node(self, patience_s: float) -> None:
        """Wait until the node reads the images and its results are read.

        Raises:
            ConfigError: It does not come.
        """
        deadline = time.monotonic() + patience_s
        topics = [f'{SEGMENTATION}/{name}' for name in self._results]
        while self._camera.get_subscription_count() == 0 or not all(
            self.count_publishers(topic) for topic in topics
        ):
            if time.monotonic() > deadline:
                raise ConfigError(
                    f'The node does not read images after {patience_s:.0f} s; expected it to '
                    'be configured by then.'
                )
            time.sleep(0.1)

    def _send(self, index: int) -> None:
        message = self._messages[index % len(self._messages)]
        stamp = time.time_ns()
        message.header.stamp = Time(sec=stamp // 10**9, nanosec=stamp % 10**9)
        with self._lock:
            self._run.sent[stamp] = time.monotonic()
        self._camera.publish(message)

    def _complete(self) -> int:
        return sum(len(found) == len(self._results) for found in self._run.arrived.values())

    def as_fast_as_results_come(self, seconds: float) -> Run:
        """Send an image whenever fewer than `IN_FLIGHT` wait for their results."""
        self._run = run = Run()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with self._lock:
                self._lock.wait_for(
                    lambda: len(run.sent) - self._complete() < IN_FLIGHT, timeout=DRAIN_S
                )
            self._send(len(run.sent))
        self._drain(run)
        return run

    def at_rate(self, hertz: float, seconds: float) -> Run:
        """Send images at a fixed rate."""
        self._run = run = Run()
        began = time.monotonic()
        for index in range(max(1, round(hertz * seconds))):
            time.sleep(max(0.0, began + index / hertz - time.monotonic()))
            self._send(index)
        self._drain(run)
        return run

    def _drain(self, run: Run) -> None:
        """Wait for results that are on their way."""
        with self._lock:
            self._lock.wait_for(lambda: self._complete() == len(run.sent), timeout=DRAIN_S)


def pictures(size: ImageSize) -> list[NDArray[np.uint8]]:
    """Return (H, W, 3) uint8 pictures with structure of every size, cheaper than drawn streets."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(PICTURES):
        coarse = random.integers(0, 256, (-(-size[0] // 64), -(-size[1] // 64), 3))
        blocks = np.kron(coarse, np.ones((64, 64, 1)))[: size[0], : size[1]]
        found.append(np.clip(blocks + random.normal(0, 12, (*size, 3)), 0, 255).astype(np.uint8))
    return found


def _message(picture: NDArray[np.uint8]) -> Image:
    height, width = picture.shape[:2]
    message = Image(height=height, width=width, encoding='rgb8', step=3 * width)
    message.header.frame_id = 'camera'
    data = array('B')
    data.frombytes(picture.tobytes())
    message.data = data
    return message


def _nanoseconds(stamp: Time) -> int:
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def processor_s(process_id: int) -> float:
    """Return the processor time that a process has used, in seconds of one core."""
    fields = Path(f'/proc/{process_id}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def peak_mib(process_id: int) -> int:
    """Return the largest resident memory that a process has had."""
    for line in Path(f'/proc/{process_id}/status').read_text().splitlines():
        if line.startswith('VmHWM:'):
            return round(int(line.split()[1]) / 1024)
    return 0


def summary(run: Run, results: Sequence[str], cores_s: float, process_id: int) -> dict[str, Any]:
    """Return a run's figures; see `graph_benchmark.measure`."""
    from hiseg_ros.benchmark.spread import Spread

    latencies, ends = [], []
    for stamp, found in run.arrived.items():
        if len(found) == len(results):
            ends.append(max(found.values()))
            latencies.append(1e3 * (ends[-1] - run.sent[stamp]))
    began = min(run.sent.values())
    elapsed = max([*ends, *run.sent.values()]) - began
    engine = [s.preprocess_ms + s.network_ms + s.decision_ms for s in run.stats]
    around = [s.total_ms - s.queue_ms - e for s, e in zip(run.stats, engine, strict=True)]
    latency = Spread.of(latencies)
    return {
        'backend': run.stats[-1].backend if run.stats else '',
        'images': len(run.sent),
        'frames_per_s': round(len(latencies) / elapsed, 2) if elapsed > 0 else 0.0,
        'lost': round(1 - len(latencies) / len(run.sent), 4),
        'latency_ms': vars(latency) if latency else None,
        'engine_ms': round(statistics.median(engine), 2) if engine else None,
        'overhead_ms': round(statistics.median(around), 2) if around else None,
        'cores': round(cores_s / elapsed, 2) if elapsed > 0 else None,
        'host_peak_mib': peak_mib(process_id),
    }


def measure_all(camera: Camera, settings: dict[str, Any]) -> None:
    """Do the runs and report each."""
    seconds, process_id = float(settings['seconds']), int(settings['node'])

    def measured(send: Callable[[], Run]) -> dict[str, Any]:
        before = processor_s(process_id)
        run = send()
        return summary(run, settings['results'], processor_s(process_id) - before, process_id)

    camera.as_fast_as_results_come(min(2.0, seconds))  # the first frames are slower
    fastest = measured(partial(camera.as_fast_as_results_come, seconds))['frames_per_s']
    # Waiting for results leaves the node idle for moments; under too many images it is not.
    flooded = measured(partial(camera.at_rate, max(1.0, FLOOD * fastest), seconds))
    fastest = max(fastest, flooded['frames_per_s'])
    if not fastest:
        raise ConfigError('The node returned no results; expected labels: see its diagnostics.')
    for share in TRIES:
        hertz = share * fastest
        row = measured(partial(camera.at_rate, hertz, seconds))
        if row['lost'] < LOSS or share == TRIES[-1]:
            sustained = row['lost'] < LOSS
            report('measured', camera_hz=round(hertz, 2), is_sustained=sustained, **row)
            break
    for hertz in settings['rates']:
        row = measured(partial(camera.at_rate, hertz, seconds))
        report('measured', camera_hz=hertz, is_sustained=False, **row)


def main() -> int:
    """Run until all is measured.

    The settings: 'size' (H, W), 'results' (names of outputs), 'rates' (Hz), 'seconds' of a run,
    'node' (its process), 'patience_s'.
    """
    settings = json.loads(sys.argv[1])
    rclpy.init()
    camera = Camera(tuple(settings['size']), settings['results'])
    with spinning(camera):
        camera.wait_for_node(float(settings['patience_s']))
        measure_all(camera, settings)
        report('finished')
        sys.stdin.buffer.read()  # the parent closes it
    return 0


if __name__ == '__main__':
    run_child(main)
