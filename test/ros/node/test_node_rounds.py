# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A long life: ten rounds without growth, errors that end unconfigured, a second node."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hiseg_ros.types import RgbImage

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_ten_rounds_leave_no_memory_and_no_threads_behind(tmp_path: Path) -> None:
    """Configured, active, inactive, cleaned up, ten times, with an image each."""
    program = 'import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))'
    settings = ROOT / 'pyproject.toml'
    result = subprocess.run(
        [
            sys.executable,
            '-c',
            program,
            '-q',
            '-c',
            str(settings),
            '--rootdir',
            str(ROOT),
            '-p',
            'no:cacheprovider',
            str(ROOT / 'test' / 'ros' / 'node' / 'rounds_alone.py'),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stdout[-3000:]
    assert '1 passed' in result.stdout


def test_an_error_in_any_transition_is_reported_and_ends_unconfigured(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, street_image: RgbImage
) -> None:
    from diagnostic_msgs.msg import DiagnosticArray
    from node_support import HeldEngine, image_message, latest, start_node
    from ros_graph import ACTIVATE, CONFIGURE, DEACTIVATE
    from sensor_msgs.msg import Image

    from hiseg_ros.ros.node.session import Session

    start_node(graph, HeldEngine().load, autostart=False)
    reports = graph.collect(DiagnosticArray, '/diagnostics')

    def breaks(self: Any) -> None:
        raise RuntimeError('the wire is cut')

    for method, transition in (('open_inputs', ACTIVATE), ('wait_done', DEACTIVATE)):
        assert graph.change_state(CONFIGURE)
        if transition == DEACTIVATE:
            assert graph.change_state(ACTIVATE)
        with monkeypatch.context() as broken:
            broken.setattr(Session, method, breaks)
            assert not graph.change_state(transition)
        assert graph.state() == 'unconfigured'
        graph.until(lambda: latest(reports)[0] == b'\x02', 'an ERROR')
        assert 'the wire is cut' in latest(reports)[1]
    assert graph.change_state(CONFIGURE)
    assert graph.change_state(ACTIVATE)
    images = graph.peer.create_publisher(Image, 'image', 1)
    labels = graph.collect(Image, '/segmentation/labels')
    graph.until(
        lambda: labels, 'labels', meanwhile=lambda: images.publish(image_message(street_image))
    )
    graph.until(lambda: latest(reports)[0] == b'\x00', 'the ERROR is gone')


def test_a_second_node_of_the_same_name_is_reported_and_ends_alone(graph: Graph) -> None:
    from diagnostic_msgs.msg import DiagnosticArray
    from node_support import HeldEngine, latest, start_node, wait_active
    from rclpy.node import Node

    start_node(graph, HeldEngine().load, image_timeout=60.0)
    wait_active(graph)
    reports = graph.collect(DiagnosticArray, '/diagnostics')
    graph.until(lambda: latest(reports)[0] == b'\x00', 'all is well')
    second = Node('segmentation', context=graph.context)
    graph.until(lambda: latest(reports)[0] == b'\x01', 'a WARN')
    assert 'another node is called /segmentation' in latest(reports)[1]
    second.destroy_node()
    graph.until(lambda: latest(reports)[0] == b'\x00', 'the WARN is gone')
