# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What builders of messages have in common: headers, and messages whose data is filled in."""

from __future__ import annotations

import math
from typing import Any

from hiseg_ros.messages.classes import MessageClasses


class PartBuilder:
    """Builds headers, and messages with memory for their data, with the classes of one library."""

    def __init__(self, classes: MessageClasses) -> None:
        """Keep the classes to build messages with."""
        self._classes = classes

    def header(self, stamp_ns: int = 0, frame_id: str = '') -> Any:
        """Return a std_msgs/Header.

        Args:
            stamp_ns: Its stamp in nanoseconds since the epoch.
            frame_id: Name of the coordinate frame.
        """
        sec, nanosec = divmod(stamp_ns, 1_000_000_000)
        stamp = self._classes.make('builtin_interfaces/msg/Time', sec=sec, nanosec=nanosec)
        return self._classes.make('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id)

    def _image(self, header: Any, shape: tuple[int, ...], again: Any | None) -> Any:
        """Return a mono8 or rgb8 message whose pixels are to be filled in."""
        return self._with_data(
            'sensor_msgs/msg/Image',
            math.prod(shape),
            again,
            header=header,
            height=shape[0],
            width=shape[1],
            encoding='mono8' if len(shape) == 2 else 'rgb8',
            is_bigendian=0,
            step=math.prod(shape[1:]),
        )

    def _with_data(self, message_type: str, size: int, again: Any | None, **fields: Any) -> Any:
        """Return a message with data of a size: the earlier one if its data has this size."""
        if again is None or len(again.data) != size:
            return self._classes.make_with_data(message_type, size, **fields)
        for name, value in fields.items():
            setattr(again, name, value)
        return again
