# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The two shipped trees against the method's tables."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from method_tables import DRIVEABLE, FIRST_LEVEL, GTSDB, RIDER, TRAFFIC_SIGN, VISTAS

from hiseg_ros.taxonomy import Taxonomy, load_taxonomy

shipped = cache(load_taxonomy)

TYPES = tuple(row[3] for row in GTSDB)
OTHER_SIGN = 'other sign'
CATEGORY_NODES = {
    'prohibitory': 'Sign - Prohibitory',
    'mandatory': 'Sign - Mandatory',
    'danger': 'Sign - Danger',
    'other': 'Sign - Other Category',
}
STREET_CHILDREN = {
    'Street Scene': ('Animal', 'Construction', 'Human', 'Nature', 'Object', 'Void'),
    'Animal': ('Bird', 'Ground Animal'),
    'Construction': (
        'Construction - Barrier', 'Construction - Flat', 'Construction - Structure',
    ),
    'Construction - Barrier': ('Curb', 'Fence', 'Guard Rail', 'Barrier', 'Wall'),
    'Construction - Flat': ('Driveable', 'Walkable', 'Rail Track'),
    'Driveable': (
        'Bike Lane', 'Crosswalk - Plain', 'Parking', 'Road', 'Service Lane', 'Marking',
        'Catch Basin', 'Manhole', 'Pothole',
    ),
    'Marking': ('Lane Marking - Crosswalk', 'Lane Marking - General'),
    'Walkable': ('Curb Cut', 'Pedestrian Area', 'Sidewalk'),
    'Construction - Structure': ('Bridge', 'Building', 'Tunnel'),
    'Human': ('Person', 'Rider'),
    'Rider': RIDER,
    'Nature': ('Mountain', 'Sand', 'Sky', 'Snow', 'Terrain', 'Vegetation', 'Water'),
    'Object': (
        'Banner', 'Bench', 'Bike Rack', 'Billboard', 'CCTV Camera', 'Fire Hydrant',
        'Junction Box', 'Mailbox', 'Phone Booth', 'Street Light', 'Support', 'Traffic Light',
        'Traffic Sign', 'Trash Can', 'Vehicle',
    ),
    'Support': ('Pole', 'Traffic Sign Frame', 'Utility Pole'),
    'Traffic Sign': TRAFFIC_SIGN,
    'Traffic Sign (Front)': (*CATEGORY_NODES.values(), OTHER_SIGN),
    **{
        node: tuple(row[3] for row in GTSDB if row[5] == category)
        for category, node in CATEGORY_NODES.items()
    },
    'Vehicle': ('Motor Vehicle', 'Cycle', 'Boat', 'On Rails', 'Wheeled Slow'),
    'Motor Vehicle': ('Bus', 'Car', 'Caravan', 'Other Vehicle', 'Trailer', 'Truck'),
    'Cycle': ('Bicycle', 'Motorcycle'),
    'Void': ('Car Mount', 'Ego Vehicle'),
}  # fmt: skip
# Shipped weights name these; a change makes them foreign.
DIGESTS = {
    'street': 'e2733ca50cf8c71edb030d2274309c7024a7a7fb7c3e2d2c7ef93bd210e0b5af',
    'iv2018': '8bc7be9f973e84b72bf99b973cffee2a8e42a1ff14e61e065490c56bab502a22',
}


@pytest.fixture(params=['street', 'iv2018'])
def taxonomy(request: pytest.FixtureRequest) -> Taxonomy:
    """Return each shipped tree."""
    return shipped(request.param)


def child_names(taxonomy: Taxonomy, name: str) -> tuple[str, ...]:
    """Return the names of a node's children in order."""
    children = taxonomy.children(taxonomy.node_id(name))
    return tuple(taxonomy.nodes[child].name for child in children)


def test_iv2018_has_the_papers_classes_in_the_papers_order() -> None:
    taxonomy = shipped('iv2018')
    assert len(FIRST_LEVEL) == 53
    assert child_names(taxonomy, taxonomy.nodes[0].name) == FIRST_LEVEL
    assert child_names(taxonomy, 'Driveable') == DRIVEABLE
    assert child_names(taxonomy, 'Rider') == RIDER
    assert child_names(taxonomy, 'Traffic Sign') == TRAFFIC_SIGN
    assert child_names(taxonomy, 'Traffic Sign (Front)') == TYPES


def test_iv2018_has_five_classifiers_of_111_classes_and_107_leaves() -> None:
    taxonomy = shipped('iv2018')
    names = [taxonomy.nodes[inner].name for inner in taxonomy.classifiers]
    sizes = [len(taxonomy.children(inner)) for inner in taxonomy.classifiers]
    assert names[1:] == ['Driveable', 'Rider', 'Traffic Sign', 'Traffic Sign (Front)']
    assert sizes == [53, 10, 3, 2, 43]
    assert sum(sizes) == 111
    assert len(taxonomy.leaves) == 107
    assert taxonomy.depth == 3


def test_iv2018_parents_are_the_first_level_classes_7_16_and_38() -> None:
    taxonomy = shipped('iv2018')
    first_level = taxonomy.children(0)
    inner = [i for i, node in enumerate(first_level) if not taxonomy.is_leaf(node)]
    assert inner == [7, 16, 38]
    assert [FIRST_LEVEL[i] for i in inner] == ['Driveable', 'Rider', 'Traffic Sign']
    assert FIRST_LEVEL[35] == 'Traffic Sign Frame'
    assert taxonomy.is_leaf(taxonomy.node_id('Traffic Sign Frame'))


def test_street_has_exactly_the_designed_inner_nodes() -> None:
    taxonomy = shipped('street')
    assert {taxonomy.nodes[inner].name for inner in taxonomy.inner} == set(STREET_CHILDREN)
    for name, children in STREET_CHILDREN.items():
        assert child_names(taxonomy, name) == children, name
    assert len(taxonomy) == 132
    assert len(taxonomy.leaves) == 108
    assert taxonomy.depth == 5


def test_street_has_the_leaves_of_iv2018_and_other_sign() -> None:
    street, iv2018 = shipped('street'), shipped('iv2018')
    names = {street.nodes[leaf].name for leaf in street.leaves}
    assert names == {iv2018.nodes[leaf].name for leaf in iv2018.leaves} | {OTHER_SIGN}
    parent = street.parent(street.node_id(OTHER_SIGN))
    assert street.nodes[parent or 0].name == 'Traffic Sign (Front)'


def test_every_inner_node_of_iv2018_is_an_inner_node_of_street() -> None:
    street, iv2018 = shipped('street'), shipped('iv2018')
    for inner in iv2018.inner:
        name = iv2018.nodes[inner].name
        expected = {iv2018.nodes[leaf].name for leaf in iv2018.leaves_below(inner)}
        found = {street.nodes[leaf].name for leaf in street.leaves_below(street.node_id(name))}
        assert found - {OTHER_SIGN} == expected


def test_the_108_flat_classes_are_the_vistas_names_and_the_sign_types() -> None:
    flat = [row[1] for row in VISTAS] + [row[3] for row in GTSDB]
    assert len(flat) == len(set(flat)) == 108
    assert [row[2] for row in GTSDB] == list(range(65, 108))
    for name in ('street', 'iv2018'):
        taxonomy = shipped(name)
        inner = [each for each in flat if not taxonomy.is_leaf(taxonomy.node_id(each))]
        assert inner == ['Traffic Sign (Front)'] == [flat[50]]


def test_sign_types_lie_below_the_category_of_their_prefix() -> None:
    street = shipped('street')
    for _, _, _, name, _, category in GTSDB:
        assert name[:2] == f'{category[0]}_'
        parent = street.parent(street.node_id(name))
        assert street.nodes[parent or 0].name == CATEGORY_NODES[category]


def test_give_way_is_spelled_right(taxonomy: Taxonomy) -> None:
    assert 'o_give_way' in taxonomy
    assert 'o_give_away' not in taxonomy


def test_the_subclass_root_is_the_sign_front(taxonomy: Taxonomy) -> None:
    assert taxonomy.subclass_root == taxonomy.node_id('Traffic Sign (Front)')


def test_the_digest_is_the_one_that_weights_were_trained_with(taxonomy: Taxonomy) -> None:
    assert taxonomy.digest == DIGESTS[taxonomy.name]


def test_colours_are_unique_and_neither_black_nor_white(taxonomy: Taxonomy) -> None:
    colors = [node.color for node in taxonomy.nodes]
    assert len(set(colors)) == len(colors)
    assert not {(0, 0, 0), (255, 255, 255)} & set(colors)


def test_no_two_colours_are_hard_to_tell_apart(taxonomy: Taxonomy) -> None:
    colors = np.array([node.color for node in taxonomy.nodes], int)
    distance = np.abs(colors[:, None] - colors[None]).sum(2)
    assert distance[np.triu_indices(len(colors), 1)].min() >= 16


def test_familiar_classes_have_familiar_colours() -> None:
    street = shipped('street')
    familiar = {
        'Road': (128, 64, 128), 'Sidewalk': (244, 35, 232), 'Building': (70, 70, 70),
        'Pole': (153, 153, 153), 'Traffic Light': (250, 170, 30), 'Sky': (70, 130, 180),
        'Traffic Sign (Front)': (220, 220, 0), 'Vegetation': (107, 142, 35), 'Car': (0, 0, 142),
    }  # fmt: skip
    for name, color in familiar.items():
        assert street.nodes[street.node_id(name)].color == color, name


def test_both_trees_paint_a_name_in_the_same_colour() -> None:
    street, iv2018 = shipped('street'), shipped('iv2018')
    for node in iv2018.nodes:
        assert street.nodes[street.node_id(node.name)].color == node.color, node.name


def test_every_leaf_can_be_reached_by_walking_down(taxonomy: Taxonomy) -> None:
    below = taxonomy.leaf_matrix()
    for index, leaf in enumerate(taxonomy.leaves):
        node = 0
        while not taxonomy.is_leaf(node):
            node = max(taxonomy.children(node), key=lambda child: below[child, index])
        assert node == leaf
