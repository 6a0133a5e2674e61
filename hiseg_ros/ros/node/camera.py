# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""One camera of a configured node: what comes in, what goes out, how it fares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hiseg_ros.bags.stamps import header_stamp_ns
from hiseg_ros.ros.health.camera_health import CameraHealth
from hiseg_ros.ros.node.frame_slots import FrameSlots
from hiseg_ros.ros.node.publishers import CameraPublishers
from hiseg_ros.ros.node.subscriptions import CameraSubscriptions, Frame
from hiseg_ros.ros.parameters import NodeParameters
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import ImageSize


class Camera:
    """A camera's subscriptions, publishers and health, and the way into the slots."""

    def __init__(
        self,
        node: Any,
        name: str,
        parameters: NodeParameters,
        taxonomy: Taxonomy,
        slots: FrameSlots[Camera, Frame],
    ) -> None:
        """Create the publishers.

        Args:
            node: The lifecycle node.
            name: Namespace of the topics; empty for the only camera.
            parameters: Transport and reliability of the images.
            taxonomy: Tree of the labels.
            slots: Get its frames.

        Raises:
            ConfigError: A qos_overrides parameter has a value that ROS does not know.
        """
        self.name = name
        self.health = CameraHealth()
        self._logger = node.get_logger()
        self.publishers = CameraPublishers(node, taxonomy, name, self._warn_of_reader, parameters)
        self.subscriptions = CameraSubscriptions(
            node, name, parameters, self.health, self._on_frame
        )
        self.image_size: ImageSize | None = None
        """(H, W) of the image decoded last."""
        self._slots = slots

    def _on_frame(self, frame: Frame) -> None:
        stamp_ns = max(0, header_stamp_ns(frame.message))
        if not self.health.received(stamp_ns, frame.arrived.nanoseconds):
            return
        replaced = self._slots.put(self, frame)
        if replaced is frame:
            self.health.dropped('stopped')
        elif replaced is not None:
            self.health.dropped('busy')

    def _warn_of_reader(self, reason: str) -> None:
        self._logger.warning(reason)
        self.health.warn('reader', reason)

    def destroy(self) -> None:
        """Take subscriptions and publishers out of the graph."""
        self.subscriptions.close()
        self.publishers.destroy()


def drop(frames: Sequence[tuple[Camera, Frame]]) -> None:
    """Count frames that are not going to be worked on any more."""
    for camera, _ in frames:
        camera.health.dropped('stopped')
