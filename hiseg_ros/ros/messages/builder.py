# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The message builder with rclpy's message classes: the messages that the node publishes."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image, PointCloud2, PointField, RegionOfInterest
from std_msgs.msg import Header

import hiseg_ros.msg as msg
from hiseg_ros.messages.build import MessageBuilder
from hiseg_ros.ros.messages.preserialized import message_with_data

_CLASSES: dict[str, Any] = {
    f'{one.__module__.partition(".")[0]}/msg/{one.__name__}': one
    for one in (
        Time, Header, Image, CompressedImage, PointCloud2, PointField, RegionOfInterest,
        msg.FrameStats, msg.ProbabilityMap, msg.SubclassMask, msg.SubclassMasks, msg.Taxonomy,
        msg.TaxonomyNode,
    )
}  # fmt: skip


class RclpyClasses:
    """Message classes of rclpy; large data is stored where its serialised form will be."""

    def make(self, message_type: str, /, **fields: Any) -> Any:
        """Return a new message, see `MessageClasses`."""
        return _CLASSES[message_type](**fields)

    def make_with_data(self, message_type: str, size: int, /, **fields: Any) -> Any:
        """Return a new message whose data is to be filled in, see `MessageClasses`."""
        return message_with_data(_CLASSES[message_type], size, **fields)

    def array(self, values: NDArray[Any]) -> array[Any]:
        """Return numbers as an array.array, see `MessageClasses`.

        It is the one type that is fast in every distribution: rclpy checks each element of a
        numpy array that is assigned to a field, which takes 40 ms per MB.
        """
        found: array[Any] = array(values.dtype.char)
        found.frombytes(np.ascontiguousarray(values).view(np.uint8).data)
        return found


messages = MessageBuilder(RclpyClasses())
"""Builds the messages of the node."""
