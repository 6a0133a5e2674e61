# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The layouts for rviz2 and Foxglove name what the node publishes, in the form the tools read."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.replay.frame_messages import node_topics
from hiseg_ros.taxonomy import load_taxonomy

ROOT = Path(__file__).resolve().parent.parent
RVIZ = ROOT / 'config' / 'hiseg.rviz'
FOXGLOVE = ROOT / 'config' / 'foxglove_layout.json'
NODE = '/segmentation'
CAMERA = '/camera/image_raw'

RVIZ_CLASSES = {
    'rviz_common/Displays', 'rviz_common/Time', 'rviz_default_plugins/Camera',
    'rviz_default_plugins/Image', 'rviz_default_plugins/Interact', 'rviz_default_plugins/Orbit',
    'rviz_default_plugins/TF',
}  # fmt: skip
"""Of rviz_common's panels and rviz_default_plugins/plugins_description.xml of Jazzy."""

FOXGLOVE_PANELS = {'DiagnosticSummary', 'Image', 'Plot', 'RawMessages', 'Tab'}
"""Panel types as Foxglove and its open fork Lichtblick register them."""


def published() -> dict[str, str]:
    """Return the types of all topics that a live or replayed node and its camera have."""
    topics = node_topics(NODE, load_taxonomy('street'), frozenset(), has_info=True)
    return {
        **{topic.name: topic.message_type for topic in topics},
        '/diagnostics': 'diagnostic_msgs/msg/DiagnosticArray',
        CAMERA: 'sensor_msgs/msg/Image',
        f'{CAMERA}/compressed': 'sensor_msgs/msg/CompressedImage',
    }


def rviz() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(RVIZ.read_text(encoding='utf-8'))
    return config


def classes(value: Any) -> Iterator[str]:
    """Yield every class that a part of rviz's configuration names."""
    if isinstance(value, dict):
        if value.get('Class'):
            yield value['Class']
        for item in value.values():
            yield from classes(item)
    elif isinstance(value, list):
        for item in value:
            yield from classes(item)


def displays() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rviz()['Visualization Manager']['Displays']
    return found


def test_rviz_shows_camera_overlay_labels_and_confidence() -> None:
    """Images that were recorded compressed have a display of their own: its transport."""
    enabled = {d['Topic']['Value'] for d in displays() if d['Enabled']}
    assert enabled == {
        f'{NODE}/overlay/image', f'{NODE}/labels', f'{NODE}/confidence', CAMERA,
        f'{CAMERA}/compressed',
    }  # fmt: skip
    assert set(classes(rviz())) <= RVIZ_CLASSES


def test_rviz_subscribes_as_the_node_publishes() -> None:
    """Reliable where the node is, best effort where a camera driver may be."""
    kinds = published()
    for display in displays():
        topic = display['Topic']
        assert kinds[topic['Value']].endswith('Image'), topic
        is_node = topic['Value'].startswith(NODE)
        assert topic['Reliability Policy'] == ('Reliable' if is_node else 'Best Effort')
        assert topic['Durability Policy'] == 'Volatile'
        assert topic['History Policy'] == 'Keep Last'
        assert display['Enabled'] == display['Value']


def test_the_places_of_rviz_windows_are_those_of_its_displays_and_panels() -> None:
    """The saved state of the main window (Qt 5) holds each name in UTF-16 behind its length."""
    geometry = rviz()['Window Geometry']
    state = bytes.fromhex(geometry['QMainWindow State'])
    assert state.startswith(bytes.fromhex('000000ff00000000fd'))
    names = {d['Name'] for d in displays() if d['Enabled']}
    names |= {panel['Name'] for panel in rviz()['Panels']}
    for name in names:
        text = name.encode('utf-16-be')
        assert len(text).to_bytes(4, 'big') + text in state, name
        assert geometry[name] == {'collapsed': False}


def test_the_launch_file_renames_every_topic_of_the_rviz_layout() -> None:
    """A node in a namespace is shown, too."""
    launch = (ROOT / 'launch' / 'segmentation.launch.py').read_text(encoding='utf-8')
    match = re.search(r'^RVIZ_TOPICS = (\(.*?\))$', launch, re.MULTILINE | re.DOTALL)
    assert match is not None
    renamed = set(ast.literal_eval(match[1]))
    shown = {d['Topic']['Value'] for d in displays()}
    assert {t.removeprefix(f'{NODE}/') for t in shown if t.startswith(NODE)} <= renamed


def foxglove() -> dict[str, Any]:
    layout: dict[str, Any] = json.loads(FOXGLOVE.read_text(encoding='utf-8'))
    return layout


def panels(place: Any) -> Iterator[str]:
    """Yield the panels of a tree of splits."""
    if isinstance(place, str):
        yield place
        return
    assert set(place) == {'first', 'second', 'direction', 'splitPercentage'}
    assert place['direction'] in ('row', 'column')
    assert 0 < place['splitPercentage'] < 100
    yield from panels(place['first'])
    yield from panels(place['second'])


def test_the_foxglove_layout_has_the_fields_that_an_import_checks() -> None:
    layout = foxglove()
    for field in ('configById', 'globalVariables', 'userNodes'):
        assert isinstance(layout[field], dict)
    assert layout['playbackConfig'] == {'speed': 1}


def test_every_foxglove_panel_has_one_place() -> None:
    """In the window or in a tab, and is of a type that Foxglove has."""
    layout = foxglove()
    configs = layout['configById']
    assert {name.partition('!')[0] for name in configs} == FOXGLOVE_PANELS
    placed = list(panels(layout['layout']))
    for name, config in configs.items():
        if name.startswith('Tab!'):
            assert 0 <= config['activeTabIdx'] < len(config['tabs'])
            placed += [panel for tab in config['tabs'] for panel in panels(tab['layout'])]
    assert sorted(placed) == sorted(configs)


def test_foxglove_panels_show_topics_of_the_node() -> None:
    """Images where images are expected, and the diagnostics."""
    kinds, configs = published(), foxglove()['configById']
    images = {c['imageMode']['imageTopic'] for n, c in configs.items() if n.startswith('Image!')}
    assert images == {
        f'{NODE}/overlay/image', f'{NODE}/labels', f'{NODE}/confidence', CAMERA,
        f'{CAMERA}/compressed',
    }  # fmt: skip
    assert all(kinds[topic].endswith('Image') for topic in images)
    messages = {c['topicPath'] for n, c in configs.items() if n.startswith('RawMessages!')}
    assert {kinds[topic] for topic in messages} == {
        'hiseg_ros/msg/Taxonomy', 'hiseg_ros/msg/SubclassMasks',
    }  # fmt: skip
    [health] = [c for n, c in configs.items() if n.startswith('DiagnosticSummary!')]
    assert kinds[health['topicToRender']] == 'diagnostic_msgs/msg/DiagnosticArray'


@pytest.mark.parametrize('panel', ['Plot!stages', 'Plot!latency', 'Plot!frames'])
def test_every_curve_of_foxglove_is_a_number_of_a_message(panel: str) -> None:
    """A path that is not enabled, or whose field does not exist, would draw nothing."""
    fields = {name for name, _ in node_types().get_msgdef('hiseg_ros/msg/FrameStats').fields}
    paths = foxglove()['configById'][panel]['paths']
    assert paths
    for path in paths:
        topic, _, field = path['value'].rpartition('.')
        assert published()[topic] == 'hiseg_ros/msg/FrameStats'
        assert field in fields, field
        assert path['enabled'] is True
        assert path['timestampMethod'] in ('receiveTime', 'headerStamp')
        assert path['label']


def test_the_layout_for_points_shows_their_fields() -> None:
    """Colour transformers of rviz2 read rgb, or the channel that is named."""
    from hiseg_ros.messages.points import POINT

    config = yaml.safe_load((ROOT / 'config/points.rviz').read_text(encoding='utf-8'))
    shown = config['Visualization Manager']['Displays']
    clouds = [d for d in shown if d['Class'] == 'rviz_default_plugins/PointCloud2']
    assert [d['Enabled'] for d in clouds] == [True, False]
    for display in clouds:
        topic = display['Topic']
        assert topic['Value'] == f'{NODE}/points'
        assert (topic['Reliability Policy'], topic['Durability Policy']) == (
            'Reliable',
            'Volatile',
        )
        needs = {'RGB8': 'rgb', 'Intensity': display.get('Channel Name')}
        assert needs[display['Color Transformer']] in (POINT.names or ())
    assert set(classes(config)) <= RVIZ_CLASSES | {'rviz_default_plugins/PointCloud2'}
