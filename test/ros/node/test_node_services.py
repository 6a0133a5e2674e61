# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""~/set_enabled and ~/load_model: work stops and goes on, weights change between two frames."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hiseg_ros.errors import CheckpointError
from hiseg_ros.types import Wanted

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')

IMAGE = np.zeros((24, 32, 3), np.uint8)


class Shop:
    """An engine factory that makes a different engine of each model."""

    def __init__(self) -> None:
        from node_support import HeldEngine

        self.may_load = threading.Event()
        self.may_load.set()
        self.loading = threading.Event()
        self.engines = {
            '': HeldEngine(0),
            'better': HeldEngine(1),
            'of another tree': HeldEngine(0, 'iv2018'),
            'fails at work': HeldEngine(1),
        }
        self.engines['fails at work'].error = RuntimeError('shapes do not match')

    def load(self, parameters: Any) -> Any:
        """Be the engine factory."""
        self.loading.set()
        self.may_load.wait(60.0)
        if parameters.model == 'damaged':
            raise CheckpointError('The file damaged is damaged; expected a whole one.')
        if parameters.model == 'unforeseen':
            raise ZeroDivisionError('nobody thought of this')
        from hiseg_ros.ros.node.engine_loader import LoadedEngine

        engine = self.engines[parameters.model]
        return LoadedEngine(engine, engine.taxonomy, {'model': parameters.model or 'first'})


class Camera:
    """Publishes numbered images and collects the labels."""

    def __init__(self, graph: Graph) -> None:
        from sensor_msgs.msg import Image

        self.publisher = graph.peer.create_publisher(Image, 'image', 1)
        self.labels = graph.collect(Image, '/segmentation/labels', 50)
        self.number = 0

    def publish(self) -> None:
        """Publish the next image."""
        from node_support import image_message

        self.number += 1
        self.publisher.publish(image_message(IMAGE, self.number))

    def until_label(self, graph: Graph, label: int) -> None:
        """Publish until an image of that label comes."""
        from node_support import pixels

        self.labels.clear()
        graph.until(
            lambda: any((pixels(message) == label).all() for message in self.labels),
            f'labels {label}',
            meanwhile=self.publish,
        )


def load_model(graph: Graph, model: str) -> Any:
    """Call the service."""
    from hiseg_ros.srv import LoadModel

    return graph.call(LoadModel, '/segmentation/load_model', LoadModel.Request(model=model))


def test_a_disabled_node_takes_no_images_until_it_is_enabled(graph: Graph) -> None:
    from diagnostic_msgs.msg import DiagnosticArray
    from node_support import latest, start_node, wait_active
    from ros_graph import ACTIVATE, DEACTIVATE
    from std_srvs.srv import SetBool

    shop = Shop()
    engine = shop.engines['']
    start_node(graph, shop.load, image_timeout=0.1)
    wait_active(graph)
    camera = Camera(graph)
    reports = graph.collect(DiagnosticArray, '/diagnostics')
    camera.until_label(graph, engine.leaf)

    def set_enabled(value: bool) -> Any:
        return graph.call(SetBool, '/segmentation/set_enabled', SetBool.Request(data=value))

    assert set_enabled(False).success
    graph.until(lambda: graph.peer.count_subscribers('/image') == 0, 'it has unsubscribed')
    calls = len(engine.calls)
    for _ in range(3):
        camera.publish()
    graph.until(lambda: 'disabled by ~/set_enabled' in latest(reports)[1], 'diagnostics say so')
    assert latest(reports)[0] == b'\x00', 'silence is what was asked for'
    assert graph.state() == 'active'
    assert graph.change_state(DEACTIVATE)
    assert graph.change_state(ACTIVATE)
    assert graph.peer.count_subscribers('/image') == 0, 'it stays disabled'
    assert len(engine.calls) == calls
    assert set_enabled(True).success
    camera.until_label(graph, engine.leaf)


def test_weights_change_between_two_frames_while_the_old_ones_go_on(graph: Graph) -> None:
    from node_support import pixels, start_node, wait_active

    from hiseg_ros.srv import LoadModel

    shop = Shop()
    old, new = shop.engines[''], shop.engines['better']
    node = start_node(graph, shop.load)
    wait_active(graph)
    camera = Camera(graph)
    camera.until_label(graph, old.leaf)
    threads = threading.active_count()
    shop.loading.clear()
    shop.may_load.clear()
    client = graph.peer.create_client(LoadModel, '/segmentation/load_model')
    graph.until(client.service_is_ready, 'the service')
    answer = client.call_async(LoadModel.Request(model='better'))
    graph.until(shop.loading.is_set, 'it loads')
    for _ in range(3):
        camera.until_label(graph, old.leaf)
    assert graph.state() == 'active', 'services answer meanwhile'
    shop.may_load.set()
    camera.labels.clear()
    graph.until(answer.done, 'the answer', meanwhile=camera.publish)
    assert answer.result().success, answer.result().message
    assert 'better' in answer.result().message
    seen = [sorted(set(pixels(message).ravel().tolist())) for message in camera.labels]
    assert all(values in ([old.leaf], [new.leaf]) for values in seen), 'no image of both'
    assert seen == sorted(seen, key=lambda values: values == [new.leaf]), 'and no way back'
    camera.until_label(graph, new.leaf)
    assert (old.closed, new.closed) == (1, 0)
    assert threading.active_count() <= threads + 1, 'one worker; the transitions have a thread'
    assert node.get_parameter('model').value == 'better'
    assert new.calls[0] == {**vars(Wanted()), 'threshold': 0.0}, 'tried out'
    counters = node.counters
    assert counters.stopped == counters.bad == 0


@pytest.mark.parametrize(
    ('model', 'words'),
    [
        ('damaged', 'The file damaged is damaged'),
        ('of another tree', "taxonomy 'iv2018' with digest"),
        ('fails at work', 'shapes do not match'),
        ('unforeseen', 'nobody thought of this'),
    ],
)
def test_whatever_is_wrong_with_new_weights_the_old_ones_stay(
    graph: Graph, model: str, words: str
) -> None:
    from node_support import start_node, wait_active

    shop = Shop()
    node = start_node(graph, shop.load)
    wait_active(graph)
    camera = Camera(graph)
    camera.until_label(graph, shop.engines[''].leaf)
    answer = load_model(graph, model)
    assert not answer.success
    assert answer.message.startswith('Nothing has changed: ')
    assert words in answer.message
    camera.until_label(graph, shop.engines[''].leaf)
    assert graph.state() == 'active'
    assert node.get_parameter('model').value == ''
    assert shop.engines[''].closed == 0
    if model in shop.engines:
        assert shop.engines[model].closed == 1
    assert load_model(graph, 'better').success, 'and the next ones may be good'


def test_weights_are_not_loaded_into_a_node_that_has_none(graph: Graph) -> None:
    from node_support import start_node

    start_node(graph, Shop().load, autostart=False)
    answer = load_model(graph, 'better')
    assert not answer.success
    assert 'The node is unconfigured; expected inactive or active' in answer.message
