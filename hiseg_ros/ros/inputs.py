# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The node's subscriptions: images into the slot, with a QoS that matches the camera's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from rclpy.subscription import Subscription
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from hiseg_ros.ros.parameters import NodeParameters


@dataclass(frozen=True)
class Frame:
    """An image message on its way to the worker."""

    message: Image | CompressedImage

    arrived: Time
    """Arrival by the node's clock."""

    arrived_s: float
    """Arrival by `time.perf_counter`."""


class Inputs:
    """Subscriptions of an active node."""

    def __init__(
        self, node: Node, parameters: NodeParameters, on_frame: Callable[[Frame], None]
    ) -> None:
        """Resolve the topics; `open` subscribes.

        Args:
            node: The node to subscribe with.
            parameters: Transport and reliability of the images.
            on_frame: Called for each image in the executor's thread.
        """
        self._node = node
        self._on_frame = on_frame
        self._reliability = parameters.image_reliability
        base = node.resolve_topic_name('image')
        self._kind: type[Image] | type[CompressedImage] = Image
        self.image_topic = base
        if parameters.image_transport == 'compressed':
            # As image_transport does: the suffix follows the remapped name of the raw topic.
            self._kind = CompressedImage
            suffix = '' if base.endswith('/compressed') else '/compressed'
            self.image_topic = node.resolve_topic_name(base + suffix)
        self._images: Subscription | None = None
        self._infos: Subscription | None = None
        self._current = ReliabilityPolicy.RELIABLE
        self.camera_info: CameraInfo | None = None
        """The newest camera_info, None before the first."""

    def open(self) -> None:
        """Subscribe."""
        self._subscribe(self._matching())
        self._infos = self._node.create_subscription(
            CameraInfo, 'camera_info', self._on_camera_info, qos_profile_sensor_data
        )

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in (self._images, self._infos):
            if subscription is not None:
                self._node.destroy_subscription(subscription)
        self._images = self._infos = None
        self.camera_info = None

    def match_publishers(self) -> None:
        """Subscribe anew where the publishers' reliability is no longer what was matched."""
        if self._images is None:
            return
        wanted = self._matching()
        if wanted != self._current:
            self._node.destroy_subscription(self._images)
            self._subscribe(wanted)
            self._node.get_logger().info(
                f'Subscribed to {self.image_topic} {wanted.name.lower()}, as its publishers are.'
            )

    def _matching(self) -> ReliabilityPolicy:
        if self._reliability != 'auto':
            return ReliabilityPolicy[self._reliability.upper()]
        publishers = self._node.get_publishers_info_by_topic(self.image_topic)
        # Reliable while nobody publishes yet: best effort loses images beyond half a megabyte on
        # the default shared-memory segment.
        reliable = all(p.qos_profile.reliability == ReliabilityPolicy.RELIABLE for p in publishers)
        return ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT

    def _subscribe(self, reliability: ReliabilityPolicy) -> None:
        qos = QoSProfile(reliability=reliability, history=HistoryPolicy.KEEP_LAST, depth=1)
        self._current = reliability
        self._images = self._node.create_subscription(
            self._kind, self.image_topic, self._on_image, qos
        )

    def _on_image(self, message: Image | CompressedImage) -> None:
        self._on_frame(Frame(message, self._node.get_clock().now(), time.perf_counter()))

    def _on_camera_info(self, message: CameraInfo) -> None:
        self.camera_info = message
