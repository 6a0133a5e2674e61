# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What one of the node's threads does at the worst moment of another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from node_support import HeldEngine
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')

PATIENCE_S = 30.0
SIZE = (24, 32)


@pytest.fixture
def engine() -> HeldEngine:
    """Return an engine that can be held."""
    from node_support import HeldEngine

    return HeldEngine()


@pytest.fixture
def make_node(graph: Graph, engine: HeldEngine) -> Iterator[Callable[..., Any]]:
    """Return a function that makes a configured node, which the test's thread drives."""
    from rclpy.parameter import Parameter

    from hiseg_ros.ros.node.segmentation_node import SegmentationNode

    made: list[Any] = []

    def make(**given: Any) -> Any:
        values = {'autostart': False, **given}
        node = SegmentationNode(
            engine_factory=engine.load,
            context=graph.context,
            parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
        )
        made.append(node)
        node.trigger_configure()
        return node

    yield make
    engine.may_go.set()
    for node in made:
        node.close(PATIENCE_S)


def in_thread(job: Callable[[], Any]) -> threading.Thread:
    """Run a job in a thread of its own."""
    thread = threading.Thread(target=job)
    thread.start()
    return thread


def frame_of(node: Any, camera: Any, number: int = 0) -> Any:
    """Return a frame as a camera's subscription makes it."""
    from node_support import image_message

    from hiseg_ros.ros.health.receipt import Receipt
    from hiseg_ros.ros.node.frame import Frame

    message = image_message(np.zeros((*SIZE, 3), np.uint8), number)
    now = node.get_clock().now()
    return Frame(message, now, time.perf_counter(), Receipt(camera.health))


def set_enabled(node: Any, value: bool) -> None:
    """Do what a request of ~/set_enabled does."""
    from std_srvs.srv import SetBool

    node._on_set_enabled(SetBool.Request(data=value), SetBool.Response())


def test_a_model_that_is_set_while_one_is_swapped_in_is_refused(
    make_node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rclpy.parameter import Parameter

    from hiseg_ros.srv import LoadModel

    node = make_node()
    set_parameters = node.set_parameters
    answers: list[Any] = []
    others: list[threading.Thread] = []

    def set_by_somebody_else() -> None:
        answers.extend(set_parameters([Parameter('model', value='other')]))

    def interrupted(parameters: Any) -> Any:
        results = set_parameters(parameters)
        others.append(in_thread(set_by_somebody_else))
        others[0].join(0.5)  # as far as it gets: it may have to wait for the swap
        return results

    monkeypatch.setattr(node, 'set_parameters', interrupted)
    assert node._on_load_model(LoadModel.Request(model='new'), LoadModel.Response()).success
    others[0].join(PATIENCE_S)
    assert [answer.successful for answer in answers] == [False]
    assert 'cannot change while the node is configured' in answers[0].reason
    assert node._store.values.model == node.get_parameter('model').value == 'new'


@pytest.mark.parametrize('end', ['deactivate', 'disable'])
def test_an_image_that_was_taken_before_the_inputs_closed_is_counted_as_stopped(
    make_node: Any, engine: HeldEngine, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    node = make_node()
    node.trigger_activate()
    (camera,) = node._session._cameras
    monkeypatch.setattr(camera.publishers, 'wanted', lambda: frozenset({'labels'}))
    calls = len(engine.calls)
    if end == 'deactivate':
        node.trigger_deactivate()
    else:
        set_enabled(node, False)
    camera._on_frame(frame_of(node, camera))
    node._session.wait_done()
    assert (node.counters.stopped, node.counters.processed) == (1, 0)
    assert len(engine.calls) == calls
    if end == 'deactivate':
        node.trigger_activate()
    else:
        set_enabled(node, True)
    camera._on_frame(frame_of(node, camera, 1))
    deadline = time.monotonic() + PATIENCE_S
    while not node.counters.processed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (node.counters.stopped, node.counters.processed) == (1, 1)


def test_a_node_that_is_enabled_while_it_shuts_down_subscribes_to_nothing(
    make_node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = make_node(cameras=['front', 'rear'])
    node.trigger_activate()
    front, rear = node._session._cameras
    destroy = rear.destroy

    def interrupted() -> None:
        in_thread(lambda: set_enabled(node, True)).join(PATIENCE_S)
        destroy()

    monkeypatch.setattr(rear, 'destroy', interrupted)
    node.trigger_shutdown()
    assert not front.subscriptions.is_open
    left = [subscription.topic_name for subscription in node.subscriptions]
    assert [topic for topic in left if topic.startswith(('/front', '/rear'))] == []
    assert node._health.state == 'finalized'


def test_no_parameter_that_is_not_live_is_accepted_while_an_active_node_is_taken_down(
    make_node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rclpy.parameter import Parameter

    node = make_node()
    node.trigger_activate()
    session = node._session
    destroy = session.destroy
    answers: list[Any] = []

    def interrupted(timeout_s: float | None) -> bool:
        answers.extend(node.set_parameters([Parameter('model', value='other')]))
        return bool(destroy(timeout_s))

    monkeypatch.setattr(session, 'destroy', interrupted)
    node.trigger_shutdown()
    assert [answer.successful for answer in answers] == [False]


def test_enabling_a_node_again_and_again_does_not_hide_a_dead_camera(make_node: Any) -> None:
    from diagnostic_msgs.msg import DiagnosticStatus

    node = make_node()
    (camera,) = node._session._cameras
    time_s = 100.0
    camera.health.now = lambda: time_s
    node.trigger_activate()
    for _ in range(3):
        time_s += 1.0
        set_enabled(node, True)
    assert camera.health.condition(True, 1.5)[0] == DiagnosticStatus.STALE
    set_enabled(node, False)
    set_enabled(node, True)
    assert camera.health.condition(True, 1.5)[0] == DiagnosticStatus.OK, 'it has begun anew'


def with_reader_of_infos(graph: Graph, make_node: Any) -> tuple[list[Any], Any, Any]:
    """Return what arrives on the overlay's camera_info, an active node and its camera."""
    from sensor_msgs.msg import CameraInfo

    infos = graph.collect(CameraInfo, '/segmentation/overlay/camera_info')
    node = make_node()
    node.trigger_activate()
    (camera,) = node._session._cameras
    graph.until(lambda: 'overlay/camera_info' in camera.publishers.wanted(), 'it is wanted')
    return infos, node, camera


@pytest.mark.parametrize('end', ['deactivate', 'disable and enable'])
def test_the_last_frame_before_the_inputs_close_has_its_camera_info(
    graph: Graph, make_node: Any, engine: HeldEngine, end: str
) -> None:
    from sensor_msgs.msg import CameraInfo

    infos, node, camera = with_reader_of_infos(graph, make_node)
    camera.subscriptions._on_camera_info(CameraInfo(height=SIZE[0], width=SIZE[1]))
    engine.may_go.clear()
    camera._on_frame(frame_of(node, camera))
    graph.until(lambda: engine.calls, 'the frame is in work')
    if end == 'deactivate':
        closing = in_thread(node.trigger_deactivate)
        graph.until(lambda: not camera.subscriptions.is_open, 'the node unsubscribes')
    else:
        set_enabled(node, False)
        closing = in_thread(lambda: set_enabled(node, True))
        closing.join(PATIENCE_S)
    engine.may_go.set()
    closing.join(PATIENCE_S)
    graph.until(lambda: infos, 'the camera_info of the last frame', patience_s=5.0)
    assert (infos[0].height, infos[0].width) == SIZE


def test_a_frame_in_work_gets_the_first_camera_info_that_comes_meanwhile(
    graph: Graph, make_node: Any, engine: HeldEngine
) -> None:
    from sensor_msgs.msg import CameraInfo

    infos, node, camera = with_reader_of_infos(graph, make_node)
    engine.may_go.clear()
    camera._on_frame(frame_of(node, camera))
    graph.until(lambda: engine.calls, 'the frame is in work')
    camera.subscriptions._on_camera_info(CameraInfo(height=SIZE[0], width=SIZE[1]))
    engine.may_go.set()
    graph.until(lambda: infos, 'the camera_info of the first frame', patience_s=5.0)
    assert (infos[0].height, infos[0].width) == SIZE


def test_a_camera_info_from_before_the_inputs_closed_is_not_used_afterwards(
    make_node: Any,
) -> None:
    from sensor_msgs.msg import CameraInfo

    node = make_node()
    node.trigger_activate()
    (camera,) = node._session._cameras
    camera.subscriptions._on_camera_info(CameraInfo(height=1, width=1))
    set_enabled(node, False)
    set_enabled(node, True)
    assert camera.subscriptions.camera_info is None
