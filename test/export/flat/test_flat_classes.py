# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Order of the classes of a flat network, and the node of each class."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

import pytest

from hiseg_ros.errors import ConfigError
from hiseg_ros.export.flat.classes import ClassOrders, flat_classes
from hiseg_ros.taxonomy import Taxonomy, load_mapping, load_taxonomy

TRAIN_IDS = (
    'road',
    'sidewalk',
    'building',
    'wall',
    'fence',
    'pole',
    'traffic light',
    'traffic sign',
    'vegetation',
    'terrain',
    'sky',
    'person',
    'rider',
    'car',
    'truck',
    'bus',
    'train',
    'motorcycle',
    'bicycle',
)
"""Of the Cityscapes benchmark, 0 to 18."""


@pytest.fixture(scope='module')
def street() -> Taxonomy:
    """Return the default tree."""
    return load_taxonomy('street')


def node_names(mapping: str, count: int, tree: Taxonomy) -> dict[str, str]:
    """Return the names of nodes by those of labels."""
    order = ClassOrders(mapping, tree).of_count(count)
    assert order is not None
    return {one.name: tree.nodes[one.node_id].name for one in flat_classes(order, tree)}


@pytest.mark.parametrize('tree', ['street', 'iv2018'])
def test_the_benchmarks_mapping_has_its_19_classes_in_the_order_of_train_ids(tree: str) -> None:
    """With the label ids of the other mapping, and all other ids unlabeled."""
    taxonomy = load_taxonomy(tree)
    few, many = (load_mapping(name, taxonomy) for name in ('cityscapes_labelids', 'cityscapes'))
    assert tuple(label.name for label in few.labels) == TRAIN_IDS
    by_name = {label.name: label for label in many.labels}
    for label in few.labels[1:]:
        assert label == by_name[label.name]
    road, parking = by_name['road'].leaves, by_name['parking'].leaves
    assert few.labels[0].leaves == tuple(sorted(road + parking))
    ids = {label.label_id for label in many.labels} | set(many.unlabeled_ids)
    assert {label.label_id for label in few.labels} | set(few.unlabeled_ids) == ids


def test_19_channels_of_cityscapes_are_train_ids(street: Taxonomy) -> None:
    """Each class gets the node that stands for it, an inner one where the label is wider."""
    names = node_names('cityscapes', 19, street)
    assert tuple(names) == TRAIN_IDS
    inner = {
        'road': 'Driveable',
        'sidewalk': 'Walkable',
        'pole': 'Support',
        'rider': 'Rider',
        'traffic sign': 'Traffic Sign (Front)',
        'train': 'On Rails',
    }
    assert names == {name: inner.get(name, name.title()) for name in TRAIN_IDS}


def test_classes_of_camvid_get_the_nodes_that_hold_most_of_them(street: Taxonomy) -> None:
    """Else the node of their name, else the first that the mapping names."""
    assert node_names('camvid', 11, street) == {
        'Sky': 'Sky',
        'Building': 'Construction - Structure',
        'Pole': 'Support',
        'Road': 'Driveable',
        'Pavement': 'Walkable',
        'Tree': 'Vegetation',
        'SignSymbol': 'Traffic Sign',
        'Fence': 'Fence',
        'Car': 'Motor Vehicle',
        'Pedestrian': 'Person',
        'Bicyclist': 'Rider',
    }


@pytest.mark.parametrize(
    ('mapping', 'count', 'words'),
    [
        ('vistas', 65, 'the 65 labels of vistas in order'),
        ('vistas', 66, 'the 65 labels of vistas in order, the last unlabeled'),
        ('camvid', 11, 'the 11 labels of camvid in order'),
        ('camvid', 12, 'the 11 labels of camvid in order, the last unlabeled'),
        ('cityscapes', 27, 'the 27 labels of cityscapes in order'),
        ('cityscapes', 20, 'the 19 labels of cityscapes_labelids in order, the last unlabeled'),
        ('cityscapes', 34, 'label ids of cityscapes'),
        ('gtsdb', 43, 'the 43 labels of gtsdb in order'),
        ('gtsdb', 44, 'the 44 labels of gtsdb in order'),
    ],
)
def test_the_number_of_channels_tells_the_order(
    street: Taxonomy, mapping: str, count: int, words: str
) -> None:
    """And it is said in words."""
    order = ClassOrders(mapping, street).of_count(count)
    assert order is not None
    assert order.words == words
    classes = flat_classes(order, street)
    assert sorted(channel for one in classes for channel in one.channels) == list(range(count))
    assert len({one.node_id for one in classes}) == len(classes)
    if 'last unlabeled' in words:
        assert classes[-1].node_id == 0
        assert classes[-1].label_id is None


def test_a_number_of_channels_that_fits_nothing_has_no_order(street: Taxonomy) -> None:
    """And those that fit are known."""
    orders = ClassOrders('cityscapes', street)
    assert orders.of_count(21) is None
    assert orders.counts == (19, 20, 27, 28, 34)


def test_a_list_gives_any_order_and_may_divide_a_label(street: Taxonomy, tmp_path: Path) -> None:
    """Comments and empty lines are no channels, and case does not matter."""
    path = tmp_path / 'classes.txt'
    path.write_text('# mine\nsky\n\nRoad\nunlabeled\nroad\ncar\n')
    orders = ClassOrders('cityscapes_labelids', street, path)
    assert orders.counts == (5,)
    classes = flat_classes(orders.usual, street)
    assert [(one.name, one.channels) for one in classes] == [
        ('sky', (0,)),
        ('road', (1, 3)),
        ('unlabeled', (2,)),
        ('car', (4,)),
    ]


def test_channels_may_be_label_ids(street: Taxonomy) -> None:
    """Ids that the mapping does not know are unlabeled."""
    orders = ClassOrders('cityscapes', street, by_label_id=True)
    assert orders.counts == (34,)
    classes = {one.name: one.channels for one in flat_classes(orders.usual, street)}
    assert classes['road'] == (7,)
    assert classes['unlabeled'] == (0, 2, 3, 4, 5, 6, 18)


def test_a_label_gets_the_node_that_is_asked_for(street: Taxonomy) -> None:
    """By name, whatever else would be chosen."""
    order = ClassOrders('camvid', street).usual
    classes = flat_classes(order, street, {'tree': 'Nature', 'Road': 'Road'})
    names = {one.name: street.nodes[one.node_id].name for one in classes}
    assert (names['Tree'], names['Road']) == ('Nature', 'Road')


@pytest.mark.parametrize(
    ('nodes', 'words'),
    [
        ({'trea': 'Nature'}, r"the label 'trea'; expected one of the network: \['bicyclist'"),
        ({'Tree': 'Vegetatoin'}, r"node 'Vegetatoin'; .*such as 'Vegetation'"),
        ({'Tree': 'Sky'}, r"'Sky' and 'Tree' both have the node 'Sky'.*--node 'Tree=NODE'"),
    ],
)
def test_nodes_that_do_not_fit_are_refused(
    street: Taxonomy, nodes: dict[str, str], words: str
) -> None:
    """In one sentence that says what to write."""
    order = ClassOrders('camvid', street).usual
    with pytest.raises(ConfigError, match=words):
        flat_classes(order, street, nodes)


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('road\nrode\n', r"'rode'; expected a label of mapping 'cityscapes'.*such as 'road'"),
        ('road\nroad\n', r'has one class by .*at least two'),
        (None, r'classes\.txt cannot be read'),
    ],
)
def test_lists_that_do_not_fit_are_refused(
    street: Taxonomy, tmp_path: Path, text: str | None, words: str
) -> None:
    """In one sentence, with a suggestion where there is one."""
    path = tmp_path / 'classes.txt'
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        flat_classes(ClassOrders('cityscapes', street, path).usual, street)
    with pytest.raises(ConfigError, match='--classes and --label-ids'):
        ClassOrders('cityscapes', street, path, by_label_id=True)


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le'])
def test_a_byte_order_mark_is_no_part_of_a_name(
    street: Taxonomy, tmp_path: Path, encoding: str
) -> None:
    """Editors of other systems write one, and their own ends of lines."""
    path = tmp_path / 'classes.txt'
    mark = codecs.BOM_UTF16_LE if encoding == 'utf-16-le' else b''
    path.write_bytes(mark + 'sky\r\nunlabeled\r\nroad\r\n'.encode(encoding))
    classes = flat_classes(ClassOrders('cityscapes', street, path).usual, street)
    assert [one.name for one in classes] == ['sky', 'unlabeled', 'road']


def test_a_binary_mask_takes_the_node_that_it_is_advised_to_name(
    street: Taxonomy, tmp_path: Path
) -> None:
    """For each of the two that have the root, a channel without a label and the label."""
    root = street.nodes[0].name
    file = tmp_path / 'mask.yaml'
    file.write_text(
        f'name: mask\nunlabeled: [255]\nlabels:\n  - {{id: 1, name: all, nodes: [{root}]}}\n'
    )
    order = ClassOrders(file, street, by_label_id=True).usual
    with pytest.raises(ConfigError, match=r"--node '(.*)=NODE'") as caught:
        flat_classes(order, street)
    [advised] = re.findall(r"--node '(.*)=NODE'", str(caught.value))
    for name in {advised, 'unlabeled', 'all'}:
        classes = flat_classes(order, street, {name: 'Sky'})
        nodes = {one.name: street.nodes[one.node_id].name for one in classes}
        assert nodes == {'unlabeled': root, 'all': root, name: 'Sky'}


def test_unlabeled_is_no_name_where_all_channels_have_a_label(street: Taxonomy) -> None:
    """It is refused like any other that is not there."""
    with pytest.raises(ConfigError, match="names the label 'unlabeled'"):
        flat_classes(ClassOrders('camvid', street).usual, street, {'unlabeled': 'Sky'})
