# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""No request, message or clock from outside ends the node: it is refused, counted and said."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')

IMAGE = np.zeros((24, 32, 3), np.uint8)
TRANSITIONS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 50, 60, 61, 62, 99, 255)
ALLOWED = {'unconfigured': {1, 5}, 'inactive': {2, 3, 6}, 'active': {4, 7}}


def runs(graph: Graph) -> bool:
    """Return whether every node of the graph is still being spun."""
    return all(thread.is_alive() for _, thread, _ in graph._running)


def refused(graph: Graph, node: Any) -> int:
    """Return how many requests the diagnostics say were refused."""
    assert runs(graph)
    status = node._health.statuses('node', {}, 1.0)[0]
    return int({v.key: v.value for v in status.values}['requests refused'])


@pytest.mark.parametrize('state', ALLOWED)
def test_transitions_that_the_state_lacks_are_refused(graph: Graph, state: str) -> None:
    from node_support import HeldEngine, start_node
    from ros_graph import ACTIVATE, CONFIGURE

    node = start_node(graph, HeldEngine().load, autostart=False)
    if state != 'unconfigured':
        assert graph.change_state(CONFIGURE)
    if state == 'active':
        assert graph.change_state(ACTIVATE)
    wrong = [number for number in TRANSITIONS if number not in ALLOWED[state]]
    for number in wrong:
        assert not graph.change_state(number)
        assert graph.state() == state
    assert refused(graph, node) >= len(wrong)
    level, text = (node._health.statuses('n', {}, 1.0)[0].level, node._health._refusal)
    assert level == b'\x01'
    assert f'while the node is {state}' in text


@pytest.mark.parametrize('label', ['configure', 'no such transition', 'transition_success', '\n'])
def test_transitions_by_label_that_the_state_lacks_are_refused(graph: Graph, label: str) -> None:
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState
    from node_support import HeldEngine, start_node, wait_active

    node = start_node(graph, HeldEngine().load)
    wait_active(graph)
    request = ChangeState.Request(transition=Transition(id=4, label=label))
    assert not graph.call(ChangeState, '/segmentation/change_state', request).success
    assert graph.state() == 'active'
    assert refused(graph, node) >= 1


@pytest.mark.parametrize('kind', [10, 99, 255])
@pytest.mark.parametrize('atomically', [False, True])
def test_a_parameter_of_an_unknown_type_is_refused_and_its_neighbours_are_set(
    graph: Graph, kind: int, atomically: bool
) -> None:
    from node_support import HeldEngine, start_node, wait_active
    from rcl_interfaces.msg import Parameter, ParameterValue
    from rcl_interfaces.srv import SetParameters, SetParametersAtomically

    node = start_node(graph, HeldEngine().load)
    wait_active(graph)
    parameters = [
        Parameter(name='overlay.alpha', value=ParameterValue(type=3, double_value=0.25)),
        Parameter(name='threshold', value=ParameterValue(type=kind)),
        Parameter(name='max_batch', value=ParameterValue(type=2, integer_value=2)),
    ]
    if atomically:
        request = SetParametersAtomically.Request(parameters=parameters)
        service = '/segmentation/set_parameters_atomically'
        result = graph.call(SetParametersAtomically, service, request).result
        assert not result.successful
        assert result.reason
        assert node._store.values.max_batch == 0
    else:
        many = SetParameters.Request(parameters=parameters)
        results = graph.call(SetParameters, '/segmentation/set_parameters', many).results
        assert [result.successful for result in results] == [True, False, True]
        assert str(kind) in results[1].reason
        assert node._store.values.max_batch == 2
    assert graph.state() == 'active'
    assert refused(graph, node) == 1


@pytest.mark.parametrize('of', ['parameter', 'start'])
def test_times_that_cannot_be_set_are_refused_and_the_node_goes_on(graph: Graph, of: str) -> None:
    from builtin_interfaces.msg import Time
    from node_support import HeldEngine, image_message, start_node, wait_active
    from rosgraph_msgs.msg import Clock
    from sensor_msgs.msg import Image

    if of == 'start':
        node = start_node(graph, HeldEngine().load, use_sim_time=True)
    else:
        node = start_node(graph, HeldEngine().load)
        assert not graph.set_parameters({'use_sim_time': True})
    wait_active(graph)
    clock = graph.peer.create_publisher(Clock, '/clock', 1)
    images = graph.peer.create_publisher(Image, 'image', 1)
    labels = graph.collect(Image, '/segmentation/labels')
    wrong = [
        Time(sec=-1),
        Time(sec=-(2**31)),
        Time(sec=2**31 - 1, nanosec=2**32 - 1),
        Time(sec=2**31 - 1),
        Time(sec=5, nanosec=2**32 - 1),
    ]
    for time in wrong:
        before = refused(graph, node)
        graph.until(
            lambda: refused(graph, node) > before,  # noqa: B023
            'the time is refused',
            meanwhile=lambda: clock.publish(Clock(clock=time)),  # noqa: B023
        )
    graph.until(
        lambda: node.get_clock().now().nanoseconds == 7_000_000_000,
        'a sound time is set',
        meanwhile=lambda: clock.publish(Clock(clock=Time(sec=7))),
    )
    graph.until(lambda: labels, 'labels', meanwhile=lambda: images.publish(image_message(IMAGE)))


def test_arbitrary_requests_and_messages_leave_the_node_active(graph: Graph) -> None:
    from node_support import HeldEngine, image_message, start_node, wait_active
    from rcl_interfaces import srv as parameters
    from sensor_msgs.msg import CameraInfo, Image
    from std_srvs.srv import SetBool

    from hiseg_ros.srv import LoadModel

    node = start_node(graph, HeldEngine().load)
    wait_active(graph)
    labels = graph.collect(Image, '/segmentation/labels')
    chance = random.Random(5)
    kinds = [parameters.SetParameters, parameters.SetParametersAtomically]
    kinds += [parameters.GetParameters, parameters.DescribeParameters]
    kinds += [parameters.GetParameterTypes, parameters.ListParameters]
    names = [name for name in vars(parameters) if name in {kind.__name__ for kind in kinds}]
    assert len(names) == len(kinds)
    for _ in range(8):
        for kind in kinds:
            service = ''.join(f'_{c.lower()}' if c.isupper() else c for c in kind.__name__)[1:]
            graph.call(kind, f'/segmentation/{service}', arbitrary(kind.Request, chance, node))
    graph.call(LoadModel, '/segmentation/load_model', LoadModel.Request(model='/' * 70_000))
    graph.call(SetBool, '/segmentation/set_enabled', SetBool.Request(data=True))
    topics = [(Image, 'image'), (CameraInfo, 'camera_info')]
    publishers = [(kind, graph.peer.create_publisher(kind, topic, 1)) for kind, topic in topics]
    received = node.counters.received
    graph.until(lambda: publishers[0][1].get_subscription_count(), 'the node listens')
    for _ in range(40):
        for kind, publisher in publishers:
            publisher.publish(arbitrary(kind, chance, node))
            graph.spin(0.01)
    graph.until(lambda: node.counters.received > received, 'images arrive')
    graph.set_parameters({'use_sim_time': False})
    labels.clear()
    graph.until(
        lambda: labels,
        'labels after all that',
        meanwhile=lambda: publishers[0][1].publish(image_message(IMAGE)),
    )
    assert graph.state() == 'active'
    assert runs(graph)


def arbitrary(kind: Any, chance: random.Random, node: Any) -> Any:
    """Return a message or request with random values in all fields, names often the node's."""
    message = kind()
    for field, type_name in kind.get_fields_and_field_types().items():
        made: Callable[[], Any] = lambda t=type_name: _value(t, chance, node)  # type: ignore[misc] # noqa: E731
        if type_name.startswith('sequence<'):
            inner = type_name[len('sequence<') :].split('>')[0].split(',')[0]
            setattr(
                message, field, [_value(inner, chance, node) for _ in range(chance.randrange(6))]
            )
        elif '[' not in type_name:
            setattr(message, field, made())
    return message


def _value(type_name: str, chance: random.Random, node: Any) -> Any:
    if type_name.startswith('string'):
        words = ['', 'threshold', 'model', 'cameras', 'use_sim_time', 'rgb8', 'mono16', '\x1b[2J']
        return chance.choice([*words, 'ü' * 300, 'qos_overrides./image.depth'])
    if type_name == 'boolean':
        return chance.random() < 0.5
    if type_name in ('double', 'float'):
        return chance.choice(
            [0.0, -1.0, float('nan'), float('inf'), 1e308 if type_name == 'double' else 1.0]
        )
    if type_name == 'octet':
        return bytes([chance.randrange(256)])
    if 'int' in type_name and '/' not in type_name:
        bits = int(type_name.lstrip('uint'))
        low, high = (0, 2**bits) if type_name[0] == 'u' else (-(2 ** (bits - 1)), 2 ** (bits - 1))
        return chance.choice(
            [low, high - 1, 0, 1, chance.randrange(12), chance.randrange(low, high)]
        )
    from importlib import import_module

    package, name = type_name.split('/')
    return arbitrary(getattr(import_module(f'{package}.msg'), name), chance, node)
