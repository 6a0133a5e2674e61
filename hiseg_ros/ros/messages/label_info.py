# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The label tree as a vision_msgs/LabelInfo, where that package is installed."""

from __future__ import annotations

from typing import Any

from std_msgs.msg import Header

from hiseg_ros.taxonomy import Taxonomy


def label_info_message(taxonomy: Taxonomy, header: Header | None = None) -> Any | None:
    """Return a vision_msgs/LabelInfo with all nodes, or None where vision_msgs is not installed.

    Its threshold is 0: every pixel has the class that its label says.
    """
    try:
        from vision_msgs.msg import LabelInfo, VisionClass
    except ImportError:
        return None
    message = LabelInfo(header=header or Header())
    message.class_map = [
        VisionClass(class_id=node.node_id, class_name=node.name) for node in taxonomy.nodes
    ]
    return message
