# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""All sign figures: masks, sizes, types and categories."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_jaccard_index

from hiseg_ros.errors import ConfigError, DatasetError
from hiseg_ros.evaluation.evaluate import SignImage, evaluate_signs
from hiseg_ros.evaluation.sign_masks import SignMasks, true_types
from hiseg_ros.evaluation.sign_scores import SignScores
from hiseg_ros.evaluation.signs import TrueSign
from hiseg_ros.inference.engine import Engine
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy, load_mapping
from hiseg_ros.types import SubclassMask

SIZE = (60, 80)


@pytest.fixture
def mapping(small_taxonomy: Taxonomy) -> Mapping:
    """Return a mapping of three annotated types; 'other sign' is not annotated."""
    names = ('stop', 'limit_30', 'limit_50')
    return Mapping(
        'test',
        tuple(Label(i, n, (small_taxonomy.node_id(n),)) for i, n in enumerate(names)),
        (255,),
    )


def square(node_id: int, y: int, x: int, side: int) -> SubclassMask:
    """Return a square region with one vote."""
    mask = np.ones((side, side), bool)
    return SubclassMask(node_id, 4, 0.9, ((node_id, 0.9),), (y, x, side, side), mask, side**2)


def painted(*regions: SubclassMask) -> np.ndarray:
    """Return the label image of regions, 0 elsewhere."""
    labels = np.zeros(SIZE, np.uint8)
    for item in regions:
        y, x, height, width = item.roi
        labels[y : y + height, x : x + width][item.mask] = item.node_id
    return labels


def test_mask_iou_counts_false_pixels_outside_all_boxes_but_no_corners() -> None:
    """Against sets of pixels, and against torchmetrics."""
    rng = np.random.default_rng(0)
    truth = rng.choice([0, 5, 6, 255], SIZE, p=[0.6, 0.15, 0.15, 0.1]).astype(np.uint8)
    predicted = rng.choice([0, 5, 6, 7, 9], SIZE).astype(np.uint8)
    masks = SignMasks(frozenset({5, 6, 7}))
    for half in (slice(0, 30), slice(30, 60)):
        masks.add(truth[half], predicted[half])
    counted = truth != 255
    expected = []
    for node_id in (5, 6, 7):
        true, found = counted & (truth == node_id), counted & (predicted == node_id)
        expected.append((true & found).sum() / (true | found).sum())
    np.testing.assert_allclose(masks.iou(), expected)
    jaccard = multiclass_jaccard_index(
        torch.from_numpy(predicted[counted]).long(),
        torch.from_numpy(truth[counted]).long(),
        10,
        average=None,
    )
    np.testing.assert_allclose(masks.iou(), jaccard[[5, 6, 7]], rtol=1e-6)
    summary = masks.summary()
    assert summary['miou'] == pytest.approx(np.mean(expected))
    assert summary['miou_of_true_types'] == pytest.approx(np.mean(expected[:2]))


def test_the_truth_is_the_shape_and_the_rest_of_its_box_is_not_counted() -> None:
    """A later box does not erase an earlier shape outside its own corner."""
    signs = [TrueSign(5, 2, 3, np.tri(4, dtype=bool)), TrueSign(6, 10, 10, np.ones((2, 3), bool))]
    raster = true_types(signs, SIZE)
    assert (raster == 5).sum() == 10
    assert (raster == 255).sum() == 6
    assert raster[2, 3] == 5
    assert raster[2, 6] == 255
    assert (raster[10:12, 10:13] == 6).all()
    assert (raster == 0).sum() == SIZE[0] * SIZE[1] - 16 - 6


def test_types_categories_and_sizes_add_up(small_taxonomy: Taxonomy, mapping: Mapping) -> None:
    """A right stop, a 30 limit taken for 50, a missed one, and two false alarms."""
    stop, thirty, fifty, other = (
        small_taxonomy.node_id(n) for n in ('stop', 'limit_30', 'limit_50', 'other sign')
    )
    truth = [
        TrueSign(stop, 5, 5, np.ones((30, 30), bool)),
        TrueSign(thirty, 5, 45, np.ones((10, 10), bool)),
        TrueSign(thirty, 30, 45, np.ones((10, 10), bool)),
    ]
    regions = [
        square(stop, 5, 5, 30),
        square(fifty, 5, 45, 10),
        square(stop, 45, 70, 8),
        square(other, 30, 70, 8),
    ]
    scores = SignScores(mapping, small_taxonomy)
    outcome = scores.add(truth, painted(*regions), regions)
    assert outcome.score == pytest.approx(1 / 4)  # one right of three signs and a false alarm
    summary = json.loads(json.dumps(scores.summary()))
    assert (summary['signs'], summary['regions']) == (3, 3)
    assert summary['recall'] == pytest.approx(2 / 3, abs=1e-4)
    assert summary['precision'] == pytest.approx(2 / 3, abs=1e-4)
    assert summary['type_accuracy_of_found'] == 0.5
    large = summary['from_24_px']
    assert (large['signs'], large['recall'], large['regions'], large['precision']) == (1, 1, 1, 1)
    assert sum(row['signs'] for row in summary['by_size'].values()) == 3
    assert sum(row['regions'] for row in summary['by_size'].values()) == 3
    assert summary['category_confusion'] == {
        'rows': ['sign', 'limit'],
        'columns': ['sign', 'limit', 'no annotated type', 'missed'],
        'signs': [[1, 0, 0, 0], [0, 1, 0, 1]],
    }
    assert summary['wrong_types'] == [{'true': 'limit_30', 'predicted': 'limit_50', 'signs': 1}]
    types = summary['by_type']
    assert types['limit_30']['signs'] == 2
    assert types['limit_30']['found_with_right_type'] == 0
    assert types['limit_50']['recall'] is None
    assert types['stop']['precision'] == 0.5
    assert types['stop']['iou_nodes'] == pytest.approx(900 / 964, abs=1e-4)


def test_the_vote_gives_a_whole_region_one_type(
    small_taxonomy: Taxonomy, mapping: Mapping
) -> None:
    """Two of three pixels say 30, the region votes 30, its masks are then all 30."""
    thirty, fifty = (small_taxonomy.node_id(n) for n in ('limit_30', 'limit_50'))
    labels = painted(square(thirty, 10, 10, 12))
    labels[10:14, 10:22] = fifty
    scores = SignScores(mapping, small_taxonomy)
    truth = [TrueSign(thirty, 10, 10, np.ones((12, 12), bool))]
    scores.add(truth, labels, [square(thirty, 10, 10, 12)])
    masks = scores.summary()['mask_iou']
    assert masks['voted']['miou'] == 1
    assert masks['nodes']['miou'] == pytest.approx((8 / 12 + 0) / 2)


def test_an_engine_is_measured_on_the_regions_that_the_node_publishes(
    tiny_checkpoint: Path, street_image: np.ndarray
) -> None:
    """A sign laid where the engine sees one is found, wherever it is."""
    from hiseg_ros.regions import subclass_masks

    engine = Engine(tiny_checkpoint, device='cpu')
    mapping = load_mapping('gtsdb', engine.taxonomy)
    masks = subclass_masks(engine.segment(street_image), engine.taxonomy)
    types = {label.leaves[0] for label in mapping.evaluated_labels}
    region = next(mask for mask in masks if mask.node_id in types)
    y, x, _, _ = region.roi
    truth = [TrueSign(region.node_id, y, x, region.mask)]
    seen: list[SignImage] = []
    scores = evaluate_signs(engine, [(street_image, truth)], mapping, seen.append, 0.0, 0.0)
    assert (scores['recall'], scores['type_accuracy_of_found']) == (1, 1)
    assert scores['regions'] == sum(mask.node_id in types for mask in masks)
    assert seen[0].outcome.signs[0].is_right


def test_nothing_to_measure_signs_on_is_refused(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No images, or a tree that has no signs."""
    engine = Engine(tiny_checkpoint, device='cpu')
    mapping = load_mapping('gtsdb', engine.taxonomy)
    with pytest.raises(DatasetError, match='no image'):
        evaluate_signs(engine, [], mapping)
    tree = Taxonomy('plain', '1', engine.taxonomy.nodes)
    monkeypatch.setattr(engine, 'taxonomy', tree)
    with pytest.raises(ConfigError, match="'plain' .* no subclass_root"):
        evaluate_signs(engine, [], mapping)
