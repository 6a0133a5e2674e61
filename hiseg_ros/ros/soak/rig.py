# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Test rig of a soak test: cameras, subscriber and service clients, in a process of their own."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from std_srvs.srv import SetBool

from hiseg_ros.bags.stamps import header_stamp_ns
from hiseg_ros.msg import FrameStats
from hiseg_ros.ros.harness.live_run import SEGMENTATION
from hiseg_ros.ros.health.camera_health import LABELS
from hiseg_ros.ros.soak.cameras import Sender, SoakCamera
from hiseg_ros.ros.soak.plan import SoakPlan
from hiseg_ros.srv import LoadModel

STATS_QOS = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
SETTLE_S = 1.0
"""Publisher and subscription learn of each other at slightly different times."""
LEVELS = {
    DiagnosticStatus.OK: 'OK', DiagnosticStatus.WARN: 'WARN',
    DiagnosticStatus.ERROR: 'ERROR', DiagnosticStatus.STALE: 'STALE',
}  # fmt: skip


class UnexpectedError(Exception):
    """The node did not react as expected."""


@dataclass(frozen=True)
class Result:
    """The statistics of one frame, as received."""

    at_s: float
    """When they arrived, in seconds of the steady clock."""
    stamp_ns: int
    latency_ms: float
    queue_ms: float
    network_ms: float
    size: tuple[int, int]
    """(H, W) of the image."""
    processed: int
    """Images of the camera that the node has processed so far, by its own count."""


@dataclass(frozen=True)
class Status:
    """One status of the node's diagnostics."""

    at_s: float
    """When it arrived, in seconds of the steady clock."""
    level: str
    """'OK', 'WARN', 'ERROR' or 'STALE'."""
    text: str
    values: dict[str, str]


class Rig(Node):
    """Publishes the cameras' images, receives results and diagnostics, and calls services.

    Callbacks run in the thread of `spinning`; everything else is called by the schedule's thread.
    """

    def __init__(self, plan: SoakPlan, images: dict[str, Any]) -> None:
        """Create the cameras and subscribe to statistics and diagnostics."""
        super().__init__('hiseg_soak', enable_rosout=False)
        self.plan = plan
        self.cameras = {
            camera.name: SoakCamera(self, camera, list(images[camera.name]))
            for camera in plan.cameras
        }
        self.results: dict[str, list[Result]] = {name: [] for name in self.cameras}
        self.statuses: dict[str, Status] = {}
        self.away: list[tuple[float, float]] = []
        self._stats: dict[str, Subscription] = {}
        for name in self.cameras:
            self.listen(name)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self.set_enabled = self.create_client(SetBool, f'{SEGMENTATION}/set_enabled')
        self.load_model = self.create_client(LoadModel, f'{SEGMENTATION}/load_model')

    def listen(self, camera: str) -> None:
        """Subscribe to a camera's statistics."""

        def note(message: FrameStats) -> None:
            self.results[camera].append(Result(
                time.monotonic(), header_stamp_ns(message), message.latency_ms,
                message.queue_ms, message.network_ms,
                (message.image_height, message.image_width), message.processed,
            ))  # fmt: skip

        self._stats[camera] = self.create_subscription(
            FrameStats, f'{SEGMENTATION}/{camera}/stats', note, STATS_QOS
        )

    def ignore(self, camera: str) -> None:
        """Unsubscribe from a camera's statistics."""
        self.destroy_subscription(self._stats.pop(camera))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            kind = status.name.rpartition(': ')[2]
            self.statuses[kind] = Status(
                time.monotonic(), LEVELS[status.level], status.message, values
            )

    def until(self, condition: Callable[[], Any], what: str, patience_s: float = 0.0) -> float:
        """Wait until a condition holds; return how long that took in seconds.

        Args:
            condition: Checked every 20 ms.
            what: Description of the condition, for the error.
            patience_s: How long to wait; 0 for the plan's patience.

        Raises:
            UnexpectedError: The condition did not hold in time.
        """
        began = time.monotonic()
        patience_s = patience_s or self.plan.patience_s
        while not condition():
            if time.monotonic() - began > patience_s:
                raise UnexpectedError(f'not within {patience_s:.0f} s: {what}')
            time.sleep(0.02)
        return time.monotonic() - began

    def call(self, client: Any, request: Any) -> Any:
        """Call a service and return its response.

        Raises:
            UnexpectedError: The service is not there, or no response came in time.
        """
        self.until(client.service_is_ready, f'service {client.srv_name}')
        future = client.call_async(request)
        self.until(future.done, f'a response of {client.srv_name}', 2 * self.plan.patience_s)
        return future.result()

    def status(self, camera: str) -> Status:
        """Return the newest status of a camera; an empty one before the first."""
        return self.statuses.get(f'camera {camera}', Status(0.0, '', '', {}))

    def counters(self, camera: str) -> dict[str, int]:
        """Return the node's counters of a camera from its newest diagnostics."""
        values = self.status(camera).values
        return {name: int(values.get(label, 0)) for name, label in LABELS.items()}

    def has_new_result(self, camera: str, after_s: float) -> bool:
        """Return whether the result of an image that was sent after a moment has arrived."""
        results = self.results[camera]
        if not results or results[-1].at_s < after_s:
            return False
        sent = next((s for s in reversed(self.cameras[camera].sent)
                     if s.stamp_ns == results[-1].stamp_ns), None)  # fmt: skip
        return sent is not None and sent.at_s >= after_s

    def all_work(self, besides: str = '') -> None:
        """Wait until every camera but one has the result of an image sent from now on.

        Args:
            besides: Name of the camera to leave out; '' for none.

        Raises:
            UnexpectedError: A result does not arrive in time.
        """
        now = time.monotonic()
        for name in self.cameras:
            if name != besides:
                self.until(partial(self.has_new_result, name, now), f'results of {name}')

    def is_at_rest(self, camera: str) -> bool:
        """Return whether every received image of a camera has been processed or dropped."""
        status, counted = self.status(camera), self.counters(camera)
        sent = self.cameras[camera].sent
        fates = sum(counted.values()) - counted['received'] - counted['lost']
        is_late = not sent or status.at_s > sent[-1].at_s + SETTLE_S
        return is_late and counted['received'] == fates

    def begin(self) -> None:
        """Wait for the node, then let the cameras send.

        Raises:
            UnexpectedError: It does not subscribe in time.
        """
        self.until(
            lambda: all(camera.is_heard for camera in self.cameras.values()),
            'the node subscribes to all cameras',
            self.plan.startup_s,
        )
        now = time.monotonic()
        self.away.append((now, now + SETTLE_S))
        self.sender = Sender(list(self.cameras.values()))
        self.sender.start()

    def finish(self) -> None:
        """Stop the cameras and wait until the node has finished every image it received.

        Raises:
            UnexpectedError: It does not finish in time.
        """
        self.sender.stop()
        for name in self.cameras:
            self.until(partial(self.is_at_rest, name), f'all images of {name} are finished')
        time.sleep(SETTLE_S)

    def record(self) -> dict[str, Any]:
        """Return what was sent and received, as plain values."""
        return {
            'cameras': {
                name: {
                    'sent': [dataclasses.astuple(sent) for sent in camera.sent],
                    'counters': self.counters(name),
                    'results': [dataclasses.asdict(result) for result in self.results[name]],
                }
                for name, camera in self.cameras.items()
            },
            'away': self.away,
            'facts': self.statuses['segmentation'].values,
        }
