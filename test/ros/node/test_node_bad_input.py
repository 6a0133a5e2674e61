# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Images that cannot be read: counted, reported, and the next good one is segmented."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hiseg_ros.types import RgbImage

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')


def spoilt_image(case: str, rgb: RgbImage) -> Any:
    """Return an image message with the fault of a case."""
    from node_support import image_message

    message = image_message(rgb)
    if case == 'truncated':
        message.data = message.data[: len(message.data) // 2]
    elif case == 'no data':
        message.data = b''
    elif case == 'unknown encoding':
        message.encoding = 'plaid8'
    elif case == 'no encoding':
        message.encoding = ''
    elif case == 'zero height':
        message.height = 0
        message.data = b''
    elif case == 'zero width':
        message.width = message.step = 0
        message.data = b''
    elif case == 'step shorter than a row':
        message.step = message.width
    elif case == 'absurd size':
        message.height = message.width = 2**31
    return message


def spoilt_compressed(case: str, rgb: RgbImage) -> Any:
    """Return a compressed message with the fault of a case."""
    import cv2
    from node_support import compressed_message

    content = cv2.imencode('.jpg', rgb[..., ::-1])[1].tobytes()
    if case == 'corrupt JPEG':
        content = content[:20] + bytes(len(content) - 20)
    elif case == 'cut JPEG':
        content = content[: len(content) // 2]
    elif case == 'no image at all':
        content = b'not an image'
    elif case == 'empty':
        content = b''
    return compressed_message(content, kind='jpeg')


RAW_CASES = [
    'truncated', 'no data', 'unknown encoding', 'no encoding', 'zero height', 'zero width',
    'step shorter than a row', 'absurd size',
]  # fmt: skip
COMPRESSED_CASES = ['corrupt JPEG', 'cut JPEG', 'no image at all', 'empty']


def check_bad_then_good(
    graph: Graph, node: Any, images: Any, bad: list[tuple[str, Any]], good: Any
) -> None:
    """Send good, each bad, good again; each bad one must be counted and stop nothing."""
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
    from node_support import header
    from sensor_msgs.msg import Image

    labels = graph.collect(Image, '/segmentation/labels', 20)
    reports = graph.collect(DiagnosticArray, '/diagnostics')
    graph.until(lambda: labels, 'labels of a good image', meanwhile=lambda: images.publish(good))
    for case, message in bad:
        before = node.counters.bad
        graph.until(
            lambda before=before: node.counters.bad > before,
            f'{case} was counted',
            meanwhile=lambda message=message: images.publish(message),
        )
    graph.until(
        lambda: reports and reports[-1].status[0].level == DiagnosticStatus.WARN,
        'a WARN in diagnostics',
    )
    status = reports[-1].status[0]
    values = {entry.key: entry.value for entry in status.values}
    assert 'unreadable image' in status.message
    assert 'expected' in values['last error']
    assert graph.state() == 'active'
    labels.clear()
    good.header = header(9)
    images.publish(good)
    graph.until(
        lambda: any(message.header == header(9) for message in labels), 'labels of the next image'
    )
    graph.until(
        lambda: int(
            {e.key: e.value for e in reports[-1].status[0].values}['frames dropped malformed']
        ) == node.counters.bad,
        'diagnostics count them',
    )  # fmt: skip


def test_bad_images_are_counted_and_the_next_good_one_is_segmented(
    graph: Graph, street_image: RgbImage
) -> None:
    from node_support import HeldEngine, image_message, start_node, wait_active
    from rclpy.qos import QoSProfile
    from sensor_msgs.msg import Image

    node = start_node(graph, HeldEngine().load)
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', QoSProfile(depth=20))
    bad = [(case, spoilt_image(case, street_image)) for case in RAW_CASES]
    check_bad_then_good(graph, node, images, bad, image_message(street_image))


def test_bad_compressed_images_are_counted_and_the_next_good_one_is_segmented(
    graph: Graph, street_image: RgbImage
) -> None:
    import cv2
    from node_support import HeldEngine, compressed_message, start_node, wait_active
    from rclpy.qos import QoSProfile
    from sensor_msgs.msg import CompressedImage

    node = start_node(graph, HeldEngine().load, image_transport='compressed')
    wait_active(graph)
    images = graph.peer.create_publisher(CompressedImage, 'image/compressed', QoSProfile(depth=20))
    bad = [(case, spoilt_compressed(case, street_image)) for case in COMPRESSED_CASES]
    good = compressed_message(cv2.imencode('.png', street_image[..., ::-1])[1].tobytes())
    check_bad_then_good(graph, node, images, bad, good)


def test_an_image_of_another_size_in_mid_stream_is_no_fault(graph: Graph) -> None:
    from node_support import HeldEngine, image_message, start_node, wait_active
    from sensor_msgs.msg import Image

    node = start_node(graph, HeldEngine().load)
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 1)
    labels = graph.collect(Image, '/segmentation/labels')
    for height, width in ((48, 64), (1, 1), (31, 17)):
        labels.clear()
        image = np.zeros((height, width, 3), np.uint8)
        graph.until(
            lambda height=height, width=width: any(
                (message.height, message.width) == (height, width) for message in labels
            ),
            f'labels of {height} x {width} pixels',
            meanwhile=lambda image=image: images.publish(image_message(image)),
        )
    assert node.counters.bad == 0
