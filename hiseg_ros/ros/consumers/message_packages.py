# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Message packages of other projects, which may not be installed."""

from __future__ import annotations

import importlib
from typing import Any

from rclpy.node import Node

from hiseg_ros.ros.parameters import NodeParameters

VISION, FOXGLOVE = 'vision_msgs', 'foxglove_msgs'
_TOPICS_OF_PACKAGE = {
    VISION: '~/label_info and ~/traffic_signs/detections',
    FOXGLOVE: '~/traffic_signs/annotations',
}


def message_type(package: str, name: str) -> Any | None:
    """Return a message class, or None where its package is not installed."""
    try:
        return getattr(importlib.import_module(f'{package}.msg'), name)
    except ImportError:
        return None


def log_missing_packages(node: Node, parameters: NodeParameters) -> None:
    """Log the topics that are not published because a message package is missing."""
    for package, topics in _TOPICS_OF_PACKAGE.items():
        try:
            importlib.import_module(f'{package}.msg')
        except ImportError as problem:
            apt = package.replace('_', '-')
            sentence = (
                f'{topics} are not published, since {package} cannot be imported ({problem}): '
                f'where you need them, sudo apt install ros-$ROS_DISTRO-{apt}, and start again.'
            )
            if package == VISION and parameters.nav2_classes:
                node.get_logger().warning(
                    f'Nav2 takes no mask before ~/nav2/label_info, which is missing. {sentence}'
                )
            else:
                node.get_logger().info(sentence)
