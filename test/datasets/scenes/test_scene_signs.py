# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Drawn signs: all 43 types are there, look different and have the shape of their kind."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from hiseg_ros.datasets.scenes import (
    LEAF_NAMES,
    OTHER_VARIANTS,
    SIGN_TYPES,
    draw_sign,
)
from hiseg_ros.taxonomy import load_taxonomy

SIDE = 48


def clean_sign(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a sign averaged over a few ages, on grey."""
    images, masks = [], []
    for seed in range(3):
        rgb, mask = draw_sign(name, SIDE, np.random.default_rng(seed))
        images.append(np.where(mask[..., None], rgb, 128).astype(np.float64))
        masks.append(mask)
    return np.mean(images, axis=0), masks[0]


def test_there_are_43_sign_types_in_the_benchmarks_order() -> None:
    assert len(SIGN_TYPES) == len(set(SIGN_TYPES)) == 43
    numbers = {0: 'p_limit_20', 13: 'o_give_way', 14: 'o_stop', 38: 'm_keep_right'}
    assert all(SIGN_TYPES[number] == name for number, name in numbers.items())
    assert SIGN_TYPES[42] == 'o_restr_end_ovrtkng_t'


def test_every_drawn_name_is_a_leaf_of_the_street_taxonomy_and_none_is_missing() -> None:
    taxonomy = load_taxonomy('street')
    assert set(LEAF_NAMES) == {taxonomy.nodes[leaf].name for leaf in taxonomy.leaves}
    assert len(LEAF_NAMES) == len(set(LEAF_NAMES)) == 108


def test_no_two_sign_types_look_alike() -> None:
    images = [clean_sign(name)[0] for name in SIGN_TYPES]
    for first in range(43):
        for second in range(first):
            difference = np.abs(images[first] - images[second]).max(axis=2)
            changed = (difference > 60).sum()
            assert changed > 0.02 * SIDE * SIDE, (SIGN_TYPES[first], SIGN_TYPES[second])


@pytest.mark.parametrize(
    ('name', 'share'),
    [
        ('p_limit_50', 0.785),
        ('m_roundabout', 0.785),
        ('o_restriction_ends', 0.785),
        ('o_priority_road', 0.5),
        ('d_danger', 0.44),
        ('o_give_way', 0.44),
        ('o_stop', 0.83),
    ],
)
def test_a_plate_has_the_shape_of_its_kind(name: str, share: float) -> None:
    _, mask = draw_sign(name, 128, np.random.default_rng(0))
    assert mask.mean() == pytest.approx(share, abs=0.05)


def test_the_mask_is_one_piece_that_fills_the_square() -> None:
    for name in (*SIGN_TYPES, *OTHER_VARIANTS):
        _, mask = draw_sign(name, 96, np.random.default_rng(1))
        pieces, _ = cv2.connectedComponents(mask.astype(np.uint8))
        assert pieces == 2, name
        rows, columns = np.nonzero(mask)
        assert max(np.ptp(rows), np.ptp(columns)) > 84, name


def test_left_and_right_signs_are_mirror_images() -> None:
    for left, right in (('m_go_left', 'm_go_right'), ('m_keep_left', 'm_keep_right')):
        difference = np.abs(clean_sign(left)[0][:, ::-1] - clean_sign(right)[0]).max(axis=2)
        assert (difference > 60).mean() < 0.02


@pytest.mark.parametrize('size', [9, 24, 96, 200])
def test_a_sign_has_the_asked_size(size: int) -> None:
    rgb, mask = draw_sign('o_stop', size, np.random.default_rng(0))
    assert rgb.shape == (size, size, 3) and rgb.dtype == np.uint8
    assert mask.shape == (size, size) and mask.dtype == np.bool_


def test_the_same_generator_draws_the_same_sign_and_another_one_an_older_one() -> None:
    first, _ = draw_sign('p_limit_30', 64, np.random.default_rng(5))
    again, _ = draw_sign('p_limit_30', 64, np.random.default_rng(5))
    other, _ = draw_sign('p_limit_30', 64, np.random.default_rng(6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
