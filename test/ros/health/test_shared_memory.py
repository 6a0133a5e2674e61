# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Full disks, full shared memory and killed processes: said, survived, cleaned up."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')

REPOSITORY = Path(__file__).resolve().parents[3]
IMAGE = np.zeros((24, 32, 3), np.uint8)
SEGMENT = 64 * 2**20

CHILD = """
import resource, sys
from node_support import HeldEngine
from hiseg_ros.ros.node.program import run_program
from hiseg_ros.ros.node.segmentation_node import SegmentationNode

limit = int(sys.argv[1])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

def make():
    node = SegmentationNode(engine_factory=HeldEngine().load)
    for number in range(200 if limit else 1):
        node.get_logger().warning(f'A line for the log file, number {number}.')
    return node

sys.exit(run_program(make, []))
"""


@pytest.fixture
def start(ros_environment: dict[str, str], tmp_path: Path) -> Iterator[Any]:
    """Start a node as a process whose files may not grow beyond a limit, where one is given."""
    started: list[subprocess.Popen[str]] = []
    python_path = [str(REPOSITORY / 'test' / 'support'), ros_environment.get('PYTHONPATH', '')]

    def start(limit: int = 0) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, '-c', CHILD, str(limit)],
            env={**ros_environment, 'ROS_LOG_DIR': str(tmp_path / 'log'),
                 'PYTHONPATH': ':'.join(filter(None, python_path))},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.mark.alone
def test_full_log_folder_and_no_shared_memory_are_survived_and_said(
    graph: Graph, start: Any, tmp_path: Path
) -> None:
    """Files that cannot grow are a full disk, below which /dev/shm is one too."""
    from diagnostic_msgs.msg import DiagnosticArray
    from node_support import image_message, latest
    from sensor_msgs.msg import Image

    images = graph.peer.create_publisher(Image, 'image', 1)
    labels = graph.collect(Image, '/segmentation/labels')
    reports = graph.collect(DiagnosticArray, '/diagnostics')
    process = start(limit=4096)
    graph.until(
        lambda: labels and reports and process.poll() is None,
        'labels of a node without disk and shared memory',
        meanwhile=lambda: images.publish(image_message(IMAGE)),
    )
    level, text, values = latest(reports, 1)
    assert level == b'\x01'
    assert 'Fast DDS got no shared memory of 67 MB' in text
    assert 'fastdds shm clean' in text
    assert '--shm-size' in text
    assert int(values['shared memory free [bytes]']) > 0
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    assert 'number 199' in output, 'the log still goes to the console'
    files = list((tmp_path / 'log').glob('*.log'))
    assert [file.stat().st_size for file in files] == [4096], 'the disk was full'


def test_shared_memory_that_runs_out_is_said_before_the_next_process_lacks_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from hiseg_ros.ros.health import shared_memory
    from hiseg_ros.ros.health.diagnostics import transport_status
    from hiseg_ros.ros.health.transport import Transport

    transport = Transport('Fast DDS', SEGMENT)
    monkeypatch.setattr(shared_memory, 'own_segment_bytes', lambda: SEGMENT + 9)
    monkeypatch.setattr(shared_memory, 'free_bytes', lambda: SEGMENT // 2)
    status = transport_status('n', transport, {})
    assert status.level == b'\x01'
    assert '34 MB left' in status.message
    assert 'fastdds shm clean' in status.message
    monkeypatch.setattr(shared_memory, 'free_bytes', lambda: 2 * SEGMENT)
    assert transport_status('n', transport, {}).level == b'\x00'
    monkeypatch.setattr(shared_memory, 'own_segment_bytes', lambda: None)
    monkeypatch.setattr(shared_memory, 'free_bytes', lambda: None)
    assert transport_status('n', transport, {}).level == b'\x00', 'nothing is known'


@pytest.mark.alone
def test_a_killed_node_hurts_the_next_start_in_nothing_and_its_memory_is_given_back(
    graph: Graph, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from node_support import image_message
    from sensor_msgs.msg import Image

    from hiseg_ros.ros.harness.child_process import shared_memory_of
    from hiseg_ros.ros.health import shared_memory

    images = graph.peer.create_publisher(Image, 'image', 1)
    labels = graph.collect(Image, '/segmentation/labels')

    def work() -> None:
        labels.clear()
        graph.until(
            lambda: labels, 'labels', meanwhile=lambda: images.publish(image_message(IMAGE))
        )

    def segments(process_id: int) -> set[str]:
        names = {path.name for path in shared_memory_of(process_id)}
        return {name for name in names if 'port' not in name}

    killed = start()
    work()
    mapped = segments(killed.pid)  # its own and this process's
    killed.kill()
    killed.wait()
    assert all((shared_memory.FOLDER / name).exists() for name in mapped), 'nobody tidied up'
    following = start()
    work()
    monkeypatch.setattr(shared_memory, 'YOUNG_S', 0.0)
    # Those of other graphs on this machine stay, whatever this test does.
    ours = mapped | segments(following.pid)
    monkeypatch.setattr(shared_memory, '_SEGMENT', re.compile('|'.join(ours)))
    removed = shared_memory.remove_dead_segments()
    assert removed
    assert set(removed) <= mapped
    assert not any((shared_memory.FOLDER / name).exists() for name in removed)
    work()
    assert following.poll() is None


def test_segments_in_use_young_ones_and_other_files_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hiseg_ros.ros.health import shared_memory

    monkeypatch.setattr(shared_memory, 'FOLDER', tmp_path)
    names = {kind: f'fastrtps_{uuid.uuid4().hex[:16]}' for kind in ('dead', 'locked', 'young')}
    for name in (*names.values(), 'fastrtps_port7400', 'mine'):
        (tmp_path / name).write_bytes(b'memory')
        lock = tmp_path / f'{name}_el'
        lock.touch()
        if name != names['young']:
            os.utime(lock, (0, 0))
    with (tmp_path / f'{names["locked"]}_el').open('rb') as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert shared_memory.remove_dead_segments() == [names['dead']]
    assert len(list(tmp_path.iterdir())) == 8
