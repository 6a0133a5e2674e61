# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""ROS starts where its log files cannot be written, and says so in one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs('ros')

PROGRAM = (
    'import rclpy\nfrom hiseg_ros.ros.start import init_ros\ninit_ros()\n'
    'node = rclpy.create_node("x")\nnode.get_logger().info("still logs")\n'
    'node.destroy_node()\nrclpy.shutdown()\n'
)


def environments(folder: Path) -> dict[str, dict[str, str]]:
    file = folder / 'file'
    file.write_text('')
    return {
        'no home': {},
        'empty home': {'HOME': ''},
        'home that is nowhere': {'HOME': '/proc/nowhere'},
        'a file': {'ROS_LOG_DIR': str(file)},
        'below a file': {'ROS_LOG_DIR': str(file / 'log'), 'HOME': str(folder)},
        'ROS_HOME': {'ROS_HOME': '/proc/nowhere', 'HOME': str(folder)},
        'long name': {'ROS_LOG_DIR': f'/tmp/{"x" * 300}'},
    }


@pytest.mark.parametrize(
    'case', ['no home', 'empty home', 'home that is nowhere', 'a file', 'below a file', 'ROS_HOME',
             'long name'],
)  # fmt: skip
def test_an_unusable_log_folder_is_said(case: str, tmp_path: Path) -> None:
    from hiseg_ros.ros.start import log_folder_fault

    fault = log_folder_fault(environments(tmp_path)[case])
    assert fault.count('\n') == 0
    assert 'set ROS_LOG_DIR to a writable folder' in fault


def test_usable_log_folders_are_not_mentioned(tmp_path: Path) -> None:
    from hiseg_ros.ros.start import log_folder_fault

    assert not log_folder_fault({'HOME': str(tmp_path)})
    assert not log_folder_fault({'ROS_HOME': str(tmp_path)})
    assert not log_folder_fault({'ROS_LOG_DIR': str(tmp_path / 'new' / 'folder')})
    assert not log_folder_fault({'ROS_LOG_DIR': '~/log', 'HOME': str(tmp_path)})


@pytest.mark.parametrize('case', ['no home', 'a file'])
def test_a_node_starts_all_the_same(
    case: str, tmp_path: Path, ros_environment: dict[str, str]
) -> None:
    environment = {**ros_environment}
    for name in ('HOME', 'ROS_HOME', 'ROS_LOG_DIR'):
        environment.pop(name, None)
    environment |= environments(tmp_path)[case]
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count('set ROS_LOG_DIR') == 1
    assert 'still logs' in done.stderr + done.stdout
