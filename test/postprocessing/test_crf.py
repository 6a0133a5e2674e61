# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A segmented image after the CRF: its outputs agree with each other, and what must stay stays."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from replay_support import ColourEngine, drive, mapping, tree

from hiseg_ros.cli.shared.crf import crf_facts, crf_of
from hiseg_ros.decision.mapped import LabelDecision
from hiseg_ros.errors import ConfigError, ImageError
from hiseg_ros.evaluation.crf_search import draws, search_crf
from hiseg_ros.postprocessing.crf import DenseCrf, free_memory
from hiseg_ros.postprocessing.grid import at_grid
from hiseg_ros.postprocessing.parameters import CrfParameters
from hiseg_ros.regions import subclass_masks
from hiseg_ros.types import NodeProbabilities, RgbImage, Segmentation

TREE = tree()
STRONG = CrfParameters(
    color_weight=4, position_std=80, color_std=13, smooth_weight=3, smooth_std=3,
    compatibility='potts',
)  # fmt: skip
"""Kernels that reach far in these small images."""


@pytest.fixture(scope='module')
def frame() -> tuple[RgbImage, Segmentation]:
    """Return a drawn frame (48, 64, 3) and the network's results at stride 4."""
    rgb = list(drive(3))[2].rgb
    return rgb, ColourEngine().segment(rgb)


def test_every_output_follows_from_the_new_probabilities(
    frame: tuple[RgbImage, Segmentation],
) -> None:
    """Sums of the tree, labels, confidence, labels by sums and regions, at the image's size."""
    rgb, network = frame
    plain = DenseCrf(TREE, CrfParameters(rounds=0)).refine(rgb, network).probabilities.values
    for compatibility in ('potts', 'tree'):
        crf = DenseCrf(TREE, replace(STRONG, compatibility=compatibility))
        result = crf.refine(rgb, network)
        values = result.probabilities.values
        assert values.shape == (len(TREE), *rgb.shape[:2])
        assert values.dtype == np.float32
        np.testing.assert_allclose(values[0], 1, atol=1e-5)
        for inner in TREE.inner:
            np.testing.assert_allclose(
                values[inner], values[list(TREE.children(inner))].sum(0), atol=1e-6
            )
        chosen = np.take_along_axis(values, result.labels[None].astype(int), 0)[0]
        np.testing.assert_array_equal(result.confidence, np.rint(255 * chosen.clip(0, 1)))
        assert all(TREE.is_leaf(int(label)) for label in np.unique(result.labels))
        walked = np.zeros(rgb.shape[:2], np.uint8)
        for inner in TREE.inner:
            children = np.array(TREE.children(inner), np.uint8)
            best = children[values[children].argmax(0)]
            walked = np.where(walked == inner, best, walked)
        np.testing.assert_array_equal(result.labels, walked)
        assert np.abs(values - plain).max() > 0.2
        summed = LabelDecision(mapping(TREE), TREE)(result.probabilities)
        assert summed.label_ids.shape == rgb.shape[:2]
        assert subclass_masks(result, TREE, min_probability=0.5)


def test_outlines_follow_the_image(frame: tuple[RgbImage, Segmentation]) -> None:
    """More pixels are right than after the network at stride 4."""
    rgb, network = frame
    truth = list(drive(3))[2].labels
    decide = LabelDecision(mapping(TREE), TREE)
    refined = DenseCrf(TREE, STRONG).refine(rgb, network)
    before, after = (
        (decide(one.probabilities).label_ids == truth).mean() for one in (network, refined)
    )
    assert after > before


def test_a_threshold_still_stops_above_the_leaves(frame: tuple[RgbImage, Segmentation]) -> None:
    rgb, network = frame
    labels = DenseCrf(TREE, CrfParameters(rounds=0)).refine(rgb, network, 1.0).labels
    assert not all(TREE.is_leaf(int(label)) for label in np.unique(labels))


def test_without_weights_it_is_the_interpolated_network(
    frame: tuple[RgbImage, Segmentation],
) -> None:
    rgb, network = frame
    silent = CrfParameters(color_weight=0, smooth_weight=0)
    values = DenseCrf(TREE, silent).refine(rgb, network).probabilities.values
    exact = DenseCrf(TREE, CrfParameters(rounds=0)).refine(rgb, network).probabilities.values
    np.testing.assert_allclose(values, exact, atol=1e-6)
    np.testing.assert_allclose(
        at_grid(NodeProbabilities(values, rgb.shape[:2]), (12, 16)).values,
        network.probabilities.values,
        atol=0.35,
    )


def test_leaves_that_do_not_take_part_keep_their_probability(
    frame: tuple[RgbImage, Segmentation],
) -> None:
    """With two of them, all others are as interpolated, and those two share the same sum."""
    rgb, network = frame
    crf = DenseCrf(TREE, replace(STRONG, classes=2))
    values = crf.refine(rgb, network).probabilities.values
    plain = DenseCrf(TREE, CrfParameters(rounds=0)).refine(rgb, network).probabilities.values
    leaves = list(TREE.leaves)
    moved = [leaf for leaf in leaves if np.abs(values[leaf] - plain[leaf]).max() > 1e-6]
    assert {TREE.nodes[leaf].name for leaf in moved} == {'road', 'sky'}
    np.testing.assert_allclose(values[moved].sum(0), plain[moved].sum(0), atol=1e-6)


def test_a_small_class_takes_part_before_one_that_is_never_first() -> None:
    """A pole of one cell goes before a class that is second everywhere."""
    first, second, pole, *others = TREE.leaves
    leaves = np.full((len(TREE), 8, 8), 0.0, np.float32)
    leaves[first], leaves[second] = 0.6, 0.4
    leaves[[first, second, pole], 3, 3] = 0.1, 0.0, 0.9
    values = np.stack([leaves[list(TREE.leaves_below(v))].sum(0) for v in range(len(TREE))])
    rgb = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    network = Segmentation(
        np.zeros((32, 32), np.uint8),
        np.zeros((32, 32), np.uint8),
        NodeProbabilities(values, (32, 32)),
    )
    found = DenseCrf(TREE, replace(STRONG, classes=2)).refine(rgb, network).probabilities.values
    plain = DenseCrf(TREE, CrfParameters(rounds=0)).refine(rgb, network).probabilities.values
    np.testing.assert_array_equal(found[second], plain[second])
    assert np.abs(found[pole] - plain[pole]).max() > 0.01
    assert others


def test_memory_is_checked_and_the_sentence_says_how_many_classes_fit() -> None:
    parameters = CrfParameters(classes=7)
    assert free_memory() is None or free_memory() > 2**20  # type: ignore[operator]
    DenseCrf(TREE, parameters, memory=lambda: None).check_memory((1080, 1920))
    pixels = 1080 * 1920
    always = pixels * (8 * len(TREE) + 400)
    crf = DenseCrf(TREE, parameters, memory=lambda: always + 5 * 24 * pixels)
    with pytest.raises(
        ConfigError, match=r'expected at most 5 classes: --crf-option classes=5'
    ) as said:
        crf.check_memory((1080, 1920))
    assert 'The CRF on 7 classes and 1080 x 1920 pixels needs' in str(said.value)
    crf.check_memory((1080, 1920), 5)
    tight = DenseCrf(TREE, parameters, memory=lambda: 1000)
    with pytest.raises(ConfigError, match='expected a smaller image'):
        tight.check_memory((1080, 1920))


def test_results_of_another_image_or_without_probabilities_are_refused(
    frame: tuple[RgbImage, Segmentation],
) -> None:
    rgb, network = frame
    crf = DenseCrf(TREE)
    with pytest.raises(ImageError, match='that the CRF is to refine'):
        crf.refine(rgb[:-1], network)
    empty = NodeProbabilities(np.empty((0, 0, 0), np.float32), rgb.shape[:2])
    with pytest.raises(ImageError, match='that the CRF is to refine'):
        crf.refine(rgb, replace(network, probabilities=empty))


def test_a_grid_keeps_sums_and_is_never_finer_than_the_image() -> None:
    values = np.random.default_rng(1).random((3, 10, 12)).astype(np.float32)
    values[0] = values[1] + values[2]
    small = at_grid(NodeProbabilities(values, (10, 12)), (5, 4)).values
    np.testing.assert_allclose(small, values.reshape(3, 5, 2, 4, 3).mean((2, 4)), atol=1e-6)
    np.testing.assert_allclose(small[0], small[1] + small[2], atol=1e-6)
    assert at_grid(NodeProbabilities(values, (10, 12)), (40, 6)).values.shape == (3, 10, 6)


@pytest.mark.needs('torch')
def test_the_search_scores_every_draw_and_the_network_alone() -> None:
    """The scores are those of the parameters by themselves; the first draw is the given one."""
    start = CrfParameters(rounds=2)
    tried = draws(3, start)
    assert tried[0] == start
    assert tried == draws(3, start)
    assert all(one.rounds == 2 for one in tried)
    frames = [(one.rgb, one.labels) for one in drive(2)]
    engine = ColourEngine()
    engine.threshold = 0.0
    labels = mapping(TREE)
    rows = search_crf(engine, frames, labels, tried)
    assert [row['miou'] for row in rows] == sorted((row['miou'] for row in rows), reverse=True)
    assert sum(row['crf'] is None for row in rows) == 1
    alone = search_crf(engine, frames, labels, tried[1:2])
    assert all(row in rows for row in alone)


def test_a_network_that_decides_by_its_file_is_refused_and_facts_name_the_parameters() -> None:
    options = Namespace(crf=True, crf_option=['rounds=3'])
    flat = SimpleNamespace(decides_by_file=True, model_path=Path('flat.onnx'), taxonomy=TREE)
    with pytest.raises(ConfigError, match=r'flat\.onnx is a wrapped flat network'):
        crf_of(options, flat)
    crf = crf_of(options, SimpleNamespace(decides_by_file=False, taxonomy=TREE))
    assert crf is not None
    assert crf_facts(crf)['crf']['rounds'] == 3
    assert crf_facts(crf_of(Namespace(crf=False, crf_option=[]), flat)) == {}
