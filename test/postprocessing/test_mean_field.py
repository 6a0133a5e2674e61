# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The mean field against sums over all pairs of pixels, and the lattice against the matrix."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from hiseg_ros.errors import ConfigError
from hiseg_ros.postprocessing.filters import (
    ExactFilter,
    LatticeFilter,
    NormalisedFilter,
    SmoothFilter,
)
from hiseg_ros.postprocessing.mean_field import (
    EXACT_PIXELS,
    color_features,
    mean_field,
    weighted_filters,
)
from hiseg_ros.postprocessing.parameters import REFERENCE_WIDTH, CrfParameters

RNG_SEED = 4


def case(height: int, width: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a random image (H, W, 3) and probabilities (K, H, W)."""
    rng = np.random.default_rng(RNG_SEED)
    rgb = rng.integers(0, 256, (height, width, 3), np.uint8)
    probabilities = rng.random((classes, height, width)).astype(np.float32) ** 2
    return rgb, probabilities / probabilities.sum(0)


def brute_force(
    rgb: np.ndarray,
    probabilities: np.ndarray,
    parameters: CrfParameters,
    similarity: np.ndarray | None = None,
) -> np.ndarray:
    """Return the mean field as its definition says it: pair by pair, in float64."""
    height, width = rgb.shape[:2]
    scale = width / REFERENCE_WIDTH
    pixels = [(y, x) for y in range(height) for x in range(width)]
    pairs = np.zeros((2, len(pixels), len(pixels)))
    for i, (y, x) in enumerate(pixels):
        for j, (v, u) in enumerate(pixels):
            distance = (y - v) ** 2 + (x - u) ** 2
            color = ((rgb[y, x].astype(float) - rgb[v, u]) ** 2).sum()
            pairs[0, i, j] = np.exp(
                -distance / (2 * (scale * parameters.position_std) ** 2)
                - color / (2 * parameters.color_std**2)
            )
            pairs[1, i, j] = np.exp(-distance / (2 * (scale * parameters.smooth_std) ** 2))
    weights = (parameters.color_weight, parameters.smooth_weight)
    kernel = np.zeros((len(pixels), len(pixels)))
    for weight, one in zip(weights, pairs, strict=True):
        sums = one.sum(1)
        kernel += weight * one / np.sqrt(sums[:, None] * sums)
    classes = len(probabilities)
    similar = np.eye(classes) if similarity is None else similarity
    start = probabilities.reshape(classes, -1).astype(float)
    current = start
    for _ in range(parameters.rounds):
        new = np.empty_like(current)
        for i in range(len(pixels)):
            for k in range(classes):
                cost = sum(
                    (1 - similar[k, m]) * kernel[i, j] * current[m, j]
                    for m in range(classes)
                    for j in range(len(pixels))
                )
                new[k, i] = start[k, i] * np.exp(-cost)
        current = new / new.sum(0)
    return current.reshape(probabilities.shape)


@pytest.mark.parametrize('similarity', [None, [[1, 0.6, 0], [0.6, 1, 0.2], [0, 0.2, 1]]])
def test_the_mean_field_equals_brute_force(similarity: list[list[float]] | None) -> None:
    """On 6x6 pixels and three classes, with kernels wide enough to matter."""
    rgb, probabilities = case(6, 6, 3)
    parameters = CrfParameters(
        rounds=3, color_weight=5, position_std=250, color_std=90, smooth_weight=2, smooth_std=120
    )
    matrix = None if similarity is None else np.array(similarity, np.float32)
    expected = brute_force(rgb, probabilities, parameters, matrix)
    found = mean_field(probabilities, weighted_filters(rgb, parameters), 3, matrix)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert np.abs(expected - probabilities).max() > 0.2


def test_weights_of_zero_or_no_rounds_change_nothing() -> None:
    rgb, probabilities = case(20, 30, 4)
    silent = CrfParameters(color_weight=0, smooth_weight=0)
    for parameters in (silent, CrfParameters(rounds=0)):
        found = mean_field(probabilities, weighted_filters(rgb, parameters), parameters.rounds)
        np.testing.assert_array_equal(found, probabilities)


def test_an_image_of_one_colour_is_only_smoothed() -> None:
    """The kernel of position and colour is then the one of position, of its own width."""
    rgb, probabilities = case(20, 30, 4)
    rgb[:] = 90
    colored = CrfParameters(color_weight=3, position_std=40, smooth_weight=0)
    smooth = CrfParameters(color_weight=0, smooth_weight=3, smooth_std=40)
    found, expected = (
        mean_field(probabilities, weighted_filters(rgb, one), 5) for one in (colored, smooth)
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_wrong_pixel_takes_the_class_of_its_colour_and_edges_stay() -> None:
    """Two halves: a hole in one is filled, and not a pixel crosses to the other."""
    rgb = np.full((60, 80, 3), 40, np.uint8)
    rgb[:, 40:] = 200
    truth = np.zeros((60, 80), int)
    truth[:, 40:] = 1
    seen = truth.copy()
    seen[:, 38:40] = 1  # the outline is off by two columns
    seen[10:13, 10:13] = 1
    probabilities = np.stack([np.where(seen == k, 0.7, 0.3) for k in (0, 1)]).astype(np.float32)
    assert rgb.shape[0] * rgb.shape[1] > EXACT_PIXELS
    published = CrfParameters(color_weight=4, position_std=80, color_std=13, smooth_weight=0)
    found = mean_field(probabilities, weighted_filters(rgb, published), 5)
    np.testing.assert_array_equal(found.argmax(0), truth)


@pytest.fixture(scope='module')
def scene() -> tuple[np.ndarray, np.ndarray]:
    """Return a smooth image with edges and noise (72, 96, 3), and smooth probabilities of six."""
    rng = np.random.default_rng(RNG_SEED)
    coarse = rng.integers(0, 256, (6, 8, 3)).astype(np.float32)
    image = cv2.resize(coarse, (96, 72), interpolation=cv2.INTER_LINEAR)
    image[40:, 30:60] = (200, 60, 40)
    rgb = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
    planes = rng.random((6, 9, 12)).astype(np.float32) ** 4
    large = np.stack([cv2.resize(plane, (96, 72)) for plane in planes])
    return rgb, large / large.sum(0)


@pytest.mark.parametrize(
    ('position_std', 'color_std', 'most'),
    [(15.0, 13.0, 0.05), (80.0, 13.0, 0.05), (15.0, 30.0, 0.05), (23.0, 5.0, 0.07)],
)
def test_the_lattice_is_close_to_the_exact_kernel(
    scene: tuple[np.ndarray, np.ndarray], position_std: float, color_std: float, most: float
) -> None:
    """Sums within 5 % in the mean, 7 % where colours are noise of the kernel's width.

    Probabilities after five rounds are within 0.01 in the mean, and 97 % of the labels agree.
    """
    rgb, probabilities = scene
    features = color_features(rgb, position_std, color_std)
    size = rgb.shape[:2]
    exact = NormalisedFilter(ExactFilter(features), size)
    lattice = NormalisedFilter(LatticeFilter(features), size)
    expected = exact(probabilities)
    assert np.abs(lattice(probabilities) - expected).mean() < most * expected.mean()
    smooth = NormalisedFilter(SmoothFilter(1.0), size)
    right, close = (
        mean_field(probabilities, [(4.0, one), (3.0, smooth)], 5) for one in (exact, lattice)
    )
    assert np.abs(close - right).mean() < 0.01
    assert (close.argmax(0) == right.argmax(0)).mean() > 0.97
    assert (right.argmax(0) != probabilities.argmax(0)).mean() > 0.05


def test_the_smoothness_kernel_is_the_whole_gaussian() -> None:
    _, probabilities = case(17, 23, 2)
    rows, columns = np.mgrid[:17, :23]
    features = np.stack([rows, columns], -1).astype(np.float32) / np.float32(2.5)
    np.testing.assert_allclose(
        SmoothFilter(2.5)(probabilities), ExactFilter(features)(probabilities), rtol=1e-5
    )


def test_the_lattice_repeats_itself(scene: tuple[np.ndarray, np.ndarray]) -> None:
    """Bit for bit, whatever the threads do."""
    rgb, probabilities = scene
    one, two = (LatticeFilter(color_features(rgb, 20, 10))(probabilities) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_a_kernel_that_the_lattice_cannot_hold_is_refused() -> None:
    features = np.linspace(0, 5000, 600, dtype=np.float32).reshape(20, 30, 1)
    with pytest.raises(ConfigError, match=r'too narrow for this image.* larger color_std'):
        LatticeFilter(np.repeat(features, 5, 2))


@pytest.mark.parametrize(
    ('setting', 'said'),
    [
        ('rounds', r"'rounds' of the CRF is unknown; expected KEY=VALUE with one of the keys"),
        ('depth=3', r"'depth=3' of the CRF is unknown"),
        ('rounds=many', r"rounds of the CRF is 'many'; expected an integer"),
        ('color_std=wide', r"color_std of the CRF is 'wide'; expected a number"),
        ('rounds=101', r'rounds of the CRF is 101; expected 0 to 100'),
        ('classes=1', r'classes of the CRF is 1; expected 2 or more'),
        ('color_weight=nan', r'color_weight of the CRF is nan; expected 0 or more'),
        ('smooth_weight=-1', r'smooth_weight of the CRF is -1.0; expected 0 or more'),
        ('compatibility=any', r"compatibility of the CRF is 'any'; expected potts or tree"),
    ],
)
def test_wrong_settings_are_refused_in_one_sentence(setting: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        CrfParameters.of([setting])


def test_settings_change_what_they_name() -> None:
    found = CrfParameters.of(['rounds=7', 'color_std=5.5', 'compatibility=tree'])
    assert found == CrfParameters(rounds=7, color_std=5.5, compatibility='tree')
