# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Two graphs at the same time never share a domain."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from hiseg_ros.errors import ConfigError
from hiseg_ros.resources import config_path
from hiseg_ros.ros.harness import isolation
from hiseg_ros.ros.harness.isolation import DOMAIN_IDS, Isolation, isolated_environment
from hiseg_ros.threads import SPIN_COUNT


def test_two_environments_have_different_domains() -> None:
    domains = {isolated_environment()['ROS_DOMAIN_ID'] for _ in range(5)}
    assert len(domains) == 5
    assert all(int(domain) in DOMAIN_IDS for domain in domains)


def test_discovery_stays_on_the_loopback_and_messages_fit_the_segment() -> None:
    base = {'PATH': '/bin', 'ROS_LOCALHOST_ONLY': '0', 'ROS_STATIC_PEERS': '10.0.0.1'}
    with Isolation() as graph:
        environment = graph.environment(base)
    assert environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    assert environment['FASTRTPS_DEFAULT_PROFILES_FILE'] == str(config_path('fastdds_shm.xml'))
    assert environment['PATH'] == '/bin'
    assert 'ROS_STATIC_PEERS' not in environment
    assert 'ROS_LOCALHOST_ONLY' not in environment  # would win over the range


def test_processes_that_a_parent_reads_write_at_once_and_do_not_spin(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv('GOMP_SPINCOUNT', raising=False)
    with Isolation() as graph:
        environment = graph.process_environment(tmp_path)
        assert environment['ROS_DOMAIN_ID'] == str(graph.domain_id)
        monkeypatch.setenv('GOMP_SPINCOUNT', '7')
        assert graph.process_environment(tmp_path)['GOMP_SPINCOUNT'] == '7'  # the user's own
    assert environment['ROS_LOG_DIR'] == str(tmp_path)
    assert environment['PYTHONUNBUFFERED'] == '1'
    assert environment['GOMP_SPINCOUNT'] == SPIN_COUNT


def test_on_humble_the_older_variable_keeps_the_loopback() -> None:
    with Isolation() as graph:
        assert graph.environment({'ROS_DISTRO': 'humble'})['ROS_LOCALHOST_ONLY'] == '1'


def test_a_domain_is_taken_from_other_processes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with Isolation() as graph:
        monkeypatch.setattr(isolation, 'DOMAIN_IDS', range(graph.domain_id, graph.domain_id + 1))
        with pytest.raises(ConfigError, match='No free ROS domain id'):
            Isolation()
        program = (
            'from hiseg_ros.ros.harness import isolation\n'
            f'isolation.DOMAIN_IDS = range({graph.domain_id}, {graph.domain_id + 1})\n'
            'isolation.Isolation()\n'
        )
        result = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert 'No free ROS domain id' in result.stderr
    with Isolation() as again:
        assert again.domain_id == graph.domain_id


CHILD = """
import sys, rclpy
rclpy.init()
node = rclpy.create_node(sys.argv[1])
rclpy.spin(node)
"""

WORKER = """
import os, subprocess, sys, time
from hiseg_ros.ros.harness.isolation import Isolation

name, child_program = sys.argv[1:]
child_name = f'{name}_child'
with Isolation() as isolation:
    os.environ.update(isolation.environment())
    child = subprocess.Popen([sys.executable, '-c', child_program, child_name])
    import rclpy
    rclpy.init()
    node = rclpy.create_node(name)
    seen, until = set(), time.monotonic() + 60
    while time.monotonic() < until:
        names = node.get_node_names()
        if child_name in names and child_name not in seen:
            until = time.monotonic() + 1  # time to see strangers as well
        seen.update(names)
        time.sleep(0.05)
    child.kill()
    child.wait()
    print([isolation.domain_id, sorted(seen)])
"""


@pytest.mark.slow
@pytest.mark.needs('ros')
def test_two_workers_and_the_nodes_that_they_start_do_not_see_each_other() -> None:
    """Two processes as those of a test run, each with a node of its own and one in a child."""
    names = ('first', 'second')
    workers = [
        subprocess.Popen(
            [sys.executable, '-c', WORKER, name, CHILD],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name in names
    ]  # fmt: skip
    said = [worker.communicate(timeout=120) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    results = [ast.literal_eval(output) for output, _ in said]
    assert [seen for _, seen in results] == [[name, f'{name}_child'] for name in names]
    assert results[0][0] != results[1][0]
