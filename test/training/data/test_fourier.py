# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Fourier domain adaptation: identity with itself, the phase kept, the low amplitudes swapped."""

from __future__ import annotations

import numpy as np
import pytest

from hiseg_ros.training.data.fourier import swap_amplitudes


def noise(seed: int, low: int = 60, high: int = 190) -> np.ndarray:
    """Return an image (48, 64, 3)."""
    return np.random.default_rng(seed).integers(low, high, (48, 64, 3), np.uint8)


@pytest.mark.parametrize('beta', [0.001, 0.01, 0.05, 0.5])
def test_an_image_with_itself_is_unchanged(beta: float) -> None:
    image = noise(1)
    assert np.array_equal(swap_amplitudes(image, image, beta), image)


def test_the_mean_becomes_that_of_the_style() -> None:
    content, style = noise(1, 100, 150), noise(2, 60, 110)
    result = swap_amplitudes(content, style, 0.001)
    assert np.allclose(result.mean((0, 1)), style.mean((0, 1)), atol=0.5)
    # Frequency 0 alone: everything else is the content's.
    shift = result.astype(int) - content
    assert np.ptp(shift[..., 0]) <= 1


def test_low_amplitudes_are_the_styles_and_the_rest_and_the_phase_the_contents() -> None:
    content, style = noise(1, 100, 150), noise(2, 100, 150)
    result = swap_amplitudes(content, style, 3.5 / 48)
    own, other, got = (np.fft.fft2(x[..., 1].astype(float)) for x in (content, style, result))
    rows, columns = np.fft.fftfreq(48, 1 / 48), np.fft.fftfreq(64, 1 / 64)
    low = (np.abs(rows) <= 3)[:, None] & (np.abs(columns) <= 3)
    assert low.sum() == 49
    # Bytes are rounded: a frequency moves by a few tens of thousands.
    assert np.abs(np.abs(got) - np.abs(other))[low].max() < 60
    assert np.abs(np.abs(got) - np.abs(own))[~low].max() < 60
    strong = np.abs(got) > 1500
    assert np.abs(np.angle(got / own))[strong & low].max() < 0.05


def test_the_result_is_clipped_to_bytes() -> None:
    content = np.full((32, 32, 3), 250, np.uint8)
    content[:16] = 5
    result = swap_amplitudes(content, np.full((32, 32, 3), 252, np.uint8), 0.01)
    assert result.dtype == np.uint8
    assert result[20, 5, 0] == 255
