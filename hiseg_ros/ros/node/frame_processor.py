# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Frames in the worker's thread: decode and segment together; then publish and count each."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from rclpy.node import Node
from rclpy.time import Time
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from hiseg_ros.bags.stamps import stamp_ns_of
from hiseg_ros.errors import DeviceMemoryError, ImageError
from hiseg_ros.images.image_message import decode_compressed, decode_image
from hiseg_ros.inference.memory_relief import MemoryRelief
from hiseg_ros.ros.messages import build as messages
from hiseg_ros.ros.messages.product import Product, Published
from hiseg_ros.ros.node.camera import Camera, drop
from hiseg_ros.ros.node.engine_loader import SegmentationEngine
from hiseg_ros.ros.node.parameter_store import ParameterStore
from hiseg_ros.ros.node.publish_thread import PublishThread
from hiseg_ros.ros.node.publishers import STATS, needed_results
from hiseg_ros.ros.node.subscriptions import Frame
from hiseg_ros.ros.parameters import NodeParameters
from hiseg_ros.types import RgbImage, Segmentation

WARNING_PERIOD_S = 5.0


@dataclass(frozen=True, eq=False)
class _Work:
    """A frame that was decoded, since somebody listens."""

    camera: Camera
    frame: Frame
    wanted: frozenset[str]
    parameters: NodeParameters
    rgb: RgbImage
    taken_s: float
    decoded_s: float


@dataclass(frozen=True, eq=False)
class _Done:
    """A segmented frame, to be published and counted."""

    work: _Work
    segmentation: Segmentation
    device: str
    backend: str
    batch_size: int


class FrameProcessor:
    """Turns image messages into the messages that somebody listens to.

    Where images wait, a frame's messages are built and published in a second thread while the
    next frame is in the network.
    """

    def __init__(
        self,
        node: Node,
        store: ParameterStore,
        crashed: Callable[[Exception], None],
        is_waiting: Callable[[], bool],
    ) -> None:
        """Keep what every frame needs.

        Args:
            node: To publish with.
            store: Its parameters.
            crashed: Told in the second thread of an unforeseen fault with publishing.
            is_waiting: Returns whether another frame waits to be segmented.
        """
        self._node = node
        self._store = store
        self._crashed = crashed
        self._is_waiting = is_waiting
        self._relief = MemoryRelief()
        self._publish_thread = PublishThread()

    def wait_idle(self) -> None:
        """Wait until everything that was segmented is published."""
        self._publish_thread.wait_idle()

    def close(self, timeout_s: float | None = None) -> bool:
        """Publish what was segmented and end the second thread; False where it took longer."""
        return self._publish_thread.close(timeout_s)

    def process(self, engine: SegmentationEngine, frames: Sequence[tuple[Camera, Frame]]) -> None:
        """Segment frames of different cameras and publish their messages.

        Each of them is counted as processed or as dropped for one cause, also where this raises.
        """
        parameters = self._store.values
        unfinished = dict(frames)
        try:
            works = []
            for camera, frame in frames:
                work = self._decoded(camera, frame, parameters)
                if work is None:
                    del unfinished[camera]
                else:
                    works.append(work)
            engine.threshold = parameters.threshold
            for work, segmentation, batch_size in self._segmented(engine, works):
                del unfinished[work.camera]
                if segmentation is None:
                    continue
                done = _Done(work, segmentation, engine.device, engine.backend, batch_size)
                if parameters.overlap and (unfinished or self._is_waiting()):
                    self._publish_thread.run_beside(partial(self._finish_beside, done))
                else:
                    self._publish_thread.wait_idle()
                    self._finish(done)
        finally:
            drop(list(unfinished.items()))

    def _finish_beside(self, done: _Done) -> None:
        """Publish and count in the second thread, where nobody catches."""
        try:
            self._finish(done)
        except BaseException as error:
            if not isinstance(error, Exception):  # such as a library's SystemExit
                error = RuntimeError(f'{type(error).__name__} while publishing: {error}')
            try:
                self._crashed(error)
            except Exception:
                traceback.print_exc()  # the node is on its way out

    def _finish(self, done: _Done) -> None:
        """Publish a frame's messages and count it."""
        work, segmentation = done.work, done.segmentation
        info = work.camera.subscriptions.camera_info
        product = Product(work.frame.message.header, work.rgb, segmentation, work.parameters, info)
        try:
            published = work.camera.publishers.publish(work.wanted, product)
        except BaseException:
            drop([(work.camera, work.frame)])
            raise
        self._count(done, published)

    def _decoded(self, camera: Camera, frame: Frame, parameters: NodeParameters) -> _Work | None:
        """Return a decoded frame; None where it was dropped and counted so."""
        wanted = camera.publishers.wanted()
        if not wanted:
            camera.health.dropped('unwanted')
            return None
        age_s = _since_stamp_ms(frame.message.header, self._node.get_clock().now()) / 1e3
        if 0.0 < parameters.max_age_s < age_s:
            camera.health.dropped(
                'stale',
                f'images are {age_s:.1f} s old, more than the {parameters.max_age_s:g} s of '
                'max_age_s',
            )
            return None
        taken_s = perf_counter()
        try:
            rgb = _decode(frame)
        except ImageError as error:
            self._drop_bad(camera, error)
            return None
        camera.image_size = (rgb.shape[0], rgb.shape[1])
        return _Work(camera, frame, wanted, parameters, rgb, taken_s, perf_counter())

    def _segmented(
        self, engine: SegmentationEngine, works: Sequence[_Work]
    ) -> Iterator[tuple[_Work, Segmentation | None, int]]:
        """Yield each frame with its result and the size of its batch.

        Where the device has too little memory it is asked for less at once; see MemoryRelief. The
        result is None where the frame was dropped and counted so.
        """
        relief, waiting = self._relief, list(works)
        while waiting:
            most, is_reduced = relief.limit(len(waiting))
            together, shortage = waiting[:most], ''
            if relief.text:
                engine.reduce(is_reduced)
                for work in together:
                    work.camera.health.warn('memory', relief.text)
            try:
                for work, segmentation, count in self._segmented_together(engine, together):
                    waiting.remove(work)
                    yield work, segmentation, count
                relief.worked(len(together), is_reduced)
            except DeviceMemoryError as error:
                # Dealt with below: here the error's traceback holds on to the memory.
                shortage = str(error)
            if not shortage:
                continue
            can_reduce = len(together) == 1 and engine.reduce(True)
            if relief.failed(len(together), is_reduced, can_reduce):
                self._warn(f'{relief.text}: {shortage}')
            else:
                work = waiting.pop(0)
                work.camera.health.dropped('stopped', shortage)
                self._warn(
                    f'Skipped an image of {work.camera.subscriptions.image_topic}: {shortage}'
                )
                yield work, None, 1

    def _segmented_together(
        self, engine: SegmentationEngine, works: Sequence[_Work]
    ) -> Iterator[tuple[_Work, Segmentation | None, int]]:
        if len(works) > 1:
            try:
                results = engine.segment_batch(
                    [work.rgb for work in works],
                    [needed_results(work.wanted) for work in works],
                )
            except ImageError:
                pass  # one of them is at fault: find out which
            else:
                for number, segmentation in results:
                    yield works[number], segmentation, len(works)
                return
        for work in works:
            try:
                segmentation = engine.segment(work.rgb, needed_results(work.wanted))
            except ImageError as error:
                self._drop_bad(work.camera, error)
                yield work, None, 1
            else:
                yield work, segmentation, 1

    def _drop_bad(self, camera: Camera, error: ImageError) -> None:
        camera.health.dropped('bad', str(error))
        self._warn(f'Skipped an image of {camera.subscriptions.image_topic}: {error}')

    def _warn(self, text: str) -> None:
        self._node.get_logger().warning(text, throttle_duration_sec=WARNING_PERIOD_S)

    def _count(self, done: _Done, published: Published) -> None:
        work, segmentation = done.work, done.segmentation
        camera, frame, header = work.camera, work.frame, work.frame.message.header
        now = self._node.get_clock().now()
        # Meanwhile the clock may have jumped back: a recording has begun anew.
        latency_ms = _since_stamp_ms(header, now) if now >= frame.arrived else math.nan
        counters = camera.health.processed(latency_ms, published.message_bytes)
        if STATS not in work.wanted:
            return
        times_ms = {
            **segmentation.timings_ms,
            'age': _since_stamp_ms(header, frame.arrived),
            'queue': 1e3 * (work.taken_s - frame.arrived_s),
            'decode': 1e3 * (work.decoded_s - work.taken_s),
            'messages': published.messages_ms,
            'publish': published.publish_ms,
            'total': 1e3 * (perf_counter() - frame.arrived_s),
            'latency': latency_ms,
        }
        camera.publishers.publish_stats(
            messages.frame_stats_message(
                header,
                times_ms=times_ms,
                counters=counters,
                image_size=(work.rgb.shape[0], work.rgb.shape[1]),
                batch_size=done.batch_size,
                device=done.device,
                backend=done.backend,
            )
        )


def _since_stamp_ms(header: Header, moment: Time) -> float:
    """Return the milliseconds from a header's stamp to a moment; NaN where it has no stamp."""
    stamp_ns = stamp_ns_of(header.stamp)
    return (moment.nanoseconds - stamp_ns) / 1e6 if stamp_ns > 0 else math.nan


def _decode(frame: Frame) -> RgbImage:
    if isinstance(frame.message, CompressedImage):
        return decode_compressed(frame.message)
    return decode_image(frame.message)
