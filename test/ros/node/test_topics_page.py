# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""docs/topics.md lists the topics and services that the node has, no more and no less."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ros_graph import Graph

ROOT = Path(__file__).resolve().parents[3]
NAME = '/segmentation'
OF_ROS = ('/parameter_events', '/rosout')


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading of the page."""
    text = (ROOT / 'docs/topics.md').read_text(encoding='utf-8')
    section = text.partition(f'\n## {heading}\n')[2].partition('\n## ')[0]
    lines = [line for line in section.splitlines() if line.startswith('| `')]
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]


def listed(heading: str, depth: int) -> dict[str, str]:
    """Return the type of each topic that the page lists, N and <set> replaced.

    Types of packages that are not installed here are left out, as the node leaves them out.
    """
    found = {}
    for name, kind, *_ in rows(heading):
        package, _, message = kind.strip('`').partition('/')
        if importlib.util.find_spec(package) is None:
            continue
        levels = range(1, depth + 1) if 'level_N' in name else [0]
        for level in levels:
            topic = name.strip('`').replace('level_N', f'level_{level}').replace('<set>', 'camvid')
            topic = topic.replace('~', NAME)
            full = topic if topic.startswith('/') else f'/{topic}'
            found[full] = f'{package}/msg/{message}'
    return found


@pytest.mark.needs('ros')
def test_the_page_lists_what_the_node_publishes_and_subscribes_to(graph: Graph) -> None:
    """With every optional output on; the types and the latched ones are right, too."""
    from node_support import HeldEngine, start_node, wait_active
    from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
    from sensor_msgs.msg import PointCloud2

    engine = HeldEngine()
    depth = engine.taxonomy.depth
    start_node(
        graph,
        engine.load,
        label_sets=['camvid'],
        nav2__classes='nav2',
        autoware__classes='autoware',
        semantic__classes='cityscapes_trainids',
        points__source='depth',
        bond_heartbeat_period=1.0 if importlib.util.find_spec('bond') else 0.0,
    )
    wait_active(graph)
    peer = graph.peer

    def names(ask: object) -> dict[str, str]:
        assert callable(ask)
        return {
            topic: kinds[0] for topic, kinds in ask('segmentation', '/') if topic not in OF_ROS
        }

    subscribed = listed('Subscribed', depth)
    del subscribed['/image/compressed'], subscribed['/depth/points']  # in place of others
    graph.collect(PointCloud2, f'{NAME}/points')  # otherwise depth is not subscribed to
    graph.until(
        lambda: subscribed.items() <= names(peer.get_subscriber_names_and_types_by_node).items(),
        'the node has subscribed',
    )
    assert names(peer.get_subscriber_names_and_types_by_node) == subscribed
    published = listed('Published', depth)
    assert names(peer.get_publisher_names_and_types_by_node) == published
    latched = {
        name.strip('`').replace('~', NAME).replace('<set>', 'camvid')
        for name, _, content in rows('Published')
        if content.startswith('latched')
    }
    for topic in published:
        [info] = [
            info
            for info in peer.get_publishers_info_by_topic(topic)
            if info.node_name == 'segmentation'
        ]
        assert info.qos_profile.reliability == ReliabilityPolicy.RELIABLE, topic
        is_latched = info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
        assert is_latched == (topic in latched), topic


@pytest.mark.needs('ros')
def test_the_page_lists_the_services_of_the_node(graph: Graph) -> None:
    """Those that are not of every node; the lifecycle's are named by example."""
    from node_support import HeldEngine, start_node, wait_active

    start_node(graph, HeldEngine().load)
    wait_active(graph)
    found = {
        name: kinds[0]
        for name, kinds in graph.peer.get_service_names_and_types_by_node('segmentation', '/')
        if not kinds[0].startswith('rcl_interfaces/')
    }
    own = {}
    for cell, kind, _ in rows('Services'):
        for name in re.findall(r'`(~/\w+)`', cell):
            full = name.replace('~', NAME)
            if kind == '`lifecycle_msgs`':
                assert found.pop(full).startswith('lifecycle_msgs/')
            else:
                own[full] = kind.strip('`').replace('/', '/srv/')
    rest = {name: kind for name, kind in found.items() if 'lifecycle_msgs' not in kind}
    assert {n: k for n, k in rest.items() if 'type_description' not in k} == own
