# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What rviz2 shows when segmentation.launch.py starts it: the chosen camera and its results."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.needs('launch')

LAUNCH_FILE = Path(__file__).resolve().parents[2] / 'launch' / 'segmentation.launch.py'


def launch_file() -> ModuleType:
    """Return the launch file as a module."""
    spec = spec_from_file_location('segmentation_launch', LAUNCH_FILE)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ('arguments', 'camera', 'results'),
    [
        ({'image_topic': '/front/image_raw'}, '/front/image_raw', '/segmentation'),
        (
            {'image_topic': 'color/image_raw', 'namespace': 'front'},
            '/front/color/image_raw',
            '/front/segmentation',
        ),
        (
            {'cameras': 'left,right', 'image_topic': 'image_raw'},
            '/left/image_raw',
            '/segmentation/left',
        ),
    ],
)
def test_the_layout_is_led_to_the_camera_raw_and_compressed(
    arguments: dict[str, str], camera: str, results: str
) -> None:
    """It names the topics of one camera and one node in the root namespace."""
    from launch import LaunchContext
    from launch.utilities import perform_substitutions

    module, context = launch_file(), LaunchContext()
    declared = module.generate_launch_description().get_launch_arguments()
    values = {argument.name: '' for argument in declared} | {'rviz': 'true'} | arguments
    context.launch_configurations.update(values)
    [_, rviz] = module.start(context)
    found = {
        perform_substitutions(context, list(source)): perform_substitutions(context, list(target))
        for source, target in rviz._Node__remappings
    }
    assert found == {
        '/camera/image_raw': camera,
        '/camera/image_raw/compressed': f'{camera}/compressed',
        **{f'/segmentation/{name}': f'{results}/{name}' for name in module.RVIZ_TOPICS},
    }


@pytest.mark.parametrize('cameras', ['', 'left,right'])
def test_depth_is_led_to_the_points(cameras: str) -> None:
    """Source and topic; with several cameras below each of them."""
    from launch import LaunchContext
    from launch.utilities import perform_substitutions

    module, context = launch_file(), LaunchContext()
    declared = module.generate_launch_description().get_launch_arguments()
    values = {argument.name: '' for argument in declared} | {
        'cameras': cameras, 'image_topic': 'color/image', 'points': 'depth',
        'depth_topic': 'aligned_depth/image',
    }  # fmt: skip
    context.launch_configurations.update(values)
    [node] = module.start(context)
    found = {
        perform_substitutions(context, list(source)): perform_substitutions(context, list(target))
        for source, target in node._Node__remappings
    }
    assert found == {
        f'{prefix}{source}': f'{prefix}{target}'
        for prefix in (['left/', 'right/'] if cameras else [''])
        for source, target in (
            ('image', 'color/image'),
            ('camera_info', 'color/camera_info'),
            ('depth/image', 'aligned_depth/image'),
            ('depth/points', 'aligned_depth/image'),
        )
    }
