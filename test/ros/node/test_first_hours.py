# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What a user meets in the first hours: numbers, topics that do not fit, errors that pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')


def test_whole_numbers_are_taken_for_every_parameter_in_double(graph: Graph) -> None:
    from node_support import HeldEngine, start_node
    from rcl_interfaces.srv import SetParameters
    from rclpy.parameter import Parameter

    from hiseg_ros.ros.parameters import DEFAULTS

    node = start_node(graph, HeldEngine().load, autostart=False)
    doubles = [name for name, default in DEFAULTS.items() if isinstance(default, float)]
    assert 'threshold' in doubles
    for name in doubles:
        assert graph.set_parameters({name: 1}) == ''
        assert node.get_parameter(name).value == 1.0
    single = [Parameter('threshold', value=0).to_parameter_msg()]
    request = SetParameters.Request(parameters=single)
    answer = graph.call(SetParameters, '/segmentation/set_parameters', request)
    assert answer.results[0].successful
    assert node._store.values.threshold == 0.0
    assert node.set_parameters([Parameter('threshold', value=1)])[0].successful
    assert graph.set_parameters({'threshold': 2})
    assert graph.set_parameters({'threshold': True})
    assert graph.set_parameters({'max_batch': 1.0})


@pytest.mark.parametrize(
    ('transport', 'published', 'topic', 'said'),
    [
        ('raw', 'CompressedImage', 'image/compressed', 'image_transport to compressed'),
        ('compressed', 'Image', 'image', 'image_transport to raw'),
        ('raw', 'PointCloud2', 'image', 'carries sensor_msgs/msg/PointCloud2'),
        ('raw', 'CompressedImage', 'image', 'carries sensor_msgs/msg/CompressedImage'),
        ('compressed', 'Image', 'image/compressed', 'carries sensor_msgs/msg/Image'),
    ],
)
def test_a_topic_that_does_not_fit_is_said_until_one_fits(
    graph: Graph, transport: str, published: str, topic: str, said: str
) -> None:
    import rclpy
    from node_support import HeldEngine, start_node, wait_active
    from rclpy.node import Node
    from sensor_msgs import msg

    node = start_node(graph, HeldEngine().load, image_transport=transport)
    wait_active(graph)

    def warning() -> str:
        return str(node._cameras()[''].condition(False, 1.0)[1])

    assert 'expected' not in warning()
    # Another participant: one alone has one type for each topic.
    context = rclpy.Context()
    rclpy.init(context=context)
    other = Node('other', context=context)
    other.create_publisher(getattr(msg, published), topic, 1)
    graph.until(lambda: said in warning(), 'the node says what does not fit')
    other.destroy_node()
    rclpy.shutdown(context=context)
    fitting = msg.Image if transport == 'raw' else msg.CompressedImage
    end = '' if transport == 'raw' else '/compressed'
    graph.peer.create_publisher(fitting, f'image{end}', 1)
    graph.until(lambda: said not in warning(), 'the warning goes')


def test_the_last_error_clears_when_frames_are_processed_again() -> None:
    from hiseg_ros.ros.health.camera_health import RECENT_S, CameraHealth
    from hiseg_ros.ros.health.diagnostics import NodeHealth

    now = [0.0]
    camera = CameraHealth(now=lambda: now[0])
    camera.dropped('bad', 'no image at all')
    camera.processed(1.0, {})
    assert camera.values()['last error'] == 'no image at all'
    now[0] = RECENT_S + 1
    assert camera.values()['last error'] == 'no image at all'
    camera.processed(1.0, {})
    assert camera.values()['last error'] == 'none'
    node = NodeHealth()
    node.failed('no weights')
    assert node.last_error
    node.recovered()
    assert not node.last_error
