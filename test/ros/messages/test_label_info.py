# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The label tree as a LabelInfo, with vision_msgs installed and without."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from hiseg_ros.taxonomy import Taxonomy, load_taxonomy

pytestmark = pytest.mark.needs('ros')


@pytest.fixture(scope='module')
def taxonomy() -> Taxonomy:
    return load_taxonomy('street')


def test_label_info_lists_all_nodes_where_vision_msgs_is_installed(
    taxonomy: Taxonomy, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hiseg_ros.ros.messages.label_info import label_info_message

    monkeypatch.setitem(sys.modules, 'vision_msgs', None)
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', None)
    assert label_info_message(taxonomy) is None
    stand_in = SimpleNamespace(
        LabelInfo=lambda header: SimpleNamespace(header=header, class_map=[], threshold=0.0),
        VisionClass=lambda class_id, class_name: (class_id, class_name),
    )
    monkeypatch.setitem(sys.modules, 'vision_msgs', SimpleNamespace(msg=stand_in))
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', stand_in)
    info = label_info_message(taxonomy)
    assert info is not None
    assert info.class_map == [(node.node_id, node.name) for node in taxonomy.nodes]
    assert info.threshold == 0.0


@pytest.mark.needs('vision_msgs')
def test_label_info_is_accepted_by_the_real_vision_msgs(taxonomy: Taxonomy) -> None:
    from builtin_interfaces.msg import Time
    from rclpy.serialization import deserialize_message, serialize_message
    from std_msgs.msg import Header

    from hiseg_ros.ros.messages.label_info import label_info_message

    header = Header(stamp=Time(sec=7, nanosec=8), frame_id='front_optical')
    message = label_info_message(taxonomy, header)
    received = deserialize_message(serialize_message(message), type(message))
    assert received.header == header
    found = {entry.class_id: entry.class_name for entry in received.class_map}
    assert found == {node.node_id: node.name for node in taxonomy.nodes}
