# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""One frame in the worker's thread: decode, segment, publish, count."""

from __future__ import annotations

import math
from time import perf_counter

from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from hiseg_ros.errors import ImageError
from hiseg_ros.ros import messages
from hiseg_ros.ros.diagnostics import Health
from hiseg_ros.ros.engine_loader import SegmentationEngine
from hiseg_ros.ros.image_codec import decode_compressed, decode_image
from hiseg_ros.ros.inputs import Frame, Inputs
from hiseg_ros.ros.outputs import STATS, Outputs, Product, needs_labels
from hiseg_ros.ros.parameter_store import ParameterStore
from hiseg_ros.types import RgbImage

WARNING_PERIOD_S = 5.0


class FrameProcessor:
    """Turns image messages into the messages that somebody listens to."""

    def __init__(
        self, node: Node, store: ParameterStore, health: Health, inputs: Inputs, outputs: Outputs
    ) -> None:
        """Keep what every frame needs."""
        self._node = node
        self._store = store
        self._health = health
        self._inputs = inputs
        self._outputs = outputs

    def process(self, engine: SegmentationEngine, frame: Frame) -> None:
        """Segment a frame and publish its messages; nothing happens while nobody listens."""
        wanted = self._outputs.wanted()
        if not wanted:
            return
        parameters = self._store.values
        taken_s = perf_counter()
        try:
            rgb = _decode(frame)
            decoded_s = perf_counter()
            engine.threshold = parameters.threshold
            segmentation = engine.segment(
                rgb, labels=needs_labels(wanted), confidence='confidence' in wanted
            )
        except ImageError as error:
            self._health.bad_frame(str(error))
            self._node.get_logger().warning(
                f'Skipped an image of {self._inputs.image_topic}: {error}',
                throttle_duration_sec=WARNING_PERIOD_S,
            )
            return
        header = frame.message.header
        product = Product(header, rgb, segmentation, parameters, self._inputs.camera_info)
        published = self._outputs.publish(wanted, product)
        latency_ms = _since_stamp_ms(header, self._node.get_clock().now())
        counters = self._health.processed(latency_ms, published.message_bytes)
        if STATS in wanted:
            times_ms = {
                **segmentation.timings_ms,
                'age': _since_stamp_ms(header, frame.arrived),
                'queue': 1e3 * (taken_s - frame.arrived_s),
                'decode': 1e3 * (decoded_s - taken_s),
                'messages': published.messages_ms,
                'publish': published.publish_ms,
                'total': 1e3 * (perf_counter() - frame.arrived_s),
                'latency': latency_ms,
            }
            self._outputs.publish_stats(
                messages.frame_stats_message(
                    header,
                    times_ms=times_ms,
                    counters=counters,
                    image_size=(rgb.shape[0], rgb.shape[1]),
                    device=engine.device,
                    backend='eager',
                )
            )


def _since_stamp_ms(header: Header, moment: Time) -> float:
    """Return the milliseconds from a header's stamp to a moment; NaN where it has no stamp."""
    stamp = Time.from_msg(header.stamp, moment.clock_type)
    if stamp.nanoseconds == 0:
        return math.nan
    return (moment - stamp).nanoseconds / 1e6


def _decode(frame: Frame) -> RgbImage:
    if isinstance(frame.message, CompressedImage):
        return decode_compressed(frame.message)
    return decode_image(frame.message)
