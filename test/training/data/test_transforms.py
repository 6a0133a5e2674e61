# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Augmentation keeps labels on what they label."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiseg_ros.datasets.sample import Box
from hiseg_ros.training.data.label_table import IGNORED
from hiseg_ros.training.data.transforms import (
    SignCutout,
    cover_factor,
    paste_sign,
    paste_signs,
    random_crop,
)

SEEDS = st.integers(0, 2**32 - 1)


def self_describing(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image whose red and green are row and column, and labels that name the place."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([y, x, np.full_like(x, 200)], -1).astype(np.uint8)
    return image, (y * width + x).astype(np.int16)


def shrunk(mask: np.ndarray) -> np.ndarray:
    """Return the mask without the pixels at its edge."""
    kernel = np.ones((3, 3), np.uint8)
    eroded = cv2.erode(
        mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    return eroded.astype(bool)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(seed=SEEDS, scale=st.sampled_from([0.5, 0.6, 0.75, 1.0, 1.3, 1.6, 2.0]))
def test_labels_follow_the_image_through_crop_resize_and_padding(seed: int, scale: float) -> None:
    """Every output pixel shows the place that its label names, without a systematic shift."""
    rng = np.random.default_rng(seed)
    height, width = (int(n) for n in rng.integers(40, 170, 2))
    image, label_set_ids = self_describing(height, width)
    crop, cut = random_crop(image, label_set_ids, (64, 96), (scale, scale), rng)
    assert crop.shape == (64, 96, 3)
    assert cut.shape == (64, 96)
    assert crop.dtype == np.uint8
    assert cut.dtype == np.int16
    labelled = cut != IGNORED
    # Beside the seam image and padding are mixed.
    inside, outside = shrunk(labelled), shrunk(~labelled)
    assert (crop[inside][:, 2] == 200).all()
    assert (crop[outside] == (124, 116, 104)).all()
    if inside.sum() < 50:
        return
    for channel, place in ((0, cut // width), (1, cut % width)):
        difference = crop[..., channel].astype(float)[inside] - place[inside]
        assert np.abs(difference).max() <= 1
        assert abs(difference.mean()) < 0.25


def test_an_image_smaller_than_the_window_is_padded_and_none_of_it_is_lost() -> None:
    """At scale 1 each pixel of a small image appears once, the rest is unlabeled."""
    image, label_set_ids = self_describing(20, 30)
    places = set()
    for seed in range(20):
        crop, cut = random_crop(
            image, label_set_ids, (32, 64), (1, 1), np.random.default_rng(seed)
        )
        labelled = cut != IGNORED
        assert sorted(cut[labelled].tolist()) == list(range(600))
        assert (crop[~labelled] == (124, 116, 104)).all()
        places.add((int(np.argmax(labelled.any(1))), int(np.argmax(labelled.any(0)))))
    assert len(places) > 5, 'the image should lie at random places'


def test_the_scale_is_drawn_evenly_in_its_logarithm() -> None:
    """Half as large is as likely as twice as large, and the limits are kept."""
    image, label_set_ids = self_describing(180, 180)
    factors = []
    for seed in range(300):
        crop, _ = random_crop(
            image, label_set_ids, (64, 64), (0.5, 2.0), np.random.default_rng(seed)
        )
        factors.append(63 / (int(crop[-1, 32, 0]) - int(crop[0, 32, 0])))
    assert 0.48 < min(factors) < 0.55
    assert 1.8 < max(factors) < 2.1
    assert np.mean(np.log(factors)) == pytest.approx(0, abs=0.08)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(seed=SEEDS)
def test_a_crop_around_a_box_shows_the_middle_of_the_box(seed: int) -> None:
    """Wherever the box lies, its middle is in the window when the image is large enough."""
    rng = np.random.default_rng(seed)
    image = np.zeros((200, 300, 3), np.uint8)
    label_set_ids = np.zeros((200, 300), np.int16)
    x, y = int(rng.integers(0, 280)), int(rng.integers(0, 180))
    box = Box(x, y, x + 19, y + 19, 1)
    label_set_ids[y + 5 : y + 15, x + 5 : x + 15] = 7
    _, cut = random_crop(image, label_set_ids, (64, 96), (0.7, 1.4), rng, box)
    assert (cut == 7).sum() >= 0.45 * 100 * 0.7**2
    assert (cut != IGNORED).all(), 'the window stays inside a large enough image'


def test_the_same_chance_gives_the_same_crop() -> None:
    """Everything random comes from the generator."""
    image, label_set_ids = self_describing(90, 120)
    first, second = (
        random_crop(image, label_set_ids, (64, 64), (0.5, 2.0), np.random.default_rng(4))
        for _ in range(2)
    )
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def white_disc(side: int = 48, set_id: int = 5) -> SignCutout:
    """Return a bright round sign on black."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    mask = x**2 + y**2 <= (side / 2) ** 2
    return SignCutout(
        np.where(mask[..., None], 255, 0).astype(np.uint8).repeat(3, 2), mask, set_id
    )


@settings(deadline=None, max_examples=40, derandomize=True)
@given(seed=SEEDS, side=st.integers(4, 90))
def test_pasting_a_sign_labels_the_pixels_that_it_paints(seed: int, side: int) -> None:
    """Sign pixels are bright, untouched pixels keep image and label, the seam is unlabeled."""
    rng = np.random.default_rng(seed)
    image = np.full((120, 160, 3), 10, np.uint8)
    label_set_ids = np.full((120, 160), 2, np.int16)
    before = image.copy()
    paste_sign(image, label_set_ids, white_disc(), side, rng)
    painted, seam, rest = label_set_ids == 5, label_set_ids == IGNORED, label_set_ids == 2
    assert (painted | seam | rest).all()
    assert painted.any()
    assert np.median(image[painted]) > 40
    ys, xs = np.nonzero(painted)
    assert ys.max() - ys.min() < max(4, side) + 1
    assert xs.max() - xs.min() < max(4, side) + 1
    # Noise is added inside the sign's rectangle, so compare away from it.
    far = np.ones(label_set_ids.shape, bool)
    top, left = max(ys.min() - side, 0), max(xs.min() - side, 0)
    far[top : ys.max() + side, left : xs.max() + side] = False
    np.testing.assert_array_equal(image[far], before[far])
    if side >= 20:
        assert image[painted].mean() > image[rest].mean() + 30
        # A disc, squeezed, turned and with a soft rim: its share of its own rectangle.
        share = painted.sum() / ((np.ptp(ys) + 1) * (np.ptp(xs) + 1))
        assert 0.6 < share < 0.95


def test_a_sign_larger_than_the_image_is_cut_off() -> None:
    """Tiny crops do not break pasting."""
    image, label_set_ids = np.zeros((16, 20, 3), np.uint8), np.zeros((16, 20), np.int16)
    for seed in range(10):
        paste_sign(image, label_set_ids, white_disc(), 72, np.random.default_rng(seed))
    assert (label_set_ids == 5).any()


def test_signs_follow_the_light_of_the_image() -> None:
    """A white sign on a dark street is darker than on a bright one."""
    means = []
    for grey in (15, 120):
        image = np.full((120, 160, 3), grey, np.uint8)
        label_set_ids = np.zeros((120, 160), np.int16)
        paste_sign(image, label_set_ids, white_disc(), 60, np.random.default_rng(1))
        means.append(image[label_set_ids == 5].mean())
    assert means[0] < 0.7 * means[1]


def test_every_type_of_the_library_is_pasted_equally_often() -> None:
    """A type with many cutouts is no likelier than one with a single one."""
    library = [[white_disc(set_id=1)] * 30, [white_disc(set_id=2)], [white_disc(set_id=3)] * 3]
    counts = dict.fromkeys((1, 2, 3), 0)
    for seed in range(200):
        image, label_set_ids = np.zeros((100, 100, 3), np.uint8), np.zeros((100, 100), np.int16)
        paste_signs(image, label_set_ids, library, 1, np.random.default_rng(seed))
        counts[int(label_set_ids.max())] += 1
    assert min(counts.values()) > 45
    image, label_set_ids = np.zeros((100, 100, 3), np.uint8), np.zeros((100, 100), np.int16)
    paste_signs(image, label_set_ids, library, 0, np.random.default_rng(0))
    assert label_set_ids.max() == 0


def test_pasting_leaves_the_cutout_as_it_was() -> None:
    """The library serves the whole run."""
    sign = white_disc()
    rgb, mask = sign.rgb.copy(), sign.mask.copy()
    paste_sign(
        np.zeros((80, 80, 3), np.uint8),
        np.zeros((80, 80), np.int16),
        sign,
        40,
        np.random.default_rng(0),
    )
    np.testing.assert_array_equal(sign.rgb, rgb)
    np.testing.assert_array_equal(sign.mask, mask)


def test_pasted_signs_have_the_sizes_asked_for_and_small_ones_are_likelier() -> None:
    """The logarithm of the longer side is drawn evenly."""
    heights = []
    for seed in range(150):
        image, label_set_ids = (
            np.full((200, 200, 3), 100, np.uint8),
            np.zeros((200, 200), np.int16),
        )
        paste_signs(
            image, label_set_ids, [[white_disc(96)]], 1, np.random.default_rng(seed), (20, 80)
        )
        heights.append(int((label_set_ids != 0).any(1).sum()))
    assert min(heights) >= 15
    assert max(heights) <= 82
    assert 32 < np.median(heights) < 46  # half of them below the geometric mean of 40


def test_small_pasted_signs_keep_their_shape() -> None:
    """However soft the camera is: a sign of 14 pixels is a disc of about 11 x 14."""
    for seed in range(30):
        image, label_set_ids = np.full((60, 60, 3), 100, np.uint8), np.zeros((60, 60), np.int16)
        paste_sign(image, label_set_ids, white_disc(96), 14, np.random.default_rng(seed))
        assert 60 < (label_set_ids == 5).sum() < 170


def test_a_cover_factor_lets_the_image_just_cover_the_crop() -> None:
    """The numbers of IV 2018: Cityscapes, GTSDB, a portrait image."""
    assert cover_factor((1024, 2048), (512, 706)) == 0.5
    assert cover_factor((800, 1360), (512, 706)) == 0.64
    assert cover_factor((4000, 1412), (512, 706)) == 0.5
