# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Confusion counts against a reference of ten lines."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_jaccard_index

from hiseg_ros.errors import ImageError
from hiseg_ros.evaluation.confusion import Confusion, label_ids_of_nodes
from hiseg_ros.taxonomy import Label, Mapping, load_mapping, load_taxonomy

# Ids with gaps; id 3 only teaches and is not evaluated; 9 is unlabeled.
MAPPING = Mapping(
    'test',
    (
        Label(0, 'a', (1,)),
        Label(5, 'b', (2,)),
        Label(3, 'not a', (2, 3), False),
        Label(7, 'c', (3,)),
    ),
    (9,),
)
IDS = [0, 5, 7]


def test_pixels_of_a_kind_count_for_the_thing() -> None:
    """Truth 3 counts as 5; without the pair it is left out."""
    truth = np.array([[5, 3, 3, 0]], np.uint8)
    predicted = np.array([[5, 5, 0, 0]])
    kinds = Mapping(MAPPING.name, MAPPING.labels, MAPPING.unlabeled_ids, counted_as=((3, 5),))
    for mapping, expected in ((MAPPING, [1, 1]), (kinds, [1 / 2, 2 / 3])):
        confusion = Confusion(mapping)
        confusion.add(truth, predicted)
        assert confusion.iou()[:2].tolist() == pytest.approx(expected)


def reference(truth: np.ndarray, predicted: np.ndarray) -> tuple[list[float], float]:
    """Return IoU per evaluated label and pixel accuracy, set by set."""
    valid = np.isin(truth, IDS)
    ious = []
    for label_id in IDS:
        true, found = valid & (truth == label_id), valid & (predicted == label_id)
        union = (true | found).sum()
        ious.append((true & found).sum() / union if union else np.nan)
    return ious, float((truth == predicted)[valid].sum() / max(1, valid.sum()))


@settings(deadline=None, max_examples=50, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_scores_equal_the_reference(seed: int) -> None:
    """Over several images with unlabeled truth, out-of-set and impossible predictions."""
    rng = np.random.default_rng(seed)
    truth = rng.choice([0, 5, 7, 3, 9, 255], (3, 6, 7)).astype(np.uint8)
    predicted = rng.choice([0, 5, 7, 3, 9, 255, -1, 300, 1], (3, 6, 7))
    agrees = rng.random(truth.shape) < 0.6
    predicted = np.where(agrees, truth, predicted)
    confusion = Confusion(MAPPING)
    for one_truth, one_predicted in zip(truth, predicted, strict=True):
        confusion.add(one_truth, one_predicted)
    ious, accuracy = reference(truth, predicted)
    np.testing.assert_allclose(confusion.iou(), ious)
    summary = confusion.summary()
    assert summary['pixel_accuracy'] == pytest.approx(accuracy)
    assert summary['miou'] == pytest.approx(np.nanmean(ious))
    assert confusion.counts.sum() == np.isin(truth, IDS).sum()
    recalls = [(predicted == i)[truth == i].mean() for i in IDS if (truth == i).any()]
    assert summary['mean_class_accuracy'] == pytest.approx(np.mean(recalls))


def void_dropped_reference(truth: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
    """Return mIoU and accuracy as IV 2018 counts: labelled pixels predicted as void disappear."""
    kept = np.isin(truth, IDS) & np.isin(predicted, IDS)
    truth, predicted = truth[kept], predicted[kept]
    ious = [
        ((truth == i) & (predicted == i)).sum() / ((truth == i) | (predicted == i)).sum()
        for i in IDS
        if (truth == i).any()
    ]
    return float(np.mean(ious)), float((truth == predicted).mean())


@pytest.mark.parametrize('seed', range(5))
def test_weighted_and_void_dropping_figures_equal_their_references(seed: int) -> None:
    """Frequency-weighted IoU weighs by true pixels; the paper's figure is never the lower one."""
    rng = np.random.default_rng(seed)
    truth = rng.choice([0, 0, 0, 5, 7, 9], (20, 30)).astype(np.uint8)
    predicted = rng.choice([0, 5, 7, -1, 9], (20, 30))
    confusion = Confusion(MAPPING)
    confusion.add(truth, predicted)
    summary = confusion.summary()
    weights = np.array([(truth == i).sum() for i in IDS])
    ious, _ = reference(truth, predicted)
    expected = float((weights * ious).sum() / weights.sum())
    assert summary['frequency_weighted_iou'] == pytest.approx(expected)
    miou, accuracy = void_dropped_reference(truth, predicted)
    assert summary['miou_void_dropped'] == pytest.approx(miou)
    assert summary['pixel_accuracy_void_dropped'] == pytest.approx(accuracy)
    assert miou > float(str(summary['miou']))


def test_the_iou_equals_torchmetrics() -> None:
    """Where nothing is out of set, class by class."""
    rng = np.random.default_rng(0)
    index = rng.integers(0, 3, (2, 12, 12))
    confusion = Confusion(MAPPING)
    truth, predicted = np.array(IDS)[index]
    confusion.add(truth.astype(np.uint8), predicted)
    expected = multiclass_jaccard_index(
        torch.from_numpy(index[1]), torch.from_numpy(index[0]), 3, average=None
    )
    np.testing.assert_allclose(confusion.iou(), expected.numpy(), rtol=1e-6)


def test_predictions_outside_the_set_are_errors() -> None:
    """Void, unlabeled, -1, another dataset's id: each lowers the score like a wrong label."""
    truth = np.zeros((1, 10), np.uint8)
    for outside in (-1, 255, 9, 3, 4, 1000):
        predicted = np.zeros((1, 10), np.int64)
        predicted[0, :4] = outside
        confusion = Confusion(MAPPING)
        confusion.add(truth, predicted)
        summary = confusion.summary()
        assert summary['pixel_accuracy'] == summary['miou'] == 0.6
        assert summary['out_of_set'] == 0.4
        assert confusion.counts[0].tolist() == [6, 0, 0, 4]


def test_unlabeled_truth_counts_nowhere_whatever_is_predicted() -> None:
    """Neither as an error nor as a false positive of the predicted label."""
    confusion = Confusion(MAPPING)
    confusion.add(np.array([[9, 255, 3, 5]], np.uint8), np.array([[0, 0, 0, 5]]))
    assert confusion.counts.sum() == 1
    assert confusion.summary()['iou'] == {'a': None, 'b': 1.0, 'c': None}


def test_a_label_predicted_but_never_true_has_an_iou_of_zero() -> None:
    """A false alarm counts in the mean; a label that occurs nowhere does not."""
    confusion = Confusion(MAPPING)
    confusion.add(np.array([[0, 0]], np.uint8), np.array([[0, 7]]))
    assert confusion.summary()['iou'] == {'a': 0.5, 'b': None, 'c': 0.0}
    assert confusion.summary()['miou'] == 0.25


@pytest.mark.filterwarnings('error')
def test_nothing_counted_has_no_score_and_no_warning() -> None:
    """An empty evaluation does not look like a perfect or a failed one."""
    summary = Confusion(MAPPING).summary()
    assert np.isnan(summary['miou'])  # type: ignore[call-overload]
    assert summary['pixel_accuracy'] == 0
    confusion = Confusion(MAPPING)
    confusion.add(np.array([[0]], np.uint8), np.array([[0]]))
    assert json.loads(json.dumps(confusion.summary()))['miou'] == 1


def test_images_add_up() -> None:
    """Two images counted one by one give what they give side by side."""
    rng = np.random.default_rng(0)
    truth, predicted = (rng.choice(IDS, (2, 4, 5)).astype(np.uint8) for _ in range(2))
    single, both = Confusion(MAPPING), Confusion(MAPPING)
    for one, other in zip(truth, predicted, strict=True):
        single.add(one, other)
    both.add(truth.reshape(8, 5), predicted.reshape(8, 5))
    np.testing.assert_array_equal(single.counts, both.counts)


def test_a_prediction_of_another_size_is_refused() -> None:
    """Nothing is stretched or cut silently."""
    with pytest.raises(ImageError, match=r'shape \(4, 5\), its ground truth \(4, 6\)'):
        Confusion(MAPPING).add(np.zeros((4, 6), np.uint8), np.zeros((4, 5), np.int64))


def test_large_images_do_not_overflow() -> None:
    """A thousand times 3000 x 3000 pixels of one label fit the counts."""
    confusion = Confusion(MAPPING)
    confusion.add(np.zeros((3000, 3000), np.uint8), np.zeros((3000, 3000), np.uint8))
    confusion.counts *= 1000
    assert confusion.counts[0, 0] == 9_000_000_000
    assert confusion.summary()['miou'] == 1


def test_a_node_counts_for_the_label_it_lies_below() -> None:
    """Leaves and inner nodes inside a label count for it; coarser nodes and void for none."""
    taxonomy = load_taxonomy('street')
    mapping = load_mapping('camvid', taxonomy)
    names = [
        'Car',
        'Motor Vehicle',
        'Vehicle',
        'o_stop',
        'Traffic Sign',
        'Street Scene',
        'Ego Vehicle',
    ]
    nodes = np.array([[taxonomy.node_id(name) for name in names] + [255]], np.uint8)
    by_id = {label.label_id: label.name for label in mapping.labels}
    found = [by_id.get(int(i)) for i in label_ids_of_nodes(nodes, mapping, taxonomy)[0]]
    assert found == ['Car', 'Car', None, 'SignSymbol', 'SignSymbol', None, None, None]
