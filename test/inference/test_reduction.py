# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The reduction of camera images: the filter of training, for any sizes and threads."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('numba')
Image = pytest.importorskip('PIL.Image')

from hiseg_ros.inference.backends.reduction import reduced  # noqa: E402

SIZES = [
    ((256, 512), (128, 256)),
    ((270, 480), (200, 352)),
    ((217, 133), (64, 32)),
    ((40, 600), (32, 96)),
    ((150, 50), (32, 96)),
    ((33, 64), (32, 64)),
    ((2, 2), (1, 1)),
]


@pytest.mark.parametrize(('source', 'target'), SIZES)
def test_it_is_the_filter_of_pillow(
    source: tuple[int, int], target: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to one level, since Pillow rounds twice; the same with one thread or several."""
    rng = np.random.default_rng(source[0])
    rgb = rng.integers(0, 256, (*source, 3), dtype=np.uint8)
    expected = np.asarray(
        Image.fromarray(rgb).resize(target[::-1], Image.Resampling.BILINEAR), np.int32
    )
    results = []
    for threads in ('1', '2', '5'):
        monkeypatch.setenv('OMP_NUM_THREADS', threads)
        results.append(reduced(rgb, target))
    assert all(np.array_equal(results[0], one) for one in results[1:])
    difference = np.abs(results[0].astype(np.int32) - expected)
    assert difference.max() <= 1
    assert difference.size < 100 or (difference > 0).mean() < 0.3


@pytest.mark.parametrize('level', [0, 1, 127, 254, 255])
def test_one_colour_stays_as_it_is(level: int) -> None:
    """Weights sum to one, at the borders too, and nothing wraps round."""
    rgb = np.full((97, 211, 3), level, np.uint8)
    assert (reduced(rgb, (32, 64)) == level).all()


def test_channels_are_kept_apart() -> None:
    """Each is reduced as if it were alone."""
    rgb = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    together = reduced(rgb, (20, 40))
    for channel in range(3):
        alone = np.zeros_like(rgb)
        alone[..., channel] = rgb[..., channel]
        found = reduced(alone, (20, 40))
        assert np.array_equal(found[..., channel], together[..., channel])
        assert not np.delete(found, channel, 2).any()
