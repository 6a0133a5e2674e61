# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A frame as it was received: the image message, when it arrived, and its receipt."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rclpy.time import Time
from std_msgs.msg import Header

from hiseg_ros.bags.stamps import stamp_ns_of
from hiseg_ros.ros.health.receipt import Receipt
from hiseg_ros.ros.messages.received_image import ImageMessage


@dataclass(frozen=True, eq=False)
class Frame:
    """An image message on its way to the worker thread."""

    message: ImageMessage

    arrived: Time
    """Arrival by the node's clock."""

    arrived_s: float
    """Arrival by `time.perf_counter`."""

    receipt: Receipt

    @property
    def header(self) -> Header:
        """The image's header, which every message about it repeats."""
        return self.message.header

    def since_stamp_ms(self, moment: Time) -> float:
        """Return the milliseconds from the stamp to a moment; NaN where the stamp is zero."""
        stamp_ns = stamp_ns_of(self.header.stamp)
        return (moment.nanoseconds - stamp_ns) / 1e6 if stamp_ns > 0 else math.nan
