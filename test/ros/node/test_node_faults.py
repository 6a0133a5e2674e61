# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Failed configurations and unexpected errors: one sentence, and the node can go on."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hiseg_ros.types import RgbImage

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')


def damaged(case: str, good: Path, folder: Path) -> dict[str, Any]:
    """Return the parameters of a case that cannot be configured."""
    if case == 'missing weights':
        return {'model': folder / 'nowhere.safetensors'}
    if case == 'foreign weights':
        import torch
        from safetensors.torch import save_file

        path = folder / 'foreign.safetensors'
        save_file({'layer.weight': torch.zeros(3)}, str(path))
        return {'model': path}
    if case == 'not weights at all':
        path = folder / 'text.safetensors'
        path.write_text('these are not weights')
        return {'model': path}
    if case == 'other taxonomy':
        return {'model': good, 'taxonomy': 'iv2018'}
    if case == 'no such taxonomy':
        return {'model': good, 'taxonomy': 'mars'}
    if case == 'no such device':
        return {'model': good, 'device': 'cuda:99'}
    if case == 'huge images':
        return {'model': good, 'image_sizes': ['9999x9999']}
    return {'model': good, 'image_transport': 'theora'}


@pytest.mark.needs('torch')
@pytest.mark.parametrize(
    ('case', 'words', 'cure'),
    [
        ('missing weights', ['nowhere.safetensors', 'expected'], ['model']),
        ('foreign weights', ['foreign.safetensors', 'expected'], ['model']),
        ('not weights at all', ['text.safetensors', 'expected'], ['model']),
        ('other taxonomy', ["'street'", "'iv2018'", 'digest', 'expected'], ['taxonomy']),
        ('no such taxonomy', ['mars', 'expected'], ['taxonomy']),
        ('no such device', ['cuda:99', 'expected'], ['device']),
        ('huge images', ['9999 x 9999', 'expected at most'], ['image_sizes']),
        ('unknown value', ["'theora'", 'expected one of raw, compressed'], ['image_transport']),
    ],
)
def test_a_failed_configuration_says_why_and_can_be_repeated(
    graph: Graph,
    tiny_checkpoint: Path,
    tmp_path: Path,
    case: str,
    words: list[str],
    cure: list[str],
) -> None:
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
    from node_support import latest, start_node
    from ros_graph import ACTIVATE, CONFIGURE

    start_node(graph, autostart=False, **damaged(case, tiny_checkpoint, tmp_path))
    reports = graph.collect(DiagnosticArray, '/diagnostics')
    assert not graph.change_state(CONFIGURE)
    assert graph.state() == 'unconfigured'
    graph.until(lambda: latest(reports)[0] == DiagnosticStatus.ERROR, 'an ERROR in diagnostics')
    _, sentence, _ = latest(reports)
    for word in words:
        assert word in sentence
    assert '\n' not in sentence
    assert sentence.endswith('.')
    assert not graph.change_state(CONFIGURE), 'nothing was mended, so it fails again'

    good = {'model': str(tiny_checkpoint), 'taxonomy': 'street', 'device': 'cpu',
            'image_transport': 'raw', 'image_sizes': ['']}  # fmt: skip
    assert graph.set_parameters({name: good[name] for name in cure}) == ''
    assert graph.change_state(CONFIGURE)
    assert graph.change_state(ACTIVATE)
    graph.until(
        lambda: (
            latest(reports)[2].get('state') == 'active'
            and latest(reports)[0] != DiagnosticStatus.ERROR
        ),
        'the ERROR is gone',
    )


def test_an_unexpected_error_leaves_active_and_the_node_can_be_activated_again(
    graph: Graph, street_image: RgbImage
) -> None:
    from diagnostic_msgs.msg import DiagnosticStatus
    from node_support import HeldEngine, latest, start_drive
    from ros_graph import ACTIVATE

    engine = HeldEngine()
    engine.error = RuntimeError('the device fell off the bus')
    drive = start_drive(graph, engine, street_image)
    reports = drive.reports
    graph.until(lambda: engine.calls, 'the engine was called', meanwhile=drive.publish)
    graph.until(lambda: graph.state() == 'inactive', 'the node left the active state')
    graph.until(lambda: latest(reports)[0] == DiagnosticStatus.ERROR, 'an ERROR in diagnostics')
    assert 'the device fell off the bus' in latest(reports)[1]
    engine.error = None
    assert graph.change_state(ACTIVATE)
    graph.until(lambda: drive.labels[''], 'labels', meanwhile=drive.publish)
    graph.until(lambda: latest(reports)[0] == DiagnosticStatus.OK, 'the ERROR is gone')


def test_an_unexpected_error_while_configuring_leaves_the_node_unconfigured(graph: Graph) -> None:
    from node_support import HeldEngine, start_node
    from ros_graph import CONFIGURE

    engine = HeldEngine()
    attempts = []

    def fails_once(parameters: Any) -> Any:
        attempts.append(parameters)
        if len(attempts) == 1:
            raise RuntimeError('out of luck')
        return engine.load(parameters)

    start_node(graph, fails_once, autostart=False)
    assert not graph.change_state(CONFIGURE)
    assert graph.state() == 'unconfigured'
    assert graph.change_state(CONFIGURE)
    assert graph.state() == 'inactive'


def test_a_bad_qos_override_fails_the_configuration_with_a_sentence(
    graph: Graph, capfd: pytest.CaptureFixture[str]
) -> None:
    from node_support import HeldEngine, start_node
    from ros_graph import CONFIGURE

    name = 'qos_overrides./segmentation/confidence.publisher.reliability'
    engine = HeldEngine()
    start_node(graph, engine.load, autostart=False, **{name: 'sometimes'})
    assert not graph.change_state(CONFIGURE)
    assert graph.state() == 'unconfigured'
    assert engine.closed == 1
    output = capfd.readouterr().err
    assert '~/confidence' in output
    assert 'expected reliability reliable or best_effort' in output
    assert 'Traceback' not in output


def refuse_threads(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let threads of a name fail to start, as where the system has no more of them."""
    start = threading.Thread.start

    def cannot(thread: threading.Thread) -> None:
        if thread.name == name:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, 'start', cannot)


def test_a_worker_that_cannot_start_leaves_the_node_unconfigured(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    from node_support import HeldEngine, start_node
    from ros_graph import CONFIGURE

    node = start_node(graph, HeldEngine().load, autostart=False)
    with monkeypatch.context() as context:
        refuse_threads(context, 'hiseg_worker')
        assert not graph.change_state(CONFIGURE)
    assert graph.state() == 'unconfigured'
    assert "can't start new thread" in node._health.last_error
    assert graph.change_state(CONFIGURE)


def test_a_thread_of_points_that_cannot_start_lets_the_node_be_cleaned_up(
    graph: Graph, street_image: RgbImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from node_support import HeldEngine, start_drive
    from ros_graph import ACTIVATE, CLEANUP, CONFIGURE
    from sensor_msgs.msg import PointCloud2

    drive = start_drive(graph, HeldEngine(), street_image, points__source='depth')
    graph.collect(PointCloud2, '/segmentation/points')
    with monkeypatch.context() as context:
        refuse_threads(context, 'hiseg_points')
        graph.until(lambda: graph.state() == 'inactive', 'an error', meanwhile=drive.publish)
    assert graph.change_state(CLEANUP)
    assert graph.state() == 'unconfigured'
    assert graph.change_state(CONFIGURE)
    assert graph.change_state(ACTIVATE)
