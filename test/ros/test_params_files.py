# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A mistyped name in a parameter file or among launch arguments is refused with the right one."""

from __future__ import annotations

from pathlib import Path

import pytest

from hiseg_ros.nearest_name import expected_name, unknown_arguments
from hiseg_ros.ros.params_files import unused_files

pytestmark = pytest.mark.needs('ros')

USED = [
    '/**: {ros__parameters: {}}',
    '/*: {ros__parameters: {}}',
    'segmentation: {ros__parameters: {}}',
    '/segmentation: {ros__parameters: {}}',
    '/other: {ros__parameters: {}}\n/**: {ros__parameters: {}}',
    '/**: {segmentation: {ros__parameters: {}}}',
    '/**/segmentation: {ros__parameters: {}}',
]
UNUSED = [
    'segmentatoin: {ros__parameters: {threshold: 0.5}}',
    '/front/segmentation: {ros__parameters: {}}',
    'segmentation_node: {ros__parameters: {}}',
    'segmentation: {ros_parameters: {}}',
    '{}',
    '/*/segmentation: {ros__parameters: {}}',
    'front: {segmentation: {ros__parameters: {}}}',
]


@pytest.mark.parametrize('text', [*USED, *UNUSED])
def test_a_file_without_values_for_the_node_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / 'p.yaml'
    path.write_text(text)
    command = ['node', '--ros-args', '-p', 'x:=1', '--params-file', str(path), '-r', 'a:=b']
    faults = unused_files(command, '/segmentation')
    if text in USED:
        assert not faults
    else:
        assert len(faults) == 1
        assert 'expected /segmentation' in faults[0]


@pytest.mark.parametrize('typed', ['treshold', 'Threshold', 'THRESHOLD', 'threshhold', 'theshold'])
def test_the_nearest_name_is_told(typed: str) -> None:
    from hiseg_ros.ros.parameters import RULES

    assert expected_name(typed, RULES) == "'threshold'"
    assert expected_name('xyz', RULES).startswith('one of ')


def test_each_parameter_is_found_with_one_letter_missing() -> None:
    from hiseg_ros.ros.parameters import RULES

    for name in RULES:
        middle = len(name) // 2
        typed = name[:middle] + name[middle + 1 :]
        assert expected_name(typed, RULES) == repr(name)


def test_launch_arguments_are_checked_where_the_file_itself_was_started() -> None:
    command = ['/bin/ros2', 'launch', 'hiseg_ros', 'a.launch.py', 'image_topc:=x', 'rviz:=true']
    known = ['image_topic', 'rviz', 'cameras']
    found = unknown_arguments(command, 'a.launch.py', known)
    assert "no argument 'image_topc'; expected 'image_topic'" in found
    assert 'rviz' not in found
    assert not unknown_arguments(command, 'other.launch.py', known)
    assert not unknown_arguments(command[:4], 'a.launch.py', known)
