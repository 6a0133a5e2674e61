# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""~/points through the real graph: labels on depth of the same stamp, and what prevents them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hiseg_ros.messages.points import POINT
from hiseg_ros.types import RgbImage, Segmentation, Wanted

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')

SIZE = (24, 36)
FOCAL, CENTRE = 20.0, (17.5, 11.5)


def striped_engine() -> Any:
    """Return an engine whose labels and confidence differ from pixel to pixel."""
    from node_support import HeldEngine

    class Striped(HeldEngine):
        def segment(self, rgb: RgbImage, *wanted: Wanted) -> Segmentation:
            plain = super().segment(rgb, *wanted)
            y, x = np.mgrid[: rgb.shape[0], : rgb.shape[1]]
            labels = np.where((x // 5) % 7 == 6, 255, (x // 5 + y // 7) % 50).astype(np.uint8)
            confidence = (x + 3 * y).astype(np.uint8)
            return Segmentation(labels, confidence, plain.probabilities)

    return Striped()


def camera_info(number: int) -> Any:
    """Return the calibration of the camera."""
    from node_support import header
    from sensor_msgs.msg import CameraInfo

    p = [FOCAL, 0.0, CENTRE[0], 0.0, 0.0, FOCAL, CENTRE[1], 0.0, 0.0, 0.0, 1.0, 0.0]
    return CameraInfo(header=header(number), height=SIZE[0], width=SIZE[1], p=p)


def random_image(number: int) -> Any:
    """Return a coloured image."""
    from node_support import image_message

    rgb = np.random.default_rng(number).integers(0, 256, (*SIZE, 3), np.uint8)
    return image_message(rgb, number)


def depth_image(number: int, size: tuple[int, int] = SIZE) -> Any:
    """Return a depth image in millimetres, with holes."""
    from node_support import header
    from sensor_msgs.msg import Image

    values = np.random.default_rng(number + 99).integers(500, 9000, size, np.uint16)
    values[:3, ::4] = 0
    return Image(
        header=header(number), height=size[0], width=size[1], encoding='16UC1',
        step=2 * size[1], data=values.tobytes(),
    )  # fmt: skip


def points_of(message: Any) -> NDArray[Any]:
    """Return the points of a message."""
    return np.frombuffer(bytes(message.data), POINT).reshape(message.height, message.width)


def values_of(image: Any, dtype: str = 'u1') -> NDArray[Any]:
    """Return the values of an image message of one or three channels."""
    shape = (image.height, image.width, *([3] if image.encoding == 'rgb8' else []))
    return np.frombuffer(bytes(image.data), dtype).reshape(shape)


class Rig:
    """A camera with depth, and a reader of its points."""

    def __init__(self, graph: Graph, kind: type, topic: str, **given: Any) -> None:
        from node_support import start_node, wait_active
        from ros_graph import RVIZ_QOS
        from sensor_msgs.msg import CameraInfo, Image, PointCloud2

        self.graph = graph
        self.node = start_node(graph, striped_engine().load, **given)
        wait_active(graph)
        self.topic = topic
        self.points = graph.collect(PointCloud2, '/segmentation/points', RVIZ_QOS)
        self.labels = graph.collect(Image, '/segmentation/labels', RVIZ_QOS)
        self.confidence = graph.collect(Image, '/segmentation/confidence', RVIZ_QOS)
        self._images = graph.peer.create_publisher(Image, 'image', 1)
        self._infos = graph.peer.create_publisher(CameraInfo, 'camera_info', 1)
        self._depth = graph.peer.create_publisher(kind, topic, 5)
        self.sent = 0

    def send(self, make_depth: Any, *, late: bool = False) -> None:
        """Send an image with its depth, the depth before or after the labels."""
        self.sent += 1
        number, done = self.sent, len(self.labels)
        self._infos.publish(camera_info(number))
        if not late:
            self._depth.publish(make_depth(number))
        self._images.publish(random_image(number))
        self.graph.until(
            lambda: len(self.labels) > done or self.sent < 5, f'labels of image {number}'
        )
        if late:
            self._depth.publish(make_depth(number))
        self.graph.spin(0.1)

    def connect(self, make_depth: Any) -> None:
        """Send until everything is connected and the first points have come."""
        self.graph.until(lambda: self.points, 'points', meanwhile=lambda: self.send(make_depth))

    def of_number(self, messages: list[Any], number: int) -> Any:
        """Wait for the message about an image and return it."""
        from node_support import header

        stamp = header(number).stamp
        return self.graph.until(
            lambda: next((m for m in messages if m.header.stamp == stamp), None),
            f'a message about image {number}',
        )


def test_points_are_the_labels_at_the_depth_of_their_pixels(graph: Graph) -> None:
    """Whether depth comes before the labels or after; nobody subscribes to it in vain."""
    from diagnostic_msgs.msg import DiagnosticArray
    from node_support import header, latest
    from sensor_msgs.msg import Image

    rig = Rig(graph, Image, 'depth/image', points__source='depth')
    reports = graph.collect(DiagnosticArray, '/diagnostics')
    rig.connect(depth_image)
    for late in (False, True):
        rig.send(depth_image, late=late)
        number = rig.sent
        message, image = rig.of_number(rig.points, number), random_image(number)
        assert message.header == header(number)
        assert (message.height, message.width, message.is_dense) == (*SIZE, False)
        points = points_of(message)
        depth = values_of(depth_image(number), '<u2') / 1e3
        y, x = np.mgrid[: SIZE[0], : SIZE[1]]
        there = depth > 0
        assert np.isnan([points[name][~there] for name in 'xyz']).all()
        for name, expected in (
            ('x', (x - CENTRE[0]) * depth / FOCAL),
            ('y', (y - CENTRE[1]) * depth / FOCAL),
            ('z', depth),
        ):
            np.testing.assert_allclose(points[name][there], expected[there], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(
            points['label'], values_of(rig.of_number(rig.labels, number))
        )
        confidence = values_of(rig.of_number(rig.confidence, number))
        np.testing.assert_allclose(points['confidence'], confidence / 255, rtol=1e-6)
        r, g, b = np.moveaxis(values_of(image).astype(np.uint32), 2, 0)
        np.testing.assert_array_equal(points['rgb'], r << 16 | g << 8 | b)

    # Live parameters: every second pixel, only where there is depth, in the labels' colours.
    values = {'points.stride': 2, 'points.dense': True, 'points.color': 'labels'}
    assert graph.set_parameters(values) == ''
    rig.send(depth_image)
    message = rig.of_number(rig.points, rig.sent)
    depth = values_of(depth_image(rig.sent), '<u2')[::2, ::2] / 1e3
    assert (message.height, message.is_dense) == (1, True)
    points = points_of(message)[0]
    np.testing.assert_allclose(points['z'], depth[depth > 0], rtol=1e-6)
    taxonomy = striped_engine().taxonomy
    for point in points[:: len(points) // 20]:
        known = int(point['label']) < len(taxonomy)
        r, g, b = taxonomy.nodes[point['label']].color if known else (0, 0, 0)
        assert point['rgb'] == r << 16 | g << 8 | b

    # Depth of another size is said in a sentence, and the node goes on.
    rig.send(lambda number: depth_image(number, (12, 18)))
    graph.until(lambda: '18x12 pixels; expected 36x24' in latest(reports)[1], 'a warning')
    assert 'depth image on /depth/image' in latest(reports)[1]
    # So is depth whose stamp is off.
    rig.send(lambda number: depth_image(number + 1))
    rig.send(lambda number: depth_image(number + 1))
    graph.until(lambda: 'has no depth with the stamp' in latest(reports)[1], 'another warning')

    graph.unsubscribe('/segmentation/points')
    graph.until(
        lambda: graph.peer.count_subscribers('/depth/image') == 0, 'the node has unsubscribed'
    )


def test_points_of_a_cloud_keep_its_frame(graph: Graph) -> None:
    """An organised cloud in the frame of the robot, for a camera with a name."""
    from node_support import STAMP, header
    from sensor_msgs.msg import PointCloud2, PointField

    xyz = np.random.default_rng(5).uniform(-4, 4, (*SIZE, 3)).astype('<f4')
    xyz[2:4, 5] = np.nan

    def cloud(number: int) -> Any:
        message = PointCloud2(header=header(number), height=SIZE[0], width=SIZE[1])
        message.header.frame_id = 'base_link'
        message.fields = [
            PointField(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate('xyz')
        ]
        message.point_step, message.row_step = 12, 12 * SIZE[1]
        message.data = xyz.tobytes()
        return message

    rig = Rig(graph, PointCloud2, 'depth/points', points__source='cloud')
    rig.connect(cloud)
    message = rig.points[-1]
    assert message.header.frame_id == 'base_link'
    assert message.header.stamp.nanosec == STAMP.nanosec
    points = points_of(message)
    found = np.stack([points[name] for name in 'xyz'], -1)
    np.testing.assert_array_equal(found, xyz)
