# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""One camera of a session: its subscriptions, its publishers and its health."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hiseg_ros.bags.stamps import header_stamp_ns
from hiseg_ros.ros.health.camera_health import CameraHealth
from hiseg_ros.ros.node.camera_bit_depth import CameraBitDepth
from hiseg_ros.ros.node.frame import Frame
from hiseg_ros.ros.node.frame_slots import FrameSlots
from hiseg_ros.ros.node.publishers import CameraPublishers
from hiseg_ros.ros.node.rate_limit import RateLimit
from hiseg_ros.ros.node.subscriptions import CameraSubscriptions
from hiseg_ros.ros.parameters import NodeParameters
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import ImageSize


class Camera:
    """Puts each image that arrives into the slots, and publishes what comes out of them."""

    def __init__(
        self,
        node: Any,
        name: str,
        parameters: NodeParameters,
        taxonomy: Taxonomy,
        slots: FrameSlots[Camera, Frame],
        max_rate: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Create the publishers.

        Args:
            node: The lifecycle node.
            name: Namespace of the topics; empty for the only camera.
            parameters: Transport and reliability of the images.
            taxonomy: Tree of the labels.
            slots: Receive the camera's frames.
            max_rate: Returns the parameter max_rate.

        Raises:
            ConfigError: A qos_overrides parameter has a value that ROS does not know.
        """
        self.name = name
        self.health = CameraHealth()
        self._logger = node.get_logger()
        self.publishers = CameraPublishers(
            node, taxonomy, name, self._on_incompatible, parameters, self.health
        )
        self.subscriptions = CameraSubscriptions(
            node, name, parameters, self.health, self._on_frame
        )
        self.image_size: ImageSize | None = None
        """(H, W) of the image decoded last."""
        self.bit_depth = CameraBitDepth(self._logger, name, parameters.bit_depth)
        self._slots = slots
        self._max_rate = max_rate
        self._rate_limit = RateLimit()

    def _on_frame(self, frame: Frame) -> None:
        """Leave a frame for the worker; called in the executor's thread for each image."""
        stamp_ns = max(0, header_stamp_ns(frame.message))
        if not self.health.received(stamp_ns, frame.arrived.nanoseconds):
            frame.receipt.dropped('stale')
        elif not self._rate_limit.admits(frame.arrived_s, self._max_rate()):
            frame.receipt.dropped('rate')
        elif (replaced := self._slots.put(self, frame)) is not None:
            replaced.receipt.dropped('stopped' if replaced is frame else 'busy')

    def _on_incompatible(self, reason: str) -> None:
        """Warn of a subscriber that gets nothing; called in the executor's thread."""
        self._logger.warning(reason)
        self.health.warn('incompatible subscriber', reason)

    def destroy(self) -> None:
        """Take subscriptions and publishers out of the graph."""
        self.subscriptions.close()
        self.publishers.destroy()
