# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Repeat factors against their definition, and passes that keep to them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hiseg_ros.training.data.repeats import Repeats, pass_length, pass_order, repeat_factors


def reference(labels_of_images: list[set[int]], threshold: float) -> list[float]:
    """Return the factor of each image as the LVIS paper defines it."""
    factors = []
    for labels in labels_of_images:
        shares = [
            sum(label in other for other in labels_of_images) / len(labels_of_images)
            for label in labels
        ]
        factors.append(max([1.0, *(math.sqrt(threshold / share) for share in shares)]))
    return factors


@pytest.mark.parametrize('threshold', [0.001, 0.1, 0.5, 1.0])
def test_repeat_factors_are_those_of_lvis(threshold: float) -> None:
    rng = np.random.default_rng(3)
    labels = [set(np.flatnonzero(rng.random(12) < 0.3 / np.arange(1, 13))) for _ in range(60)]
    labels[7] = {11}  # one label occurs once
    present = np.zeros((60, 256), np.bool_)
    for image, own in enumerate(labels):
        present[image, list(own)] = True
    repeats = repeat_factors(present, threshold)
    np.testing.assert_allclose(repeats.of_image, reference(labels, threshold))
    share = present[:, 11].mean()
    assert repeats.of_label_id[11] == pytest.approx(max(1, math.sqrt(threshold / share)))
    assert repeats.of_label_id[200] == 1, 'a label that never occurs'


def test_without_rare_labels_a_pass_shows_each_image_once_in_random_order() -> None:
    ones = Repeats.none(50).of_image
    assert pass_length(ones) == 50
    orders = [pass_order(ones, 1, number) for number in range(3)]
    for order in orders:
        assert sorted(order.tolist()) == list(range(50))
    assert not np.array_equal(orders[0], orders[1])
    assert not np.array_equal(pass_order(ones, 2, 0), orders[0])
    np.testing.assert_array_equal(pass_order(ones, 1, 2), orders[2])


def test_over_many_passes_each_image_is_shown_as_often_as_its_factor_says() -> None:
    rng = np.random.default_rng(0)
    factors = np.where(rng.random(80) < 0.3, rng.uniform(1, 5, 80), 1.0)
    length = pass_length(factors)
    shown = np.zeros(80)
    for number in range(400):
        order = pass_order(factors, 1, number)
        counts = np.bincount(order, minlength=80)
        assert len(order) == length
        assert (counts >= np.floor(factors)).all()
        assert (counts <= np.ceil(factors * 1.01) + 1e-9).all()
        shown += counts
    # A pass is rounded up to whole images, which raises all factors by the same small share.
    np.testing.assert_allclose(shown / 400, factors * length / factors.sum(), atol=0.1)
