# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The shipped mappings against the method's tables, and the known errors that must stay out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest
from method_tables import CAMVID, CITYSCAPES, FIRST_LEVEL, GTSDB, VISTAS

from hiseg_ros.taxonomy import Mapping, Taxonomy, load_mapping, load_taxonomy

shipped = cache(load_taxonomy)
mapped = cache(load_mapping)

PAIRS = [
    ('street', 'camvid'),
    *((tree, name) for tree in ('street', 'iv2018') for name in ('cityscapes', 'gtsdb', 'vistas')),
]


def leaves_of(taxonomy: Taxonomy, names: Iterable[str]) -> tuple[int, ...]:
    """Return the node ids of all leaves below the named nodes, ascending."""
    found = {leaf for name in names for leaf in taxonomy.leaves_below(taxonomy.node_id(name))}
    return tuple(sorted(found))


def by_id(mapping: Mapping) -> dict[int, tuple[str, tuple[int, ...]]]:
    """Return name and leaves by label id."""
    return {label.label_id: (label.name, label.leaves) for label in mapping.labels}


@pytest.fixture(params=['street', 'iv2018'])
def taxonomy(request: pytest.FixtureRequest) -> Taxonomy:
    """Return each shipped tree."""
    return shipped(request.param)


def test_cityscapes_has_27_labels_with_the_corrected_targets(taxonomy: Taxonomy) -> None:
    mapping = mapped('cityscapes', taxonomy)
    assert [row[0] for row in CITYSCAPES] == list(range(27))
    assert by_id(mapping) == {
        label_id: (name, leaves_of(taxonomy, nodes))
        for _, label_id, name, _, _, nodes in CITYSCAPES
    }
    assert mapping.unlabeled_ids == (0, 2, 3, 4, 5, 6, 18, -1, 255)


TRAIN_ID_OF_LABEL_ID = {
    7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12,
    26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18,
}  # fmt: skip
"""Of Cityscapes' own scripts; every other label has 255, or -1 for license plates."""


def test_cityscapes_label_ids_and_train_ids_are_those_of_the_tables(taxonomy: Taxonomy) -> None:
    """Both have the benchmark's classes, each under the id that its name promises."""
    by_label_id = by_id(mapped('cityscapes_labelids', taxonomy))
    by_train_id = by_id(mapped('cityscapes_trainids', taxonomy))
    assert list(by_label_id) == list(TRAIN_ID_OF_LABEL_ID)
    assert list(by_train_id) == list(range(19))
    table = {label_id: (name, nodes) for _, label_id, name, _, _, nodes in CITYSCAPES}
    for label_id, train_id in TRAIN_ID_OF_LABEL_ID.items():
        name, nodes = table[label_id]
        if name == 'road':  # parking has no trainId
            nodes = ('Driveable',)
        expected = (name, leaves_of(taxonomy, nodes))
        assert by_label_id[label_id] == by_train_id[train_id] == expected
    assert mapped('cityscapes_trainids', taxonomy).unlabeled_ids == (255, -1)
    every_id = {*by_id(mapped('cityscapes', taxonomy)), 0, 2, 3, 4, 5, 6, 18, -1, 255}
    unlabeled = set(mapped('cityscapes_labelids', taxonomy).unlabeled_ids)
    assert unlabeled == every_id - TRAIN_ID_OF_LABEL_ID.keys()


def test_the_page_gives_the_ids_that_the_label_sets_publish() -> None:
    """docs/consumers.md, the table of Cityscapes' label sets."""
    page = Path(__file__).resolve().parents[2] / 'docs/consumers.md'
    rows = re.findall(
        r'^\| `(cityscapes\w*)` \| .*?(\d+).* \| (labelIds|trainIds), (\d+) to (\d+) \| (\d+) \|$',
        page.read_text(encoding='utf-8'),
        re.M,
    )
    found = {}
    for name, count, kind, *numbers in rows:
        mapping = mapped(name, shipped('street'))
        ids = [label.label_id for label in mapping.evaluated_labels]
        assert int(count) == len(ids)
        assert [int(n) for n in numbers] == [min(ids), max(ids), mapping.unlabeled_ids[0]]
        found[name] = kind
    assert found == {
        'cityscapes': 'labelIds',
        'cityscapes_labelids': 'labelIds',
        'cityscapes_trainids': 'trainIds',
    }


def test_the_page_on_taxonomies_gives_the_ids_of_every_mapping() -> None:
    """docs/taxonomy.md: numbers of classes, and first and last id."""
    page = Path(__file__).resolve().parents[2] / 'docs/taxonomy.md'
    text = page.read_text(encoding='utf-8').partition('\n| mapping | ids |')[2]
    rows = re.findall(r'^\| `(\w+)` \| (.*?) \|', text, re.M)
    assert {'vistas', 'camvid', 'cityscapes', 'cityscapes_trainids', 'gtsdb'} <= {
        n for n, _ in rows
    }
    for name, said in rows:
        labels = mapped(name, shipped('street')).labels
        scored = [label for label in labels if label.evaluated] or labels
        ids = [label.label_id for label in scored]
        for count in re.findall(r'(\d+) classes', said):
            assert int(count) in (len(scored), len(labels)), name
        for first, last in re.findall(r'(\d+) to (\d+)', said):
            assert (int(first), int(last)) == (min(ids), max(ids)), name


def test_cityscapes_labels_contain_the_papers_first_level_class() -> None:
    taxonomy = shipped('iv2018')
    labels = by_id(mapped('cityscapes', taxonomy))
    for _, label_id, name, first_level_id, first_level, _ in CITYSCAPES:
        assert FIRST_LEVEL[first_level_id] == first_level
        target = set(taxonomy.leaves_below(taxonomy.node_id(first_level)))
        if name in {'road', 'parking', 'traffic sign'}:
            assert set(labels[label_id][1]) < target
        else:
            assert set(labels[label_id][1]) >= target, name


def test_vistas_has_65_labels_and_each_is_the_node_of_its_name(taxonomy: Taxonomy) -> None:
    mapping = mapped('vistas', taxonomy)
    assert by_id(mapping) == {
        label_id: (name, leaves_of(taxonomy, [name])) for label_id, name, _, _, _ in VISTAS
    }
    assert [row[0] for row in VISTAS] == list(range(65))
    assert mapping.unlabeled_ids == (65,)


def test_vistas_labels_are_the_papers_classes_at_the_papers_places() -> None:
    taxonomy = shipped('iv2018')
    classifiers = {
        'driveable': 'Driveable', 'rider': 'Rider', 'traffic_sign': 'Traffic Sign',
    }  # fmt: skip
    for _, name, first_level_id, first_level, place in VISTAS:
        node = taxonomy.children(0)[first_level_id]
        assert taxonomy.nodes[node].name == first_level
        if place is None:
            assert first_level == name
        else:
            classifier, index = place
            assert classifiers[classifier] == first_level
            assert taxonomy.nodes[taxonomy.children(node)[index]].name == name


def test_gtsdb_has_43_types_and_the_pixels_outside_all_boxes(taxonomy: Taxonomy) -> None:
    mapping = mapped('gtsdb', taxonomy)
    types = [row[3] for row in GTSDB]
    expected = {row[0]: (row[3], (taxonomy.node_id(row[3]),)) for row in GTSDB}
    outside = set(taxonomy.leaves) - {taxonomy.node_id(name) for name in types}
    assert by_id(mapping) == {**expected, 43: ('outside all boxes', tuple(sorted(outside)))}
    assert [label.name for label in mapping.evaluated_labels] == types
    assert mapping.unlabeled_ids == (255,)


def test_the_published_gtsdb_masks_hold_2000_and_the_class() -> None:
    assert [row[1] - 2000 for row in GTSDB] == [row[0] for row in GTSDB] == list(range(43))


def test_camvid_has_11_labels_of_merged_classes() -> None:
    street = shipped('street')
    mapping = mapped('camvid', street)
    assert by_id(mapping) == {
        label_id: (name, leaves_of(street, nodes)) for label_id, name, nodes in CAMVID
    }
    assert mapping.unlabeled_ids == (11, 255)


@pytest.mark.parametrize(('tree', 'name'), PAIRS)
def test_no_leaf_belongs_to_two_evaluated_labels(tree: str, name: str) -> None:
    labels = mapped(name, shipped(tree)).evaluated_labels
    leaves = [leaf for label in labels for leaf in label.leaves]
    assert len(leaves) == len(set(leaves))


def test_a_cityscapes_truck_is_no_sign_and_its_sign_trains_the_front(taxonomy: Taxonomy) -> None:
    # E1: the published code indexes a table of class ids by a labelId, where 20 is the truck.
    labels = by_id(mapped('cityscapes', taxonomy))
    sign = set(leaves_of(taxonomy, ['Traffic Sign']))
    assert labels[27][0] == 'truck'
    assert not sign & set(labels[27][1])
    assert labels[20] == ('traffic sign', leaves_of(taxonomy, ['Traffic Sign (Front)']))
    assert [label_id for label_id, (_, leaves) in labels.items() if sign & set(leaves)] == [20]


def test_cityscapes_parking_and_road_divide_driveable_between_them(taxonomy: Taxonomy) -> None:
    # E2: parking trained nothing, since it was the only label below Driveable.
    labels = by_id(mapped('cityscapes', taxonomy))
    assert labels[9][1] == leaves_of(taxonomy, ['Parking'])
    assert set(labels[7][1]).isdisjoint(labels[9][1])
    assert sorted(labels[7][1] + labels[9][1]) == list(leaves_of(taxonomy, ['Driveable']))


def test_a_gtsdb_type_trains_every_classifier_above_it(taxonomy: Taxonomy) -> None:
    # E3: it trained only the classifier of types; a leaf is a product along its whole path.
    for label in mapped('gtsdb', taxonomy).evaluated_labels:
        (leaf,) = label.leaves
        names = [taxonomy.nodes[node].name for node in taxonomy.path(leaf)]
        assert {'Traffic Sign', 'Traffic Sign (Front)'} <= set(names)


def test_the_pixels_outside_all_boxes_may_be_other_signs_and_backs_of_signs() -> None:
    street = shipped('street')
    outside = mapped('gtsdb', street).labels[43].leaves
    assert street.node_id('other sign') in outside
    assert street.node_id('Traffic Sign (Back)') in outside


def test_an_inner_node_is_not_taken_for_its_last_child(taxonomy: Taxonomy) -> None:
    # E4: inverting a table of many to one made Driveable a Pothole and every sign a front.
    table = mapped('vistas', taxonomy).label_id_of_node_id(taxonomy)
    for name in ('Driveable', 'Rider', 'Traffic Sign', taxonomy.nodes[0].name):
        assert table[taxonomy.node_id(name)] == -1
    assert table[taxonomy.node_id('Traffic Sign (Front)')] == 50
    assert table[taxonomy.node_id('p_limit_30')] == 50


def test_every_leaf_has_a_vistas_label(taxonomy: Taxonomy) -> None:
    # E6: the table of the published code is too short for any sign type.
    mapping = mapped('vistas', taxonomy)
    table = mapping.label_id_of_node_id(taxonomy)
    assert table.shape == (256,)
    assert all(0 <= table[leaf] < 65 for leaf in taxonomy.leaves)
    assert (table[len(taxonomy) :] == -1).all()
    assert mapping.label_matrix(taxonomy).sum(0).tolist() == [1] * len(taxonomy.leaves)


def test_a_sign_without_a_type_is_not_taken_for_one(taxonomy: Taxonomy) -> None:
    # E7: "a sign, type unknown" was written as a type's number.
    table = mapped('gtsdb', taxonomy).label_id_of_node_id(taxonomy)
    assert table[taxonomy.node_id('Traffic Sign (Front)')] == -1
    assert table[taxonomy.node_id('Traffic Sign')] == -1


def test_a_node_counts_for_the_camvid_class_that_it_lies_below() -> None:
    street = shipped('street')
    table = mapped('camvid', street).label_id_of_node_id(street)
    expected = {
        'Sky': 0, 'Construction - Structure': 1, 'Wall': 1, 'Support': 2, 'Utility Pole': 2,
        'Driveable': 3, 'Marking': 3, 'Lane Marking - General': 3, 'Walkable': 4, 'Curb': 4,
        'Terrain': 5, 'Traffic Sign': 6, 'Traffic Light': 6, 'd_snow': 6, 'other sign': 6,
        'Motor Vehicle': 8, 'Truck': 8, 'Person': 9, 'Rider': 10, 'Cycle': 10, 'Motorcycle': 10,
        'Human': -1, 'Nature': -1, 'Construction': -1, 'Vehicle': -1, 'Bench': -1, 'Boat': -1,
        'Void': -1,
    }  # fmt: skip
    assert {name: table[street.node_id(name)] for name in expected} == expected
    assert table[255] == -1


def test_label_ids_are_looked_up_and_unlabeled_ones_have_no_row() -> None:
    mapping = mapped('camvid', shipped('street'))
    table = mapping.index_of_label_id(256)
    assert table[:11].tolist() == list(range(11))
    assert (table[11:] == -1).all()
