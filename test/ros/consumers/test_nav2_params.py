# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The costmap parameters and the classes of ~/nav2/label_info: the same, by the layer's rules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from hiseg_ros.taxonomy import load_mapping, load_taxonomy

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / 'scripts' / 'nav2_params'


def written(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[dict[str, Any], str]:
    """Return the layer's parameters as the program writes them, and its standard error."""
    from hiseg_ros.ros.consumers.nav2_params import main

    assert main(arguments) == 0
    output = capsys.readouterr()
    (costmap,) = yaml.safe_load(output.out).values()
    (node,) = costmap.values()
    return node['ros__parameters']['semantic_segmentation_layer'], output.err


def cost_of_class(layer: dict[str, Any], source: str) -> dict[str, int]:
    """Read one source as the layer does: class types, their classes, the cost of each."""
    parameters = layer[source]
    assert parameters['class_types']
    costs = {}
    for class_type in parameters['class_types']:
        values = parameters[class_type]
        assert values['classes'], 'an empty type is an error in the layer'
        for key in ('base_cost', 'max_cost', 'mark_confidence', 'samples_to_max_cost'):
            assert isinstance(values[key], int) and 0 <= values[key] <= 255
        assert isinstance(values['dominant_priority'], bool)
        for name in values['classes']:
            assert name not in costs, 'the layer keeps the first of two'
            costs[name] = values['max_cost']
    return costs


def test_the_parameters_list_exactly_the_classes_of_the_mapping(
    capsys: pytest.CaptureFixture[str],
) -> None:
    mapping = load_mapping('nav2', load_taxonomy('street'))
    layer, errors = written(capsys)
    costs = cost_of_class(layer, 'camera')
    assert set(costs) == {label.name for label in mapping.evaluated_labels}
    assert costs['driveable'] == 0 and costs['person'] == 254
    assert layer['camera']['segmentation_topic'] == '/segmentation/nav2/mask'
    assert layer['camera']['labels_topic'] == '/segmentation/nav2/label_info'
    assert errors == ''


@pytest.mark.needs('ros', 'vision_msgs')
def test_the_latched_label_info_has_the_classes_of_the_parameters_and_no_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from hiseg_ros.ros.consumers.requested_groups import label_infos
    from hiseg_ros.ros.parameters import NodeParameters

    parameters = NodeParameters(nav2_classes='nav2', nav2_min_probability=0.25)
    info = label_infos(load_taxonomy('street'), parameters)['nav2/label_info']
    costs = cost_of_class(written(capsys)[0], 'camera')
    assert [entry.class_name for entry in info.class_map if entry.class_name not in costs] == []
    assert {entry.class_name for entry in info.class_map} == set(costs)
    ids = [entry.class_id for entry in info.class_map]
    assert len(set(ids)) == len(ids) and max(ids) < 255
    assert info.threshold == 0.25


def test_each_camera_is_a_source_with_its_own_topics(capsys: pytest.CaptureFixture[str]) -> None:
    layer, _ = written(
        capsys,
        '--cameras',
        'front,rig/rear',
        '--node',
        '/robot/segmentation',
        '--cloud',
        '/{camera}/points',
    )
    assert layer['observation_sources'].split() == ['front', 'rig_rear']
    rear = layer['rig_rear']
    assert rear['confidence_topic'] == '/robot/segmentation/rig/rear/nav2/confidence'
    assert rear['pointcloud_topic'] == '/rig/rear/points'
    assert cost_of_class(layer, 'front') == cost_of_class(layer, 'rig_rear')


def test_classes_of_one_s_own_are_lethal_until_a_cost_is_given(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / 'mine.yaml'
    path.write_text(
        'name: mine\nlabels:\n'
        '  - {id: 1, name: lawn, nodes: [Terrain]}\n'
        '  - {id: 2, name: people, nodes: [Human]}\n'
    )
    layer, errors = written(capsys, '--classes', str(path), '--cost', 'lawn=40')
    assert cost_of_class(layer, 'camera') == {'lawn': 40, 'people': 254}
    assert 'people' in errors and 'lawn' not in errors


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['--cost', 'lava=254'], 'lava; expected some of driveable'),
        (['--classes', 'nowhere'], 'nowhere'),
        (['--output', '/nowhere/params.yaml'], 'No such file'),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    from hiseg_ros.ros.consumers.nav2_params import main

    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith('nav2_params: ') and expected in line


def test_the_program_runs_as_ros2_run_starts_it(tmp_path: Path) -> None:
    output = tmp_path / 'nav2.yaml'
    command = [sys.executable, str(SCRIPT), '--costmap', 'global_costmap', '--output', str(output)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (0, ''), result.stderr
    assert list(yaml.safe_load(output.read_text())) == ['global_costmap']
