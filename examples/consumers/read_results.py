# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Print results of the node /segmentation: the mean probability of each class, and each sign."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from hiseg_ros.errors import ImageError
from hiseg_ros.messages.codec import decode_mask, decode_probability_map
from hiseg_ros.msg import ProbabilityMap, SubclassMasks, Taxonomy

Names = dict[int, str]


def probabilities_lines(message: ProbabilityMap, names: Names) -> list[str]:
    """Return a line for each class: mean probability, and where in the image it is highest."""
    node_ids, values = decode_probability_map(message)  # (channels, rows, columns)
    lines = []
    for node_id, plane in zip(node_ids, values, strict=True):
        i, j = np.unravel_index(plane.argmax(), plane.shape)
        row, column = (i + 0.5) * message.stride_y - 0.5, (j + 0.5) * message.stride_x - 0.5
        lines.append(
            f'{names.get(node_id, f"node {node_id}")}: mean {plane.mean(dtype=float):.4f}, '
            f'highest {plane.max():.4f} at row {row:.1f}, column {column:.1f}'
        )
    return lines


def signs_lines(message: SubclassMasks, names: Names) -> list[str]:
    """Return a line for each sign: type, vote, box and pixels."""
    lines = []
    for sign in message.masks:
        pixels, roi = decode_mask(sign), sign.roi  # (rows, columns) of the box, true on the sign
        lines.append(
            f'{names.get(sign.node_id, f"node {sign.node_id}")}: vote {sign.score:.3f}, '
            f'box {roi.height} x {roi.width} at row {roi.y_offset}, column {roi.x_offset}, '
            f'{pixels.sum()} pixels'
        )
    return lines


class ReadResults(Node):
    """Prints the received results."""

    def __init__(self) -> None:
        """Create the subscriptions; the node computes only what is subscribed to."""
        super().__init__('read_results')
        self._names: Names = {}
        self._digest = ''
        # Latched: it arrives even if it was published before this node started.
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(Taxonomy, 'segmentation/taxonomy', self._on_taxonomy, latched)
        for kind, topic, describe in (
            (ProbabilityMap, 'segmentation/level_1/probabilities', probabilities_lines),
            (SubclassMasks, 'segmentation/traffic_signs', signs_lines),
        ):
            self.create_subscription(kind, topic, lambda m, d=describe: self._on_result(m, d), 1)

    def _on_taxonomy(self, message: Taxonomy) -> None:
        self._digest = message.digest
        self._names = {node.id: node.name for node in message.nodes}

    def _on_result(self, message: Any, describe: Any) -> None:
        if message.taxonomy_digest != self._digest:  # ids of another tree mean something else
            return
        try:
            print('\n'.join(describe(message, self._names)), flush=True)
        except ImageError as error:  # any node in the graph can send a malformed message
            self.get_logger().warning(f'skipped a message: {error}')


def main() -> int:
    """Run until interrupted."""
    rclpy.init()
    try:
        rclpy.spin(ReadResults())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    return 0


if __name__ == '__main__':
    sys.exit(main())
