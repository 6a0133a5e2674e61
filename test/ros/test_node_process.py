# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The node as a process of its own: signals end it with exit code 0."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hiseg_ros.types import RgbImage

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.needs('torch')
@pytest.mark.parametrize(
    ('name', 'moment'),
    [('SIGINT', 'active'), ('SIGTERM', 'active'), ('SIGINT', 'unconfigured'),
     ('SIGTERM', 'starting')],
)  # fmt: skip
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
        if moment == 'starting':
            graph.until(
                lambda: 'segmentation' in graph.peer.get_node_names(), 'the process is there'
            )
        else:
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
