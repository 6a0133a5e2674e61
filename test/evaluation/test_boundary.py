# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Boundary F and trimap IoU, against counts over all pairs of pixels of small images."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from hiseg_ros.errors import ConfigError, ImageError
from hiseg_ros.evaluation.boundary import BoundaryScores, Width, parse_widths
from hiseg_ros.taxonomy import Label, Mapping

LABELS = 4
VOID = 9
MAPPING = Mapping(
    'test', tuple(Label(2 * i, f'label{i}', (i + 1,)) for i in range(LABELS)), (VOID,)
)
"""Label ids 0, 2, 4, 6."""


def blobs(seed: int, shape: tuple[int, int]) -> np.ndarray:
    """Return (H, W) label ids of smooth patches, some of them VOID."""
    rng = np.random.default_rng(seed)
    smooth = [cv2.GaussianBlur(rng.normal(size=shape), (0, 0), 1.5) for _ in range(LABELS + 1)]
    ids = np.array([0, 2, 4, 6, VOID])
    return ids[np.argmax(smooth, 0)].astype(np.uint8)


def slow_edges(labels: np.ndarray, valid: np.ndarray) -> dict[int, list[tuple[int, int]]]:
    """Return boundary pixels by label id, looked at one by one."""
    found: dict[int, list[tuple[int, int]]] = {}
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            beside = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
            inside = [(j, i) for j, i in beside if 0 <= j < height and 0 <= i < width]
            if valid[y, x] and any(valid[p] and labels[p] != labels[y, x] for p in inside):
                found.setdefault(int(labels[y, x]), []).append((y, x))
    return found


def slow_matched(points: list[tuple[int, int]], others: list[tuple[int, int]], width: int) -> int:
    """Return how many points have another one within the width, in whole numbers."""
    return sum(any((y - j) ** 2 + (x - i) ** 2 <= width**2 for j, i in others) for y, x in points)


@pytest.mark.parametrize('seed', range(4))
def test_scores_are_those_of_all_pairs_of_pixels(seed: int) -> None:
    """Two images of different sizes together, with predictions outside the set."""
    widths = (1, 2, 3, 5)
    scores = BoundaryScores(MAPPING, [Width(width) for width in widths])
    ids = [label.label_id for label in MAPPING.labels]
    count = np.zeros((len(widths), LABELS, 2), int)
    totals = np.zeros((LABELS, 2), int)
    near = np.zeros((len(widths), LABELS, LABELS + 1), int)
    for number, shape in enumerate([(17, 23), (31, 12)]):
        truth = blobs(10 * seed + number, shape)
        predicted = blobs(10 * seed + 5 + number, shape).astype(np.int16)
        predicted[predicted == VOID] = -1
        scores.add(truth, predicted)
        valid = truth != VOID
        true, found = slow_edges(truth, valid), slow_edges(predicted, valid)
        every = [point for points in true.values() for point in points]
        for row, label_id in enumerate(ids):
            pair = true.get(label_id, []), found.get(label_id, [])
            totals[row] += [len(points) for points in pair]
            for index, width in enumerate(widths):
                count[index, row, 0] += slow_matched(pair[0], pair[1], width)
                count[index, row, 1] += slow_matched(pair[1], pair[0], width)
        for index, width in enumerate(widths):
            for y, x in np.argwhere(valid):
                if slow_matched([(y, x)], every, width - 1):
                    column = ids.index(predicted[y, x]) if predicted[y, x] >= 0 else LABELS
                    near[index, ids.index(truth[y, x]), column] += 1
    summary = scores.summary()
    assert list(summary['true_boundary_pixels'].values()) == totals[:, 0].tolist()
    assert list(summary['predicted_boundary_pixels'].values()) == totals[:, 1].tolist()
    assert totals.min() > 0
    for index, width in enumerate(widths):
        found_scores = summary['widths'][f'{width} px']
        recall, precision = (count[index] / totals).T
        f = 2 * precision * recall / (precision + recall)
        assert list(found_scores['f_by_label'].values()) == pytest.approx(f.tolist(), abs=6e-5)
        assert list(found_scores['recall_by_label'].values()) == pytest.approx(
            recall.tolist(), abs=6e-5
        )
        assert found_scores['f'] == pytest.approx(f.mean())
        both = np.diagonal(near[index])
        union = near[index].sum(1) + near[index][:, :-1].sum(0) - both
        assert found_scores['trimap_pixels'] == near[index].sum()
        assert found_scores['trimap_miou'] == pytest.approx((both / union).mean())
        assert found_scores['trimap_pixel_accuracy'] == pytest.approx(
            both.sum() / near[index].sum()
        )
    accuracy = [one['trimap_pixels'] for one in summary['widths'].values()]
    assert accuracy == sorted(accuracy)


def square(shift: int) -> np.ndarray:
    """Return label 2 in a square on label 0."""
    labels = np.zeros((40, 40), np.uint8)
    labels[10:25, 10 + shift : 25 + shift] = 2
    return labels


def test_a_shift_by_two_pixels_is_forgiven_from_a_tolerance_of_two_on() -> None:
    scores = BoundaryScores(MAPPING, [Width(1), Width(2), Width(3)])
    scores.add(square(0), square(2))
    f = {name: one['f_by_label'] for name, one in scores.summary()['widths'].items()}
    assert f['2 px'] == f['3 px'] == {'label0': 1, 'label1': 1, 'label2': None, 'label3': None}
    assert 0 < f['1 px']['label1'] < 1
    assert 0 < f['1 px']['label0'] < 1


def test_a_perfect_prediction_is_perfect_at_every_width() -> None:
    scores = BoundaryScores(MAPPING)
    truth = blobs(1, (30, 40))
    scores.add(truth, truth)
    for one in scores.summary()['widths'].values():
        assert one['f'] == one['trimap_miou'] == one['trimap_pixel_accuracy'] == 1


def test_a_missed_and_an_invented_label_have_an_f_of_zero() -> None:
    """Neither counts as unknown."""
    scores = BoundaryScores(MAPPING, [Width(3)])
    invented = square(0)
    invented[30:35, 30:35] = 4
    scores.add(square(0), invented)
    truth = np.where(square(0) == 2, 6, 0).astype(np.uint8)
    scores.add(truth, np.zeros_like(truth))
    one = scores.summary()['widths']['3 px']
    assert one['f_by_label']['label2'] == one['f_by_label']['label3'] == 0
    assert one['precision_by_label']['label2'] == one['recall_by_label']['label3'] == 0
    assert one['recall_by_label']['label2'] is None


def test_precision_and_recall_are_of_all_images_together() -> None:
    """A label in one of two images, invented in the other: no mean of two F scores."""
    scores = BoundaryScores(MAPPING, [Width(1)])
    scores.add(square(0), square(0))
    scores.add(np.zeros((40, 40), np.uint8), square(0))
    one = scores.summary()['widths']['1 px']
    assert one['precision_by_label']['label1'] == 0.5
    assert one['recall_by_label']['label1'] == 1
    assert one['f_by_label']['label1'] == round(2 / 3, 4)


def test_there_is_no_boundary_beside_pixels_without_a_label() -> None:
    """What is predicted there is unknown too; images of one label have no scores."""
    scores = BoundaryScores(MAPPING, [Width(2)])
    truth = square(0)
    truth[8:27, 8:27] = np.where(truth[8:27, 8:27] == 2, 2, VOID)
    scores.add(truth, square(0))
    scores.add(truth, square(1))
    summary = scores.summary()
    assert sum(summary['true_boundary_pixels'].values()) == 0
    # Column 10 of the square was predicted as label 0: 15 pixels on either side of the line.
    assert summary['predicted_boundary_pixels']['label1'] == 15
    one = summary['widths']['2 px']
    assert one['trimap_pixels'] == 0
    assert one['trimap_pixel_accuracy'] is None
    assert math.isnan(one['trimap_miou'])


def test_a_share_of_the_diagonal_is_rounded_up_to_pixels() -> None:
    """Those of Gated-SCNN on Cityscapes, and without a rounding error on 480x360."""
    shares = [Width(percent=percent) for percent in (0.088, 0.1875, 0.375, 0.5)]
    assert [share.of((1024, 2048)) for share in shares] == [3, 5, 9, 12]
    assert Width(percent=0.5).of((360, 480)) == 3
    assert Width(percent=0.01).of((10, 10)) == 1
    assert Width(4).of((1024, 2048)) == 4


def test_widths_are_read_from_text() -> None:
    assert parse_widths([]) == (Width(1), Width(3), Width(5))
    assert parse_widths(['3', '12px', '0.375%']) == (Width(3), Width(12), Width(percent=0.375))
    assert [str(width) for width in parse_widths(['3', '0.375 %'])] == ['3 px', '0.375 %']


@pytest.mark.parametrize('text', ['0', '-1', '1.5', '1001', '0%', '11%', 'three', '', '3 cm'])
def test_what_is_no_width_is_one_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match=r'A width of --boundary is .*; expected whole pixels'):
        parse_widths([text])


def test_a_width_that_is_given_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match='width 3 px of --boundary is given twice'):
        parse_widths(['3', '1', '3px'])


def test_a_prediction_of_another_size_is_refused() -> None:
    with pytest.raises(ImageError, match='its ground truth'):
        BoundaryScores(MAPPING).add(square(0), square(0)[:-1])
