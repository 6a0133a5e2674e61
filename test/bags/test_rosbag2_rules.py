# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The new bag is as rosbag2 reads it for `ros2 bag play`."""

from __future__ import annotations

from pathlib import Path

import pytest
from replay_support import TRUTH, replay, write_drive
from rosbag2_rules import check_bag
from rosbags.rosbag2 import Reader

pytestmark = pytest.mark.needs('torch')


def test_a_replayed_bag_follows_the_rules_of_rosbag2(tmp_path: Path) -> None:
    """Several files, ground truth and all of the node's topics; only the label tree is latched."""
    replay(write_drive(tmp_path / 'drive', 7), tmp_path / 'out', truth=TRUTH, part_frames=3)
    bag = tmp_path / 'out' / 'replay.mcap'
    assert len(list(bag.glob('*.mcap'))) == 3
    offered = check_bag(bag)
    latched = {topic for topic, profiles in offered.items() if profiles}
    assert latched == {'/segmentation/taxonomy'}
    [profile] = offered['/segmentation/taxonomy']
    assert profile['durability'] == 'transient_local'
    assert (profile['reliability'], profile['history'], profile['depth']) == (
        'reliable', 'keep_last', 1,
    )  # fmt: skip
    with Reader(bag) as reader:
        assert reader.message_count == sum(1 for _ in reader.messages())
