# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""All dense figures of an engine, against counts of a few lines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hiseg_ros.decision import interpolate
from hiseg_ros.decision.mapped import decide_mapping
from hiseg_ros.errors import DatasetError, ImageError
from hiseg_ros.evaluation.evaluate import PixelImage, evaluate_pixels
from hiseg_ros.evaluation.pixels import PixelScores
from hiseg_ros.evaluation.scores_json import as_json
from hiseg_ros.inference.engine import Engine
from hiseg_ros.taxonomy import load_mapping


@pytest.fixture(scope='module')
def engine(tiny_checkpoint: Path) -> Engine:
    """Return an engine with small random weights."""
    return Engine(tiny_checkpoint, device='cpu')


@pytest.fixture
def truth(street_image: np.ndarray) -> np.ndarray:
    """Return random CamVid label ids, 11 = unlabelled."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 12, street_image.shape[:2]).astype(np.uint8)


def test_the_summed_decision_is_counted_as_the_library_decides(
    engine: Engine, street_image: np.ndarray, truth: np.ndarray
) -> None:
    """Accuracy and mIoU of `decide_mapping` at full resolution, counted pixel by pixel."""
    mapping = load_mapping('camvid', engine.taxonomy)
    scores = evaluate_pixels(engine, [(street_image, truth)], mapping)
    result = engine.segment(street_image)
    predicted = decide_mapping(result.probabilities, engine.taxonomy, mapping)
    valid = truth < 11
    ious = []
    for label_id in range(11):
        true, found = valid & (truth == label_id), valid & (predicted == label_id)
        ious.append((true & found).sum() / (true | found).sum())
    assert scores['summed']['miou'] == pytest.approx(np.mean(ious))
    assert scores['summed']['out_of_set'] == 0
    right = predicted[valid] == truth[valid]
    assert scores['calibration']['accuracy'] == pytest.approx(right.mean(), abs=1e-4)
    assert scores['pixels'] == valid.sum()


def test_what_is_most_probably_outside_the_set_is_an_error_beside_it(
    engine: Engine, street_image: np.ndarray, truth: np.ndarray
) -> None:
    """Decided anew with one more row: the leaves that no label has."""
    mapping = load_mapping('camvid', engine.taxonomy)
    scores = evaluate_pixels(engine, [(street_image, truth)], mapping)
    outside = scores['summed_with_outside']
    inside = {leaf for label in mapping.labels for leaf in label.leaves}
    rest = [leaf for leaf in engine.taxonomy.leaves if leaf not in inside]
    values = engine.segment(street_image).probabilities.values
    rows = [values[list(label.leaves)].sum(0) for label in mapping.labels] + [values[rest].sum(0)]
    best = interpolate(torch.from_numpy(np.stack(rows)), truth.shape).argmax(0).numpy()
    assert 0 < outside['out_of_set'] < 1
    assert outside['out_of_set'] == pytest.approx((best == 11)[truth < 11].mean(), abs=2e-4)
    right = (best == truth)[truth < 11].mean()
    assert outside['pixel_accuracy'] == pytest.approx(right, abs=2e-4)
    assert outside['miou'] <= scores['summed']['miou']
    assert outside['miou_void_dropped'] > outside['miou']


def test_a_level_of_the_tree_is_counted_by_leaves(
    engine: Engine, street_image: np.ndarray, truth: np.ndarray
) -> None:
    """Nodes at level 1, counted anew: a pixel of Sky or Tree is right if any Nature is decided."""
    taxonomy = engine.taxonomy
    mapping = load_mapping('camvid', taxonomy)
    scores = evaluate_pixels(engine, [(street_image, truth)], mapping)
    labels = engine.segment(street_image).labels
    nature = np.isin(labels, taxonomy.nodes_below(taxonomy.node_id('Nature')))
    valid, true = truth < 11, np.isin(truth, [0, 5])
    expected = (nature & true & valid).sum() / ((nature | true) & valid).sum()
    assert scores['nodes']['by_category']['iou']['Nature'] == pytest.approx(expected, abs=1e-4)
    assert scores['nodes']['by_category'] == scores['nodes']['by_level'][0]
    levels = [level['pixel_accuracy'] for level in scores['nodes']['by_level']]
    assert levels == sorted(levels, reverse=True)
    assert len(levels) == taxonomy.depth


def test_a_node_that_stops_early_is_right_higher_up(
    tiny_checkpoint: Path, street_image: np.ndarray, truth: np.ndarray
) -> None:
    """With a threshold the shallow levels lose less than the deep ones."""
    careful = Engine(tiny_checkpoint, device='cpu', threshold=0.9)
    mapping = load_mapping('camvid', careful.taxonomy)
    result = careful.segment(street_image)
    scores = PixelScores(mapping, careful.taxonomy)
    scores.add(truth, result.labels, result.probabilities)
    summary = scores.summary()
    assert summary['nodes']['out_of_set'] > summary['nodes']['by_category']['out_of_set']
    assert summary['hierarchy']['precision'] > summary['hierarchy']['recall']


def test_every_image_is_reported_with_its_own_score(
    engine: Engine, street_image: np.ndarray, truth: np.ndarray
) -> None:
    """Perfect truth scores 1, an image without labels has no score and still is reported."""
    mapping = load_mapping('camvid', engine.taxonomy)
    result = engine.segment(street_image)
    perfect = decide_mapping(result.probabilities, engine.taxonomy, mapping)
    seen: list[PixelImage] = []
    images = [(street_image, perfect), (street_image, np.full_like(truth, 11))]
    evaluate_pixels(engine, images, mapping, seen.append)
    assert seen[0].score == 1
    assert np.isnan(seen[1].score)


def test_images_without_any_label_are_refused(engine: Engine, street_image: np.ndarray) -> None:
    """An empty measurement has no score to print."""
    mapping = load_mapping('camvid', engine.taxonomy)
    nothing = np.full(street_image.shape[:2], 11, np.uint8)
    with pytest.raises(DatasetError, match="the 1 images .* mapping 'camvid'"):
        evaluate_pixels(engine, [(street_image, nothing)], mapping)
    with pytest.raises(DatasetError, match='the 0 images'):
        evaluate_pixels(engine, [], mapping)


def test_ground_truth_of_another_size_is_refused(
    engine: Engine, street_image: np.ndarray, truth: np.ndarray
) -> None:
    """Both sizes are named."""
    mapping = load_mapping('camvid', engine.taxonomy)
    with pytest.raises(ImageError, match=r'\(96, 160\), its ground truth \(95, 160\)'):
        evaluate_pixels(engine, [(street_image, truth[:-1])], mapping)


def test_scores_are_json_without_nan_and_with_rows_on_one_line(
    engine: Engine, street_image: np.ndarray, truth: np.ndarray
) -> None:
    """Other programs read them, and people."""
    mapping = load_mapping('camvid', engine.taxonomy)
    scores = evaluate_pixels(engine, [(street_image, truth)], mapping)
    scores['summed']['miou'] = float('nan')
    text = as_json(scores)
    read = json.loads(text, parse_constant=pytest.fail)
    assert read['summed']['miou'] is None
    assert read['nodes'] == json.loads(json.dumps(scores['nodes']))
    row = scores['summed']['confusion']['pixels'][0]
    assert str(row) in text
