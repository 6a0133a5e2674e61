# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""max_rate: how many images are taken, how far apart, and how the others are counted."""

from __future__ import annotations

import numpy as np
import pytest

from hiseg_ros.ros.node.rate_limit import JITTER, RateLimit


def taken(times: np.ndarray, max_rate: float) -> np.ndarray:
    """Return the times at which an image is taken."""
    limit = RateLimit()
    return np.array([now for now in times if limit.admits(float(now), max_rate)])


@pytest.mark.parametrize(
    ('camera_hz', 'max_rate', 'expected_hz'),
    [(30, 10, 10), (30, 15, 15), (30, 7, 7), (60, 20, 20), (5, 10, 5), (30, 0.5, 0.5)],
)
@pytest.mark.parametrize('jitter_s', [0.0, 0.002])
def test_the_rate_is_that_of_every_nth_image(
    camera_hz: float, max_rate: float, expected_hz: float, jitter_s: float
) -> None:
    """Cameras do not tick exactly; the least interval is kept to a tenth."""
    jitter = np.random.default_rng(0).uniform(-jitter_s, jitter_s, 40 * camera_hz)
    times = 100.0 + np.arange(40 * camera_hz) / camera_hz + jitter
    found = taken(times, max_rate)
    assert np.diff(found).min() >= (1 - JITTER) / max_rate - 1e-9
    assert (len(found) - 1) / 40 == pytest.approx(expected_hz, rel=0.05)
    assert len(found) <= 40 * max_rate + 2


def test_no_limit_takes_every_image_and_a_limit_may_change_at_any_time() -> None:
    """It is a live parameter: a slower limit before does not delay the first image after."""
    limit = RateLimit()
    assert all(limit.admits(0.001 * number, 0.0) for number in range(100))
    assert limit.admits(1.0, 0.1)
    assert not limit.admits(2.0, 0.1)
    assert limit.admits(3.1, 1.0)
    assert not limit.admits(3.2, 1.0)
    assert limit.admits(3.21, 0.0)


def test_bursts_and_pauses_are_no_credit() -> None:
    """After a pause one image is taken, not one for each interval of the pause."""
    times = np.array([0.0, 0.01, 0.02, 5.0, 5.01, 5.02, 5.1])
    np.testing.assert_array_equal(taken(times, 10.0), [0.0, 5.0, 5.1])
