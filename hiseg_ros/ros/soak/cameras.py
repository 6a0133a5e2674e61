# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Cameras of a soak test: they publish prepared images at a fixed rate, with faults on demand."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from hiseg_ros.ros.soak.audit import Sent
from hiseg_ros.ros.soak.plan import CameraPlan
from hiseg_ros.types import ImageSize, RgbImage

QOS = QoSProfile(reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=30)

_CODES = {
    'bgr8': cv2.COLOR_RGB2BGR,
    'bgra8': cv2.COLOR_RGB2BGRA,
    'mono8': cv2.COLOR_RGB2GRAY,
}


def image_message(image: RgbImage, encoding: str, size: ImageSize) -> Image:
    """Return an image as an image message of a size (H, W) and encoding."""
    height, width = size
    pixels: Any = image
    if image.shape[:2] != size:
        pixels = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    if encoding in _CODES:
        pixels = cv2.cvtColor(pixels, _CODES[encoding])
    message = Image(height=height, width=width, encoding=encoding, step=pixels.size // height)
    data = array('B')
    data.frombytes(np.ascontiguousarray(pixels).tobytes())
    message.data = data
    return message


def garbage() -> list[Image]:
    """Return malformed image messages, each wrong in another way."""
    few = bytes(range(100))
    return [
        Image(height=120, width=160, encoding='rgb8', step=480, data=few),
        Image(height=120, width=160, encoding='rgb8', step=7, data=bytes(840)),
        Image(height=120, width=160, encoding='plaid', step=480, data=bytes(57600)),
        Image(height=60000, width=60000, encoding='rgb8', step=180000, data=few),
        Image(height=0, width=0, encoding='mono8', step=0),
    ]


BURST = 20
"""Images that are sent at once in a burst, as by a driver that was held up."""


class SoakCamera:
    """One camera; `fault` selects what it sends, from the next image on."""

    def __init__(self, node: Node, plan: CameraPlan, images: Sequence[RgbImage]) -> None:
        """Create the publisher and prepare the messages.

        Args:
            node: Node that gets the publisher.
            plan: Encoding, size and rate of the camera.
            images: (H, W, 3) uint8, sent in turn.
        """
        self.plan = plan
        self.fault = ''
        """'' for none, 'stall', 'garbage', 'size' or 'burst'; set by another thread."""
        self.sent: list[Sent] = []
        self._messages = {
            '': [image_message(p, plan.encoding, plan.size) for p in images],
            'size': [image_message(p, plan.other_encoding, plan.other_size) for p in images],
            'garbage': garbage(),
        }
        self._publisher = node.create_publisher(Image, f'{plan.name}/image', QOS)

    @property
    def is_heard(self) -> bool:
        """Whether there is a subscription to its topic."""
        return bool(self._publisher.get_subscription_count())

    def send(self) -> None:
        """Send one image; none while the camera stalls, BURST images in a burst."""
        fault = self.fault
        for _ in range({'stall': 0, 'burst': BURST}.get(fault, 1)):
            self._send(fault)

    def _send(self, fault: str) -> None:
        messages = self._messages.get(fault, self._messages[''])
        message = messages[len(self.sent) % len(messages)]
        stamp_ns = max(time.time_ns(), self.sent[-1].stamp_ns + 1 if self.sent else 0)
        message.header.stamp = Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
        message.header.frame_id = self.plan.name
        self.sent.append(Sent(time.monotonic(), stamp_ns, fault != 'garbage'))
        self._publisher.publish(message)


class Sender:
    """The thread in which all cameras send at their rates."""

    def __init__(self, cameras: Sequence[SoakCamera]) -> None:
        """Create the thread; `start` starts it."""
        self._cameras = cameras
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name='soak_sender', daemon=True)

    def start(self) -> None:
        """Start sending."""
        self._thread.start()

    def stop(self) -> None:
        """Stop sending; returns once the last image has been published."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        began = time.monotonic()
        due = {camera: began for camera in self._cameras}
        while not self._stop.is_set():
            camera = min(due, key=lambda c: due[c])
            if self._stop.wait(max(0.0, due[camera] - time.monotonic())):
                return
            camera.send()
            # After this machine was held up no burst follows: a real camera sends none either.
            due[camera] = max(due[camera], time.monotonic() - 1.0) + 1 / camera.plan.rate_hz
