# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The mappings of datasets with a layout: every id, the right names, and what they mean."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from published_ids import IDS, LEAVES, NAMES

from hiseg_ros.datasets.dataset_labels import read_dataset_labels
from hiseg_ros.taxonomy import load_mapping, load_taxonomy

street = cache(load_taxonomy)
mapped = cache(load_mapping)


@pytest.mark.parametrize('name', IDS)
def test_a_mapping_covers_every_id_of_its_dataset(name: str) -> None:
    assert read_dataset_labels(name).known_ids == set(IDS[name])
    # 200 to 254 stand for mixtures of labels.
    assert not read_dataset_labels(name).known_ids & set(range(200, 255))


@pytest.mark.parametrize('name', NAMES)
def test_an_id_has_the_name_that_its_publisher_gives_it(name: str) -> None:
    """Where the label has another name here, published_as holds the publisher's."""
    labels = read_dataset_labels(name)
    found = {label.label_id: label.published_as or label.name for label in labels.labels}
    named = {key: one for key, one in NAMES[name].items() if key not in labels.unlabeled_ids}
    assert len(named) >= 12
    assert {label_id: found[label_id] for label_id in named} == named


@pytest.mark.parametrize('name', IDS)
def test_no_leaf_belongs_to_two_labels_that_are_measured(name: str) -> None:
    labels = mapped(name, street('street')).evaluated_labels
    leaves = [leaf for label in labels for leaf in label.leaves]
    assert len(labels) >= 10
    assert len(leaves) == len(set(leaves))


@pytest.mark.parametrize(
    ('name', 'label_id', 'nodes'), [(name, *row) for name, rows in LEAVES.items() for row in rows]
)
def test_a_label_allows_the_leaves_that_it_may_be(
    name: str, label_id: int, nodes: set[str]
) -> None:
    taxonomy = street('street')
    (label,) = (one for one in mapped(name, taxonomy).labels if one.label_id == label_id)
    below = {leaf for node in nodes for leaf in taxonomy.leaves_below(taxonomy.node_id(node))}
    assert set(label.leaves) == below


def test_numberings_of_cityscapes_agree() -> None:
    """Train ids, labelIds and GTA5 mean the same leaves under the names of Cityscapes."""
    taxonomy = street('street')
    full = {label.name: label for label in mapped('cityscapes', taxonomy).labels}
    benchmark = {label.name: label for label in mapped('cityscapes_labelids', taxonomy).labels}
    for label in mapped('gta5', taxonomy).evaluated_labels:
        assert label == full[label.name]
    trained = mapped('cityscapes_trainids', taxonomy).labels
    assert [label.name for label in trained] == list(benchmark)
    for label in trained:
        assert label.leaves == benchmark[label.name].leaves


def test_kinds_of_things_are_measured_as_the_thing() -> None:
    """Among them all lane markings of Vistas v2.0, palms of ADE20K, vans of WildDash 2."""
    taxonomy = street('street')
    for name, kind, thing in (
        ('vistas_2', 36, 35), ('vistas_2', 58, 35), ('vistas_2', 56, 45), ('vistas_2', 91, 90),
        ('ade20k', 73, 5), ('ade20k', 103, 21), ('coco_stuff', 96, 168), ('wilddash_2', 35, 26),
        ('wilddash_2', 48, 25), ('a2d2', 29, 6), ('vkitti_2', 14, 13), ('camvid_32', 7, 16),
        ('voc', 17, 8),
    ):  # fmt: skip
        assert (kind, thing) in mapped(name, taxonomy).counted_as
        labels = {label.label_id: label for label in mapped(name, taxonomy).labels}
        assert set(labels[kind].leaves) <= set(labels[thing].leaves)


def test_the_background_of_voc_is_the_rest_of_the_tree() -> None:
    taxonomy = street('street')
    matrix = mapped('voc', taxonomy).label_matrix(taxonomy)
    labels = [label.name for label in mapped('voc', taxonomy).labels]
    rest = matrix[labels.index('background')]
    others = np.delete(matrix, [labels.index(one) for one in ('background', 'aeroplane',
                                                              'pottedplant')], 0)  # fmt: skip
    assert (rest != others.any(0)).all()
