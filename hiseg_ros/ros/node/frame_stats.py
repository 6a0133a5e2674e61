# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The statistics of a published frame: times of its stages, and the FrameStats message."""

from __future__ import annotations

import math
from collections.abc import Mapping
from time import perf_counter

from rclpy.time import Time

from hiseg_ros.msg import FrameStats
from hiseg_ros.ros.health.camera_health import Counters
from hiseg_ros.ros.messages.builder import messages
from hiseg_ros.ros.messages.product import Published
from hiseg_ros.ros.node.frame_stages import SegmentedFrame


def latency_ms(frame: SegmentedFrame, now: Time) -> float:
    """Return the milliseconds from the image's stamp to now.

    Returns:
        NaN where the stamp is zero, or where the clock jumped back after the frame arrived, as
        when a bag starts over.
    """
    received = frame.decoded.received
    return received.since_stamp_ms(now) if now >= received.arrived else math.nan


def stage_times_ms(
    frame: SegmentedFrame, published: Published, latency: float
) -> dict[str, float]:
    """Return the milliseconds of each stage of a frame that was published just now.

    Args:
        frame: The frame.
        published: What went out for it.
        latency: From the image's stamp to its last message, in milliseconds.
    """
    decoded, received = frame.decoded, frame.decoded.received
    return {
        **frame.result.segmentation.timings_ms,
        'age': received.since_stamp_ms(received.arrived),
        'queue': 1e3 * (decoded.taken_s - received.arrived_s),
        'decode': 1e3 * (decoded.decoded_s - decoded.taken_s),
        'messages': published.messages_ms,
        'publish': published.publish_ms,
        'total': 1e3 * (perf_counter() - received.arrived_s),
        'latency': latency,
    }


def stats_message(
    frame: SegmentedFrame, times_ms: Mapping[str, float], counters: Counters
) -> FrameStats:
    """Return the statistics of a frame.

    Args:
        frame: The frame.
        times_ms: Milliseconds by stage.
        counters: Of the camera, this frame included.
    """
    decoded = frame.decoded
    return messages.frame_stats_message(
        decoded.received.header,
        times_ms=times_ms,
        counters=counters.as_fields(),
        image_size=frame.image_size,
        input_size=frame.input_size,
        batch_size=frame.result.batch_size,
        device=frame.device,
        backend=frame.backend,
    )
