# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The interface through which messages of rclpy and of rosbags are built alike."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray


class MessageClasses(Protocol):
    """The message classes of one library, by type name such as 'sensor_msgs/msg/Image'."""

    def make(self, message_type: str, /, **fields: Any) -> Any:
        """Return a new message.

        Args:
            message_type: Name of its type.
            **fields: All fields of the type.
        """

    def make_with_data(self, message_type: str, size: int, /, **fields: Any) -> Any:
        """Return a new message whose last field, `uint8[] data`, is to be filled in.

        Args:
            message_type: Name of its type.
            size: Bytes of `data`, to which `bytes_of` gives write access.
            **fields: All other fields.
        """

    def array(self, values: NDArray[Any]) -> Any:
        """Return numbers as the library's value of a sequence field, such as uint16[].

        Args:
            values: (N,) of the field's type.
        """
