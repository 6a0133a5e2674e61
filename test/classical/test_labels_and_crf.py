# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Labels of a classical method in the tree, and the dense CRF on them."""

from __future__ import annotations

import numpy as np
import pytest

from hiseg_ros.classical.crf import LabelCrf
from hiseg_ros.classical.labels import LabelSet, MethodLabel
from hiseg_ros.decision import decide_sparse
from hiseg_ros.errors import ConfigError
from hiseg_ros.postprocessing.mean_field import mean_field, weighted_filters
from hiseg_ros.postprocessing.parameters import CrfParameters
from hiseg_ros.taxonomy import load_mapping, load_taxonomy
from hiseg_ros.types import NodeProbabilities, Segmentation

TREE = load_taxonomy('street')
LABELS = LabelSet.of(load_mapping('camvid', TREE), TREE)


def random_planes(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Return random probabilities of the 11 labels."""
    values = np.random.default_rng(seed).random((len(LABELS), *size)).astype(np.float32) ** 3
    return values / values.sum(0)


def segmentation_of(planes: np.ndarray) -> Segmentation:
    """Return what a method gives for these probabilities of labels."""
    values, size = LABELS.to_nodes(planes), planes.shape[1:]
    labels, confidence = decide_sparse(values, LABELS.tables, size)
    return Segmentation(labels, confidence, NodeProbabilities(values, size))


def test_labels_to_nodes_and_back() -> None:
    planes = random_planes((5, 7))
    values = LABELS.to_nodes(planes)
    assert values.shape == (len(TREE), 5, 7)
    np.testing.assert_allclose(values[0], 1, atol=1e-5)
    np.testing.assert_allclose(LABELS.from_nodes(values), planes, atol=1e-6)
    road = load_mapping('camvid', TREE).labels[3]
    np.testing.assert_allclose(values[list(road.leaves)].sum(0), planes[3], atol=1e-6)


def test_a_decision_ends_where_the_labels_end() -> None:
    """All signs are one label: a type of sign is never claimed."""
    planes = np.full((11, 2, 2), 0.01, np.float32)
    planes[6] = 0.9
    result = segmentation_of(planes)
    names = {TREE.nodes[node].name for node in np.unique(result.labels)}
    assert names == {'Traffic Sign'}


def test_labels_with_a_common_leaf_or_alone_are_refused() -> None:
    leaf = TREE.leaves[0]
    one, two = MethodLabel('a', (leaf,)), MethodLabel('b', (leaf, TREE.leaves[1]))
    with pytest.raises(ConfigError, match="Labels 'a' and 'b' both allow .*; expected labels"):
        LabelSet([one, two], TREE)
    with pytest.raises(ConfigError, match=r"has the labels \['a'\]; expected at least two"):
        LabelSet([one], TREE)


def test_without_weights_the_crf_changes_nothing() -> None:
    before = segmentation_of(random_planes((20, 30)))
    crf = LabelCrf(LABELS, CrfParameters(color_weight=0, smooth_weight=0))
    after = crf.refine(np.zeros((20, 30, 3), np.uint8), before)
    np.testing.assert_allclose(after.probabilities.values, before.probabilities.values, atol=1e-5)
    assert np.array_equal(after.labels, before.labels)
    assert after.timings_ms['crf'] > 0


def test_the_crf_is_the_mean_field_on_labels() -> None:
    """On 6x6 pixels exactly that on the 11 labels with Potts costs, shared by their leaves."""
    planes = random_planes((6, 6), 3)
    rgb = np.random.default_rng(4).integers(0, 256, (6, 6, 3), np.uint8)
    parameters = CrfParameters(color_weight=4, position_std=200, color_std=60, smooth_weight=1)
    after = LabelCrf(LABELS, parameters).refine(rgb, segmentation_of(planes))
    expected = mean_field(planes, weighted_filters(rgb, parameters), parameters.rounds)
    found = LABELS.from_nodes(after.probabilities.values)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.abs(expected - planes).max() > 0.1


def test_a_single_pixel_follows_its_neighbours_where_colours_are_equal() -> None:
    planes = np.full((11, 24, 24), 0.02, np.float32)
    planes[3] = 0.8
    planes[:, 12, 12] = 0.02
    planes[1, 12, 12] = 0.8
    before = segmentation_of(planes)
    rgb = np.full((24, 24, 3), 128, np.uint8)
    only_color = CrfParameters(color_weight=8, position_std=60, color_std=10, smooth_weight=0)
    crf = LabelCrf(LABELS, only_color)
    after = crf.refine(rgb, before)
    assert before.labels[12, 12] != before.labels[0, 0]
    assert len(np.unique(after.labels)) == 1
    rgb[12, 12] = (255, 0, 0)  # a pixel of a colour of its own keeps its label
    kept = crf.refine(rgb, before)
    assert kept.labels[12, 12] == before.labels[12, 12]


def test_all_labels_take_part_and_their_memory_is_checked() -> None:
    crf = LabelCrf(LABELS, CrfParameters(classes=4), memory=lambda: 10**6)
    assert (crf.parameters.classes, crf.parameters.compatibility) == (11, 'potts')
    with pytest.raises(ConfigError, match='on 11 classes .* expected a smaller image'):
        crf.check_memory((360, 480))
