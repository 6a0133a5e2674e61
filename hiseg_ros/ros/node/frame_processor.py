# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The way of a frame through the worker thread: decode, segment, publish."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from time import perf_counter

from rclpy.node import Node

from hiseg_ros.errors import DeviceMemoryError, HisegError, ImageError
from hiseg_ros.inference.memory_relief import RetryingSegmenter
from hiseg_ros.inference.segmentation_engine import SegmentationEngine
from hiseg_ros.ros.health.receipt import all_held
from hiseg_ros.ros.node.camera import Camera
from hiseg_ros.ros.node.frame import Frame
from hiseg_ros.ros.node.frame_stages import DecodedFrame, SegmentedFrame, decode
from hiseg_ros.ros.node.frame_stats import latency_ms, stage_times_ms, stats_message
from hiseg_ros.ros.node.input_chooser import InputChooser
from hiseg_ros.ros.node.parameter_store import ParameterStore
from hiseg_ros.ros.node.publish_thread import PublishThread
from hiseg_ros.ros.node.publishers import STATS

WARNING_PERIOD_S = 5.0


class FrameProcessor:
    """Turns image messages into the messages that somebody subscribes to.

    Where images wait, a frame's messages are built and published in the publish thread while the
    next frame is in the network.
    """

    def __init__(
        self,
        node: Node,
        store: ParameterStore,
        publish_thread: PublishThread,
        is_waiting: Callable[[], bool],
        chooser: InputChooser,
    ) -> None:
        """Keep what every frame needs.

        Args:
            node: Its clock and logger are used.
            store: The node's parameters.
            publish_thread: Publishes beside the network.
            is_waiting: Returns whether another frame waits to be segmented.
            chooser: Makes the network's input follow the time that frames take.
        """
        self._node = node
        self._store = store
        self._publish_thread = publish_thread
        self._is_waiting = is_waiting
        self._chooser = chooser
        self._segmenter = RetryingSegmenter(on_limit=self._warn)

    def process(self, engine: SegmentationEngine, frames: Sequence[tuple[Camera, Frame]]) -> None:
        """Decode, segment and publish frames of different cameras; each has one fate at the end.

        Called in the worker thread.
        """
        with all_held(frame.receipt for _, frame in frames):
            started, sizes, network_s = perf_counter(), [], 0.0
            decoded = self._decode(frames)
            for segmented in self._segment(engine, decoded):
                self._publish(segmented)
                camera = segmented.decoded.camera.name
                sizes.append((camera, segmented.upright_size, segmented.input_size))
                network_s += segmented.network_s
        if not self._segmenter.limit_text:
            busy_s = perf_counter() - started
            self._chooser.measured(engine, sizes, busy_s=busy_s, network_s=network_s)

    def _decode(self, frames: Sequence[tuple[Camera, Frame]]) -> list[DecodedFrame]:
        """Return the frames that somebody waits for; drop those that nobody wants or can read."""
        decoded, parameters = [], self._store.values
        for camera, frame in frames:
            wanted = camera.publishers.wanted()
            age_s = frame.since_stamp_ms(self._node.get_clock().now()) / 1e3
            if not wanted:
                frame.receipt.dropped('unwanted')
            elif 0.0 < parameters.max_age_s < age_s:
                limit = f'more than the {parameters.max_age_s:g} s of max_age_s'
                frame.receipt.dropped('stale', f'images are {age_s:.1f} s old, {limit}')
            else:
                try:
                    decoded.append(decode(camera, frame, wanted, parameters))
                except ImageError as error:
                    self._skip(camera, frame, error)
        return decoded

    def _segment(
        self, engine: SegmentationEngine, frames: Sequence[DecodedFrame]
    ) -> Iterator[SegmentedFrame]:
        """Yield each frame as soon as it is segmented; drop those that cannot be."""
        engine.threshold = self._store.values.threshold
        requests = [frame.request for frame in frames]

        def skip(index: int, error: HisegError) -> None:
            self._skip(frames[index].camera, frames[index].received, error)

        for result in self._segmenter.segment(engine, requests, on_failure=skip):
            frame = frames[result.index]
            if self._segmenter.limit_text:
                frame.camera.health.warn('memory limit', self._segmenter.limit_text)
            yield SegmentedFrame(frame, result, engine.device, engine.backend)

    def _publish(self, frame: SegmentedFrame) -> None:
        """Publish a frame beside the network where another frame waits for it, else here."""
        is_next_waiting = frame.result.remaining or self._is_waiting()
        if frame.decoded.parameters.overlap and is_next_waiting:
            job = partial(self._publish_now, frame)
            self._publish_thread.run_beside(job, frame.decoded.received.receipt)
        else:
            self._publish_thread.wait_idle()
            self._publish_now(frame)

    def _publish_now(self, frame: SegmentedFrame) -> None:
        """Publish a frame's messages, count it, publish its statistics."""
        decoded, publishers = frame.decoded, frame.decoded.camera.publishers
        published = publishers.publish(decoded.wanted, frame.product)
        latency = latency_ms(frame, self._node.get_clock().now())
        counters = decoded.received.receipt.processed(latency, published.message_bytes)
        if STATS in decoded.wanted:
            times_ms = stage_times_ms(frame, published, latency)
            publishers.publish_stats(stats_message(frame, times_ms, counters))

    def _skip(self, camera: Camera, frame: Frame, error: HisegError) -> None:
        cause = 'memory' if isinstance(error, DeviceMemoryError) else 'bad'
        frame.receipt.dropped(cause, str(error))
        self._warn(f'Skipped an image of {camera.subscriptions.image_topic}: {error}')

    def _warn(self, text: str) -> None:
        self._node.get_logger().warning(text, throttle_duration_sec=WARNING_PERIOD_S)
