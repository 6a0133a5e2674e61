# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Every test of this room that uses ROS runs in a graph of its own, on the loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from hiseg_ros.ros.isolation import Isolation

if TYPE_CHECKING:
    from ros_graph import Graph


@pytest.fixture(scope='session')
def ros_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Put this process and its children into a ROS domain that nobody else on the machine uses."""
    before = dict(os.environ)
    with Isolation() as isolation:
        environment = isolation.environment()
        environment['ROS_LOG_DIR'] = str(tmp_path_factory.mktemp('ros_log'))
        environment['OMP_NUM_THREADS'] = '1'
        os.environ.clear()
        os.environ.update(environment)
        yield environment
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def graph(ros_environment: dict[str, str]) -> Iterator[Graph]:
    """Return a private ROS graph."""
    from ros_graph import Graph

    graph = Graph()
    yield graph
    graph.close()
