# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""One segmented frame, and the type of functions that build messages from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from hiseg_ros.ros.parameters import NodeParameters
from hiseg_ros.types import RgbImage, Segmentation


@dataclass(frozen=True)
class Product:
    """One segmented frame with everything that its messages are built from."""

    header: Header
    rgb: RgbImage
    segmentation: Segmentation
    parameters: NodeParameters
    camera_info: CameraInfo | None


@dataclass(frozen=True)
class Published:
    """Sizes and times of the messages that were published for one frame."""

    message_bytes: Mapping[str, int]
    """Size of each message by topic."""

    messages_ms: float
    publish_ms: float


Builder = Callable[[Product, Any], Any]
"""Builds a message from a frame and its topic's last message, None for the first, whose memory it
may reuse."""
