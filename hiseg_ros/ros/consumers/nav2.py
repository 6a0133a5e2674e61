# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Mask and confidence for Nav2's semantic segmentation layer, one pixel per point of the cloud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Image

from hiseg_ros.errors import ConfigError
from hiseg_ros.messages.camera_info import announced_size
from hiseg_ros.ros.consumers.label_set import label_decision
from hiseg_ros.ros.messages.builder import messages
from hiseg_ros.ros.messages.product import Product
from hiseg_ros.ros.parameters import NodeParameters
from hiseg_ros.taxonomy import Mapping as LabelMapping
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import ImageSize

MASK, CONFIDENCE, LABEL_INFO = 'nav2/mask', 'nav2/confidence', 'nav2/label_info'
CAMERA_INFO = 'nav2/camera_info'


class Nav2:
    """~/nav2/mask and ~/nav2/confidence of one camera.

    The layer drops a mask whose number of pixels differs from the cloud's number of points. So the
    size is fixed by parameters, else taken from the camera_info of the cloud, and as long as none
    has arrived it is that of the camera image.
    """

    def __init__(
        self,
        node: Node,
        camera: str,
        mapping: LabelMapping,
        taxonomy: Taxonomy,
        parameters: NodeParameters,
    ) -> None:
        """Prepare the decision, and subscribe to the camera_info unless the size is fixed.

        Args:
            node: The node to subscribe with.
            camera: Namespace of the camera_info; empty for the only camera.
            mapping: The classes.
            taxonomy: Tree of the probabilities.
            parameters: Those named nav2.* are used.

        Raises:
            ConfigError: Only one side of the size is given, or numba is not installed.
            MappingError: The mapping's ids do not fit a mono8 image.
        """
        height, width = parameters.nav2_height, parameters.nav2_width
        if (height == 0) != (width == 0):
            raise ConfigError(
                f'Parameters nav2.height and nav2.width are {height} and {width}; expected both '
                'sides of the point cloud, or 0 for both to follow a camera_info.'
            )
        self.kinds: Mapping[str, type] = {MASK: Image, CONFIDENCE: Image}
        self.size: ImageSize | None = (height, width) if height else None
        """(H, W) of the masks; None for the size of the camera image."""
        self._decide = label_decision(mapping, taxonomy)
        self._min_probability = parameters.nav2_min_probability
        self._node = node
        self._infos: Subscription | None = None
        if self.size is None:
            topic = f'{camera}/{CAMERA_INFO}' if camera else CAMERA_INFO
            self._infos = node.create_subscription(
                CameraInfo, topic, self._on_camera_info, qos_profile_sensor_data
            )

    def _on_camera_info(self, info: CameraInfo) -> None:
        """Take over the size; rclpy calls this in the executor's thread."""
        height, width = announced_size(info)
        if height and width:
            self.size = (height, width)

    def build(self, product: Product, wanted: frozenset[str]) -> Iterator[tuple[str, Any]]:
        """Yield mask and confidence, both of one stamp and size; see `TopicGroup`."""
        if not wanted & self.kinds.keys():
            return
        mask, confidence = self._decide(
            product.segmentation.probabilities,
            self.size,
            self._min_probability,
            labels=MASK in wanted,
            confidence=CONFIDENCE in wanted,
        )
        if MASK in wanted:
            yield MASK, messages.labels_message(product.header, mask)
        if CONFIDENCE in wanted:
            yield CONFIDENCE, messages.confidence_message(product.header, confidence)

    def destroy(self) -> None:
        """Unsubscribe from the camera_info."""
        if self._infos is not None:
            self._node.destroy_subscription(self._infos)
            self._infos = None
