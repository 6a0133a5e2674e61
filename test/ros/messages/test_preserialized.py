# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Messages that are published already serialised arrive unchanged."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.needs('ros')


def image(size: int = 3072, frame_id: str = 'camera', seed: int = 0) -> Any:
    """Return an image message of random bytes."""
    from sensor_msgs.msg import Image

    from hiseg_ros.ros.messages.preserialized import message_with_data

    message = message_with_data(Image, size)
    message.header.frame_id = frame_id
    message.header.stamp.sec = seed
    message.height, message.width, message.encoding, message.step = 1, size, 'mono8', size
    np.asarray(message.data)[:] = np.random.default_rng(seed).integers(0, 256, size)
    return message


@pytest.fixture
def pair(graph: Any) -> Iterator[Any]:
    """Yield an active lifecycle publisher of images, and the list of what arrives."""
    from rclpy.lifecycle import LifecycleNode
    from sensor_msgs.msg import Image

    node = LifecycleNode('publishing', context=graph.context)
    publisher = node.create_lifecycle_publisher(Image, 'large', 10)
    received = graph.collect(Image, 'large')
    publisher.on_activate(None)
    graph.until(publisher.get_subscription_count, 'the reader')
    yield SimpleNamespace(publisher=publisher, received=received)
    node.destroy_node()


def arrived(graph: Any, pair: Any, count: int) -> list[Any]:
    graph.until(lambda: len(pair.received) >= count, f'{count} messages')
    return list(pair.received)


def test_every_field_and_byte_arrives_without_rclpys_copies(
    graph: Any, pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also from memory that is used again for a message with longer or shorter fields."""
    from hiseg_ros.ros.messages.preserialized import publish

    def refuse(message: Any) -> None:
        raise AssertionError('it took the slow way')

    monkeypatch.setattr(pair.publisher, 'publish', refuse)
    sent = []
    for size, frame_id in ((1, ''), (3, 'a'), (4096, 'camera'), (5000, 'c' * 1500)):
        message = image(size, frame_id, seed=size)
        publish(pair.publisher, message)
        sent.append((frame_id, size, bytes(message.data)))
    for frame_id in ('front/left', 'x'):
        message.header.frame_id = frame_id
        message.data[0] ^= 255
        publish(pair.publisher, message)
        sent.append((frame_id, size, bytes(message.data)))
    received = arrived(graph, pair, len(sent))
    assert [(m.header.frame_id, m.header.stamp.sec, bytes(m.data)) for m in received] == sent
    assert {(m.height, m.encoding) for m in received} == {(1, 'mono8')}


def test_a_probability_map_is_read_as_it_was_written(graph: Any) -> None:
    """Its ids are an array in front of the data."""
    from rclpy.lifecycle import LifecycleNode

    from hiseg_ros.msg import ProbabilityMap
    from hiseg_ros.ros.messages.preserialized import message_with_data, publish

    node = LifecycleNode('publishing', context=graph.context)
    publisher = node.create_lifecycle_publisher(ProbabilityMap, 'map', 10)
    received = graph.collect(ProbabilityMap, 'map')
    publisher.on_activate(None)
    graph.until(publisher.get_subscription_count, 'the reader')
    message = message_with_data(ProbabilityMap, 24)
    message.taxonomy_digest, message.encoding = 'abc', 'uint8'
    message.node_ids = array('H', [4, 7, 300])
    message.height, message.width, message.stride_y = 2, 4, 1.5
    np.asarray(message.data)[:] = np.arange(24)
    publish(publisher, message)
    graph.until(lambda: received, 'the map')
    node.destroy_node()
    assert received[0] == message


@pytest.mark.parametrize('reason', ['fields', 'middleware'])
def test_what_cannot_go_out_serialised_goes_out_by_rclpy(
    graph: Any, pair: Any, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    """A message is never lost for its form."""
    from hiseg_ros.ros.messages import preserialized as large_message

    message = image(frame_id='f' * (5000 if reason == 'fields' else 5))
    if reason == 'middleware':
        monkeypatch.setattr(large_message, '_publish_serialized', lambda *_: False)
    large_message.publish(pair.publisher, message)
    assert arrived(graph, pair, 1) == [message]


def test_a_message_of_rclpy_goes_its_way(graph: Any, pair: Any) -> None:
    """Small ones are not worth another."""
    from sensor_msgs.msg import Image

    from hiseg_ros.ros.messages.preserialized import publish

    message = Image(height=1, width=2, data=array('B', b'ab'))
    publish(pair.publisher, message)
    assert arrived(graph, pair, 1) == [message]


def test_an_inactive_publisher_sends_nothing(graph: Any, pair: Any) -> None:
    """As every lifecycle publisher; what comes after it is active again arrives first."""
    from hiseg_ros.ros.messages.preserialized import publish

    pair.publisher.on_deactivate(None)
    publish(pair.publisher, image(seed=1))
    pair.publisher.on_activate(None)
    publish(pair.publisher, image(seed=2))
    assert [m.header.stamp.sec for m in arrived(graph, pair, 1)] == [2]


def test_a_destroyed_publisher_is_an_error_and_no_crash(graph: Any) -> None:
    """Its memory is gone."""
    from rclpy.exceptions import InvalidHandle
    from rclpy.lifecycle import LifecycleNode
    from sensor_msgs.msg import Image

    from hiseg_ros.ros.messages.preserialized import publish

    node = LifecycleNode('publishing', context=graph.context)
    publisher = node.create_lifecycle_publisher(Image, 'large', 10)
    publisher.on_activate(None)
    node.destroy_lifecycle_publisher(publisher)
    node.destroy_node()
    with pytest.raises(InvalidHandle):
        publish(publisher, image())


def test_a_kind_that_is_serialised_in_another_order_is_found_out() -> None:
    """Where fields follow the data, the two side by side are another message."""
    from sensor_msgs.msg import PointCloud2  # is_dense follows the data

    from hiseg_ros.msg import ProbabilityMap
    from hiseg_ros.ros.messages.preserialized import _is_composable

    assert _is_composable(ProbabilityMap)
    assert not _is_composable(PointCloud2)
