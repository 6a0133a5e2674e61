# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Colours, blur and noise: how much of each, and only what is asked for."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from hiseg_ros.errors import ConfigError
from hiseg_ros.training.config.recipe import AugmentationConfig
from hiseg_ros.training.data.augmentation import random_colors

NOTHING = AugmentationConfig(colour=0, blur=0, noise=0)
IV2018 = AugmentationConfig(
    colour=0.5,
    brightness=0,
    brightness_shift=16,
    contrast=0.2,
    saturation=0.2,
    hue=0.1,
    blur=0,
    noise=0,
    median=0.125,
    bilateral=0.25,
)


def pattern() -> np.ndarray:
    """Return a (32, 40, 3) image with colours and edges, away from black and white."""
    return np.random.default_rng(5).integers(60, 190, (32, 40, 3), np.uint8)


def colours_of(config: AugmentationConfig, count: int, image: np.ndarray) -> list[np.ndarray]:
    """Return the image augmented with different chances, (H, W, 3) each."""
    return [
        random_colors(image, np.random.default_rng(seed), config).permute(1, 2, 0).numpy()
        for seed in range(count)
    ]


def test_colours_change_and_geometry_does_not() -> None:
    """Jitter, blur and noise keep shape, type and the edges' places."""
    image = np.full((32, 40, 3), 60, np.uint8)
    image[:, 20:] = 180
    differing = 0
    for seed in range(30):
        found = random_colors(image, np.random.default_rng(seed))
        assert found.shape == (3, 32, 40)
        assert found.dtype == torch.uint8
        left, right = found[..., :17].float().mean(), found[..., 23:].float().mean()
        assert right > left + 20
        differing += not np.array_equal(found.permute(1, 2, 0), image)
    assert differing > 20


@pytest.mark.parametrize('config', [None, IV2018])
def test_the_same_chance_gives_the_same_colours_whatever_torch_drew_before(
    config: AugmentationConfig | None,
) -> None:
    """A sample depends on its own generator, not on torch's global one."""
    for seed in range(12):
        first = random_colors(pattern(), np.random.default_rng(seed), config)
        torch.rand(17)
        assert torch.equal(first, random_colors(pattern(), np.random.default_rng(seed), config))


def test_without_augmentation_the_image_is_the_image() -> None:
    """As IV 2018 has it for Vistas."""
    for found in colours_of(NOTHING, 5, pattern()):
        np.testing.assert_array_equal(found, pattern())


def test_a_brightness_shift_adds_the_same_grey_levels_everywhere() -> None:
    """At most what is asked for, darker as often as brighter, and not beyond black and white."""
    only = replace(NOTHING, colour=1.0, brightness=0, contrast=0, saturation=0, hue=0)
    shifts = []
    for found in colours_of(replace(only, brightness_shift=16.0), 200, pattern()):
        difference = found.astype(int) - pattern()
        assert difference.min() == difference.max()
        shifts.append(int(difference.min()))
    assert min(shifts) in (-16, -15)
    assert max(shifts) in (15, 16)
    assert 70 < sum(shift > 0 for shift in shifts) < 130
    white = np.full((4, 4, 3), 255, np.uint8)
    assert all(f.min() > 200 for f in colours_of(replace(only, brightness_shift=16.0), 20, white))


def test_median_and_bilateral_filters_are_applied_as_often_as_asked_and_never_both() -> None:
    """Compared with OpenCV's own."""
    image = pattern()
    median = cv2.medianBlur(image, 3)
    bilateral = cv2.bilateralFilter(image, 3, 35, 35)
    config = replace(NOTHING, median=0.25, bilateral=0.5)
    counts = {'median': 0, 'bilateral': 0, 'none': 0}
    for found in colours_of(config, 400, image):
        kinds = {'median': median, 'bilateral': bilateral, 'none': image}
        (kind,) = [name for name, wanted in kinds.items() if np.array_equal(found, wanted)]
        counts[kind] += 1
    assert 70 < counts['median'] < 130
    assert 165 < counts['bilateral'] < 235


def test_blur_and_noise_are_as_strong_as_asked() -> None:
    """Noise has the standard deviation, a wider blur leaves less of the edges."""
    grey = np.full((64, 64, 3), 128, np.uint8)
    (noisy,) = colours_of(replace(NOTHING, noise=1.0, noise_sigma=(6.0, 6.0)), 1, grey)
    assert 5.7 < (noisy.astype(float) - 128).std() < 6.3
    left = [
        colours_of(replace(NOTHING, blur=1.0, blur_sigma=(s, s)), 1, pattern())[0].std()
        for s in (0.5, 1.0, 2.0, 4.0)
    ]
    assert left == sorted(left, reverse=True)
    # Each sigma has a kernel wide enough for it.
    line = np.zeros((41, 41, 3), np.uint8)
    line[:, 20] = 255
    (wide,) = colours_of(replace(NOTHING, blur=1.0, blur_sigma=(4.0, 4.0)), 1, line)
    assert (wide[20, :, 0] > 0).sum() == 11


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'colour': 1.5}, 'colour is 1.5; expected a number of at most 1'),
        ({'noise': -0.1}, 'noise is -0.1'),
        (
            {'median': 0.6, 'bilateral': 0.6},
            'bilateral is 0.6; expected at most 1 together with median',
        ),
        ({'contrast': 1.2}, 'contrast is 1.2; expected a number of at most 1'),
        ({'hue': 0.6}, 'hue is 0.6; expected a number of at most 0.5'),
        ({'brightness_shift': 300}, 'brightness_shift is 300'),
        ({'bilateral_sigma': 0}, 'bilateral_sigma is 0'),
        ({'blur_sigma': (0, 1)}, r'blur_sigma\[0\] is 0; expected a number above 0'),
        ({'blur_sigma': (2, 1)}, r'blur_sigma is \(2, 1\)'),
        ({'noise_sigma': (-1, 1)}, r'noise_sigma\[0\] is -1; expected'),
    ],
)
def test_values_that_cannot_be_used_are_named(change: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        replace(AugmentationConfig(), **change)  # type: ignore[arg-type]
