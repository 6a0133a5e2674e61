# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Labelled points of one camera: its labels on the depth image or cloud of the same stamp."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from hiseg_ros.bags.stamps import header_stamp_ns, stamp_ns_of
from hiseg_ros.errors import ImageError
from hiseg_ros.messages.points import (
    depth_in_metres,
    labelled_points,
    packed_colors,
    points_of_cloud,
    points_of_depth,
    rays,
)
from hiseg_ros.ros.consumers.stamp_pairs import StampPairs, Unpaired
from hiseg_ros.ros.consumers.topic_group import Late
from hiseg_ros.ros.messages.builder import messages
from hiseg_ros.ros.messages.product import Product
from hiseg_ros.ros.parameters import NodeParameters
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import ImageSize, LabelImage, RgbImage

POINTS = 'points'
SOURCES: Mapping[str, tuple[str, type]] = {
    'depth': ('depth/image', Image),
    'cloud': ('depth/points', PointCloud2),
}
"""Topic and type of each value of parameter points.source."""

QUEUE = 5
CLOSE_S = 1.0


@dataclass(frozen=True, eq=False)
class _Labelled:
    """What the points of a frame are made of, each array already at the points' stride."""

    header: Header
    size: ImageSize
    """(H, W) of the camera image."""
    step: slice
    """Rows and columns of that image that have a point."""
    rgb: RgbImage
    labels: LabelImage
    confidence: NDArray[np.uint8]
    camera_info: CameraInfo | None
    parameters: NodeParameters


class Points:
    """~/points of one camera.

    Depth may come before the labels or after them, so neither waits in the way of the frames: both
    go into bounded queues, and a thread builds and publishes the points of those that belong
    together. It starts with the first frame that somebody wants points of.
    """

    def __init__(
        self,
        node: Node,
        camera: str,
        taxonomy: Taxonomy,
        parameters: NodeParameters,
        late: Late,
    ) -> None:
        """Subscribe to nothing yet; see `follow`.

        Args:
            node: The node to subscribe with.
            camera: Namespace of the depth topic; empty for the only camera.
            taxonomy: Tree of the labels.
            parameters: Those named points.* are used.
            late: Publishes the points.
        """
        self.kinds: Mapping[str, type] = {POINTS: PointCloud2}
        name, self._kind = SOURCES[parameters.points_source]
        self.topic = node.resolve_topic_name(f'{camera}/{name}' if camera else name)
        self._node = node
        self._late = late
        colors = np.zeros((256, 1, 3), np.uint8)
        for tree_node in taxonomy.nodes:
            colors[tree_node.node_id] = tree_node.color
        self._packed_of_label = packed_colors(colors)[:, 0]
        self._pairs: StampPairs[_Labelled, Any] = StampPairs(parameters.points_queue_size)
        self._condition = threading.Condition()
        self._max_offset_ns = 0
        self._closed = False
        self._thread: threading.Thread | None = None
        self._subscription: Subscription | None = None
        self._reliability = ReliabilityPolicy.RELIABLE
        self._rays: tuple[Any, tuple[NDArray[np.float32], NDArray[np.float32]]] | None = None

    def follow(self, is_wanted: bool) -> None:
        """Subscribe while somebody wants points, as reliably as the depth is published."""
        offers = self._node.get_publishers_info_by_topic(self.topic) if is_wanted else []
        is_reliable = all(
            offer.qos_profile.reliability == ReliabilityPolicy.RELIABLE for offer in offers
        )
        wanted = ReliabilityPolicy.RELIABLE if is_reliable else ReliabilityPolicy.BEST_EFFORT
        has_changed = wanted != self._reliability
        if self._subscription is not None and (not is_wanted or has_changed):
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
        if not is_wanted:
            self.forget()
        elif self._subscription is None:
            self._reliability = wanted
            qos = QoSProfile(reliability=wanted, history=HistoryPolicy.KEEP_LAST, depth=QUEUE)
            self._subscription = self._node.create_subscription(
                self._kind, self.topic, self._on_depth, qos
            )

    def forget(self) -> None:
        """Drop the frames and the depth that wait."""
        with self._condition:
            self._pairs.clear()

    def _on_depth(self, message: Image | PointCloud2) -> None:
        """Keep a depth message; rclpy calls this in the executor's thread."""
        with self._condition:
            self._pairs.add_depth(header_stamp_ns(message), message)
            self._condition.notify_all()

    def build(self, product: Product, wanted: frozenset[str]) -> Iterator[tuple[str, Any]]:
        """Hand a frame over to the thread; yields nothing. See `TopicGroup`."""
        if POINTS not in wanted:
            return
        stamp_ns = stamp_ns_of(product.header.stamp)
        if stamp_ns <= 0:
            self._late.warn(
                POINTS,
                'images have no stamp, so no depth can be found for ~/points: set the stamp in '
                'the camera driver',
            )
            return
        labels, parameters = product.segmentation.labels, product.parameters
        stride = parameters.points_stride
        step = slice((stride - 1) // 2, None, stride)
        frame = _Labelled(
            product.header,
            (labels.shape[0], labels.shape[1]),
            step,
            # Copies, since they are read after the frame is done with.
            product.rgb[step, step].copy(),
            labels[step, step].copy(),
            product.segmentation.confidence[step, step].copy(),
            product.camera_info,
            parameters,
        )
        with self._condition:
            if self._closed:
                return
            if self._thread is None:
                thread = threading.Thread(target=self._run, name='hiseg_points', daemon=True)
                thread.start()
                self._thread = thread  # only now: one that could not start cannot be joined either
            self._max_offset_ns = round(parameters.points_max_offset_ms * 1e6)
            self._pairs.add_frame(stamp_ns, frame)
            self._condition.notify_all()
        yield from ()

    def _run(self) -> None:
        while True:
            with self._condition:
                found = self._pairs.take(self._max_offset_ns)
                if self._closed:
                    return
                if found is None:
                    self._condition.wait()
                    continue
            try:
                if isinstance(found, Unpaired):
                    self._late.warn(POINTS, self._why_unpaired(found))
                else:
                    self._late.publish(POINTS, self._message(*found))
            except ImageError as error:
                self._late.warn(POINTS, str(error))
            except Exception as error:  # the thread would die silently
                if not self._closed and self._node.context.ok():
                    self._late.warn(POINTS, f'{type(error).__name__}: {error}')
            del found

    def _why_unpaired(self, frame: Unpaired) -> str:
        if frame.offset_ns is None:
            return (
                f'~/points has no depth, since nothing arrives on {self.topic}: remap it to the '
                'topic of the depth camera'
            )
        return (
            f'~/points has no depth with the stamp of the image: the nearest on {self.topic} is '
            f'{frame.offset_ns / 1e6:.1f} ms off; expected at most points.max_offset_ms, which is '
            f'{self._max_offset_ns / 1e6:g}: raise it, or have both published with one stamp'
        )

    def _message(self, frame: _Labelled, depth: Image | PointCloud2) -> PointCloud2:
        """Return the points of a frame.

        Raises:
            ImageError: The depth has another size or cannot be read, or there is no camera_info.
        """
        if (depth.height, depth.width) != frame.size:
            shape = 'cloud' if self._kind is PointCloud2 else 'depth image'
            raise ImageError(
                f'The {shape} on {self.topic} has {depth.width}x{depth.height} '
                f'{"points" if shape == "cloud" else "pixels"}; expected {frame.size[1]}x'
                f'{frame.size[0]}, those of the camera image: publish depth that is aligned with '
                'it.'
            )
        header, step = frame.header, frame.step
        if isinstance(depth, PointCloud2):
            xyz = points_of_cloud(depth)[:, step, step]
            # The cloud's coordinates are in its own frame, not necessarily the camera's.
            header = Header(stamp=header.stamp, frame_id=depth.header.frame_id)
        else:
            self._check_frame(header.frame_id, depth.header.frame_id)
            columns, rows = self._rays_of(frame)
            xyz = points_of_depth(depth_in_metres(depth)[step, step], (columns[step], rows[step]))
        if frame.parameters.points_color == 'labels':
            colors = self._packed_of_label[frame.labels]
        else:
            colors = packed_colors(frame.rgb)
        points = labelled_points(
            xyz, colors, frame.labels, frame.confidence, dense=frame.parameters.points_dense
        )
        return messages.points_message(header, points)

    def _check_frame(self, image: str, depth: str) -> None:
        """Warn where depth seems to be of another camera; points are published all the same."""
        if image and depth and image != depth:
            self._late.warn(
                POINTS,
                f'the depth image on {self.topic} has the frame {depth}, the camera image has '
                f'{image}; expected one: if depth is not aligned with the image, ~/points are '
                'wrong: choose the aligned topic',
            )

    def _rays_of(self, frame: _Labelled) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return x / z of the columns and y / z of the rows; kept while camera_info stays."""
        info = frame.camera_info
        if info is None:
            raise ImageError(
                '~/points needs the camera_info of the camera image, and none has arrived; '
                'expected it beside the image: remap camera_info.'
            )
        roi = info.roi
        key = (
            frame.size, tuple(info.p), tuple(info.k), info.height, info.width, info.binning_x,
            info.binning_y, roi.x_offset, roi.y_offset, roi.height, roi.width,
        )  # fmt: skip
        if self._rays is None or self._rays[0] != key:
            self._rays = key, rays(info, frame.size)
        return self._rays[1]

    def destroy(self) -> None:
        """End the thread and unsubscribe."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join(CLOSE_S)
        self.follow(False)
