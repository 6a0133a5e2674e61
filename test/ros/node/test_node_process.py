# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The node as a process of its own: signals end it with exit code 0."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hiseg_ros.types import RgbImage

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.needs('torch')
@pytest.mark.parametrize(
    ('name', 'moment'),
    [('SIGINT', 'active'), ('SIGINT', 'unconfigured')],
)
def test_the_process_ends_with_exit_code_0(
    graph: Graph,
    ros_environment: dict[str, str],
    tiny_checkpoint: Path,
    street_image: RgbImage,
    name: str,
    moment: str,
) -> None:
    from node_support import image_message
    from sensor_msgs.msg import Image

    model = tiny_checkpoint.with_name('missing') if moment == 'unconfigured' else tiny_checkpoint
    process = subprocess.Popen(
        [sys.executable, 'scripts/segmentation_node', '--ros-args', '-p', f'model:={model}',
         '-p', 'device:=cpu'],
        cwd=REPOSITORY,
        env={**ros_environment, 'PYTHONPATH': python_path(ros_environment)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        graph.until(lambda: graph.state() == moment, f'the process is {moment}')
        if moment == 'active':
            images = graph.peer.create_publisher(Image, 'image', 1)
            labels = graph.collect(Image, '/segmentation/labels')
            graph.until(
                lambda: labels,
                'labels of the process',
                meanwhile=lambda: images.publish(image_message(street_image)),
            )
        process.send_signal(getattr(signal, name))
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, output
    assert 'Traceback' not in output, output
    if moment == 'unconfigured':
        assert 'missing' in output
        assert 'expected' in output


def python_path(environment: dict[str, str]) -> str:
    """Return PYTHONPATH with this checkout first."""
    return ':'.join(filter(None, [str(REPOSITORY), environment.get('PYTHONPATH', '')]))


CHILD = """
import sys, threading
import rclpy
from node_support import HeldEngine
from hiseg_ros.ros.node import segmentation_node

moment = sys.argv[1]
engine = HeldEngine()
if moment == 'inference':
    engine.may_go.clear()

def load(parameters):
    if moment == 'loading':
        threading.Event().wait(60.0)
    if moment == 'dead context':
        threading.Timer(0.5, rclpy.shutdown).start()
    return engine.load(parameters)

segmentation_node.SegmentationNode.__init__.__kwdefaults__['engine_factory'] = load
sys.exit(segmentation_node.main(sys.argv[:1]))
"""


@pytest.mark.alone
@pytest.mark.parametrize('moment', ['inference', 'loading', 'dead context'])
def test_the_process_ends_within_two_seconds_whatever_it_is_at(
    graph: Graph, ros_environment: dict[str, str], street_image: RgbImage, moment: str
) -> None:
    from node_support import image_message
    from sensor_msgs.msg import Image

    here = str(REPOSITORY / 'test' / 'support')
    process = subprocess.Popen(
        [sys.executable, '-c', CHILD, moment],
        env={**ros_environment, 'PYTHONPATH': f'{here}:{python_path(ros_environment)}'},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        state = 'configuring' if moment == 'loading' else 'active'
        if moment != 'dead context':
            graph.until(lambda: graph.state() == state, f'the process is {state}')
        if moment == 'inference':
            images = graph.peer.create_publisher(Image, 'image', 1)
            graph.collect(Image, '/segmentation/labels')
            graph.until(
                lambda: images.get_subscription_count(), 'the process listens to the camera'
            )
            for _ in range(5):
                images.publish(image_message(street_image))
                graph.spin(0.05)
        started = time.monotonic()
        if moment != 'dead context':
            process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
        duration_s = time.monotonic() - started
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, output
    assert 'Traceback' not in output, output
    assert duration_s < 2.0 or moment == 'dead context', output
    assert 'Configured' in output or moment == 'loading', output
