# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Serialized messages of any content, as other participants may send them, do not end the node."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from damaged_cdr import damaged

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')

IMAGE = np.zeros((24, 32, 3), np.uint8)


def sound_messages() -> dict[str, Any]:
    from node_support import image_message
    from rosgraph_msgs.msg import Clock
    from sensor_msgs.msg import CameraInfo

    info = CameraInfo(height=24, width=32, distortion_model='plumb_bob', d=[0.0] * 5)
    return {'image': image_message(IMAGE), 'camera_info': info, '/clock': Clock()}


def test_arbitrary_bytes_on_every_subscription_leave_the_node_active(graph: Graph) -> None:
    from node_support import HeldEngine, image_message, start_node, wait_active
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import Image

    node = start_node(graph, HeldEngine().load, use_sim_time=True)
    wait_active(graph)
    labels = graph.collect(Image, '/segmentation/labels')
    chance = random.Random(7)
    images, sent = None, 0
    for topic, message in sound_messages().items():
        publisher = graph.peer.create_publisher(type(message), topic, 10)
        graph.until(publisher.get_subscription_count, f'the node listens to {topic}')
        for number, data in enumerate(damaged(bytes(serialize_message(message)), chance)):
            try:
                publisher.publish(data)
                sent += 1
            except RuntimeError:  # RCLError: the sender's middleware refuses it
                pass
            if number % 8 == 0:
                graph.spin(0.01)
        images = publisher if topic == 'image' else images
    assert images is not None
    assert sent > 200
    labels.clear()
    graph.until(
        lambda: labels,
        'labels after all that',
        meanwhile=lambda: images.publish(image_message(IMAGE)),
    )
    assert graph.state() == 'active'
    assert all(thread.is_alive() for _, thread, _ in graph._running)
    assert node.context.ok()
