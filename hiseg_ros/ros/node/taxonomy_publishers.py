# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Latched publishers of the taxonomy, and of a label_info beside each camera's labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from hiseg_ros.msg import Taxonomy as TaxonomyMessage
from hiseg_ros.ros.consumers.message_packages import log_missing_packages
from hiseg_ros.ros.consumers.requested_groups import label_infos
from hiseg_ros.ros.messages.builder import messages
from hiseg_ros.ros.messages.label_info import label_info_message
from hiseg_ros.ros.parameters import NodeParameters
from hiseg_ros.taxonomy import Taxonomy

_DEFAULTS = NodeParameters()

LATCHED_QOS = QoSProfile(
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
)


class TaxonomyPublishers:
    """Say what the label ids mean, from configuration on, whether the node is active or not."""

    def __init__(
        self,
        node: Node,
        taxonomy: Taxonomy,
        cameras: Iterable[str],
        parameters: NodeParameters = _DEFAULTS,
    ) -> None:
        """Publish ~/taxonomy, and where vision_msgs is installed label infos for each camera.

        Args:
            node: The node to publish with.
            taxonomy: Tree of the labels.
            cameras: Names of the cameras; one empty name for the only camera.
            parameters: Which label sets there are.

        Raises:
            ConfigError: A parameter of the label sets cannot be used.
            MappingError: A mapping of the label sets is missing or does not fit the taxonomy.
        """
        self._node = node
        self._publishers: list[Publisher] = []
        infos = {
            'label_info': label_info_message(taxonomy),
            **label_infos(taxonomy, parameters),
        }
        self._latch('~/taxonomy', messages.taxonomy_message(taxonomy), TaxonomyMessage)
        for camera in cameras:
            for name, info in infos.items():
                if info is not None:
                    topic = '/'.join(filter(None, ('~', camera, name)))
                    self._latch(topic, info, type(info))
        log_missing_packages(node, parameters)

    def _latch(self, topic: str, message: Any, kind: type) -> None:
        publisher = self._node.create_publisher(kind, topic, LATCHED_QOS)
        self._publishers.append(publisher)
        publisher.publish(message)

    def destroy(self) -> None:
        """Take the publishers out of the graph."""
        for publisher in self._publishers:
            self._node.destroy_publisher(publisher)
        self._publishers.clear()
