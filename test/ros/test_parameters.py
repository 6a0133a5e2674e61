# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Parameters: the table, the file that documents it, validation and faults kept for later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from hiseg_ros.errors import ConfigError
from hiseg_ros.resources import config_path

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')


@pytest.fixture
def make_store(graph: Graph) -> Iterator[Any]:
    """Return a function that declares the parameters on a new node, with values given to it."""
    from rclpy.node import Node
    from rclpy.parameter import Parameter

    from hiseg_ros.ros.node.parameter_store import ParameterStore

    nodes = []

    def make(given: dict[str, Any] | None = None, *, configured: bool = False) -> Any:
        overrides = [Parameter(name, value=value) for name, value in (given or {}).items()]
        node = Node('store', context=graph.context, parameter_overrides=overrides)
        nodes.append(node)
        return node, ParameterStore(node, is_configured=lambda: configured)

    yield make
    for node in nodes:
        node.destroy_node()


def set_parameter(node: Any, name: str, value: Any) -> Any:
    from rclpy.parameter import Parameter

    return node.set_parameters([Parameter(name, value=value)])[0]


def flat(tree: dict[str, Any], prefix: str = '') -> dict[str, Any]:
    values = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            values.update(flat(value, f'{prefix}{key}.'))
        else:
            values[f'{prefix}{key}'] = value
    return values


def test_the_shipped_file_names_every_parameter_with_its_default() -> None:
    from hiseg_ros.ros.parameters import DEFAULTS

    tree = yaml.safe_load(config_path('segmentation.yaml').read_text())
    given = flat(tree['/**']['ros__parameters'])
    assert given == DEFAULTS
    assert {name: type(value) for name, value in given.items()} == {
        name: type(value) for name, value in DEFAULTS.items()
    }


def test_every_parameter_is_described_with_range_or_choices(make_store: Any) -> None:
    from hiseg_ros.ros.parameters import DEFAULTS

    free_text = (
        'model', 'taxonomy', 'image_sizes', 'cameras', 'label_sets', 'nav2.classes',
        'autoware.classes', 'semantic.classes',
    )  # fmt: skip
    node, _ = make_store()
    for name, default in DEFAULTS.items():
        descriptor = node.describe_parameter(name)
        assert descriptor.description.endswith('.')
        if isinstance(default, bool):
            continue
        if isinstance(default, float):
            assert len(descriptor.floating_point_range) == 1
        elif isinstance(default, int) or name == 'input_height':
            assert len(descriptor.integer_range) == 1
        elif name not in free_text:
            assert 'one of' in descriptor.additional_constraints


def test_a_word_that_a_number_may_be_is_described_beside_the_range(make_store: Any) -> None:
    descriptor = make_store()[0].describe_parameter('input_height')
    expected = 'auto or a number; can be set while unconfigured'
    assert descriptor.additional_constraints == expected
    assert descriptor.dynamic_typing and descriptor.integer_range[0].to_value == 4096


def test_values_of_a_parameter_file_arrive_in_the_snapshot(make_store: Any) -> None:
    given = {'threshold': 0.25, 'overlay.alpha': 1.0, 'image_transport': 'compressed'}
    node, store = make_store(given)
    assert store.values.threshold == 0.25
    assert store.values.overlay_alpha == 1.0
    assert store.validated().image_transport == 'compressed'
    assert node.get_parameter('image_transport').value == 'compressed'


@pytest.mark.parametrize(
    ('given', 'expected'),
    [(['front', 'rig/rear'], ('front', 'rig/rear')), ([''], ('',)), ([], ('',))],
)
def test_cameras_are_a_list_of_names_and_none_of_them_is_one_camera_without_a_name(
    make_store: Any, given: list[str], expected: tuple[str, ...]
) -> None:
    _, store = make_store({'cameras': given})
    assert store.validated().cameras == expected


@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        (['512x1024', '48x64', '512x1024'], ((512, 1024), (48, 64))), ([''], ()), ([], ()),
    ],
)  # fmt: skip
def test_image_sizes_are_heights_and_widths(
    make_store: Any, given: list[str], expected: tuple[tuple[int, int], ...]
) -> None:
    from hiseg_ros.ros.parameters import sizes_of

    _, store = make_store({'image_sizes': given})
    assert sizes_of(store.validated()) == expected


@pytest.mark.parametrize(
    ('given', 'cameras', 'expected'),
    [
        (270, [''], [270]), ([90], ['a', 'b'], [90, 90]), ([0, 180], ['a', 'b'], [0, 180]),
    ],
)  # fmt: skip
def test_rotation_is_one_number_or_one_for_each_camera(
    make_store: Any, given: Any, cameras: list[str], expected: list[int]
) -> None:
    from hiseg_ros.ros.parameters import rotation_of

    _, store = make_store({'rotation': given, 'cameras': cameras})
    values = store.validated()
    assert [rotation_of(values, camera) for camera in cameras] == expected


@pytest.mark.parametrize('value', ['auto', 0, 512, 4096])
def test_the_input_height_is_a_number_or_auto(make_store: Any, value: Any) -> None:
    from hiseg_ros.ros.parameters import fixed_height

    node, store = make_store({'input_height': value})
    assert store.validated().input_height == value
    assert node.get_parameter('input_height').value == value
    assert fixed_height(store.values) == (0 if value == 'auto' else value)
    for other in (64, 'auto'):  # of another type than the one before
        assert set_parameter(node, 'input_height', other).successful
        assert store.values.input_height == other
    refused = set_parameter(node, 'input_height', 'large')
    assert not refused.successful and 'expected auto or a whole number' in refused.reason
    assert store.values.input_height == 'auto'


def test_a_whole_number_is_a_float_where_a_float_is_expected(make_store: Any) -> None:
    _, store = make_store({'threshold': 1})
    assert store.validated().threshold == 1.0


@pytest.mark.parametrize(
    ('name', 'value', 'expected'),
    [
        ('cameras', 'front', 'a list of different names'),
        ('cameras', ['front', 'front'], 'a list of different names'),
        ('cameras', ['front', 'left camera'], 'a list of different names'),
        ('cameras', ['/front'], 'a list of different names'),
        ('image_sizes', '512x1024', 'a list of heights and widths'),
        ('image_sizes', ['512 x 1024'], 'a list of heights and widths'),
        ('image_sizes', ['0x1024'], 'a list of heights and widths'),
        ('image_sizes', ['99999x1024'], 'a list of heights and widths'),
        ('max_batch', 65, 'a value from 0 to 64'),
        ('input_height', 'small', 'auto or a whole number'),
        ('input_height', 448.0, 'auto or a whole number'),
        ('input_height', 4097, 'auto or a value from 0 to 4096'),
        ('input_height', True, 'auto or a whole number'),
        ('input_height_min', 'auto', 'a whole number'),
        ('target_rate', -1.0, 'a value from 0 to 1000'),
        ('image_transport', 'theora', 'one of raw, compressed'),
        ('device', 'gpu', 'one of auto, cpu, cuda, cuda:N'),
        ('device', 'cuda:', 'one of auto, cpu, cuda, cuda:N'),
        ('image_reliability', 'RELIABLE', 'one of auto, reliable, best_effort'),
        ('probabilities.encoding', 'float32', 'one of uint8, float16'),
        ('threshold', 1.5, 'a value from 0 to 1'),
        ('threshold', float('nan'), 'a value from 0 to 1'),
        ('overlay.alpha', -0.1, 'a value from 0 to 1'),
        ('probabilities.stride', -1, 'a value from 0 to 64'),
        ('signs.max_masks', '64', 'a whole number'),
        ('autostart', 'yes', 'true or false'),
        ('model', 5, 'text'),
        ('rotation', [0, 45], '0, 90, 180 or 270 degrees'),
        ('rotation', -90, '0, 90, 180 or 270 degrees'),
        ('rotation', [0.0], '0, 90, 180 or 270 degrees'),
        ('rotation', ['0'], '0, 90, 180 or 270 degrees'),
        ('max_rate', -1.0, 'a value from 0 to 1000'),
        ('points.source', 'lidar', 'one of none, depth, cloud'),
    ],
)
def test_a_bad_value_in_a_file_is_kept_as_a_fault_until_a_good_one_comes(
    make_store: Any, name: str, value: Any, expected: str
) -> None:
    from hiseg_ros.ros.parameters import DEFAULTS

    node, store = make_store({name: value})
    with pytest.raises(ConfigError) as caught:
        store.validated()
    assert name in str(caught.value)
    assert repr(value) in str(caught.value)
    assert f'expected {expected}' in str(caught.value)
    assert set_parameter(node, name, DEFAULTS[name]).successful
    store.validated()


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('image_transport', 'theora'),
        ('device', 'tpu'),
        ('probabilities.encoding', 'float64'),
        ('threshold', 2.0),
        ('probabilities.stride', 65),
        ('autostart', 1),
    ],
)
def test_setting_a_bad_value_is_refused_with_a_reason_and_changes_nothing(
    make_store: Any, name: str, value: Any
) -> None:
    node, store = make_store()
    before = store.values
    result = set_parameter(node, name, value)
    assert not result.successful
    assert result.reason
    assert store.values == before
    store.validated()


def test_live_parameters_change_while_configured_and_the_others_do_not(make_store: Any) -> None:
    node, store = make_store(configured=True)
    assert set_parameter(node, 'threshold', 0.5).successful
    assert store.values.threshold == 0.5
    refused = set_parameter(node, 'device', 'cpu')
    assert not refused.successful
    assert 'clean up first' in refused.reason
    assert store.values.device == 'auto'


def test_a_set_of_parameters_is_taken_as_a_whole_or_not_at_all(make_store: Any) -> None:
    from rclpy.parameter import Parameter

    node, store = make_store()
    together = [Parameter('threshold', value=0.5), Parameter('device', value='abacus')]
    assert not node.set_parameters_atomically(together).successful
    assert store.values.threshold == 0.0
    assert node.get_parameter('threshold').value == 0.0


def test_names_the_node_does_not_have_are_noticed_but_those_of_ros_are_not(
    make_store: Any,
) -> None:
    given = {
        'treshold': 0.5,
        'use_sim_time': False,
        'qos_overrides./parameter_events.publisher.depth': 10,
    }
    _, store = make_store(given)
    assert store.unknown_names == ('treshold',)
