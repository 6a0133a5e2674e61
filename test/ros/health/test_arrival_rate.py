# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The rate of a camera: what arrives and what was lost on its way."""

from __future__ import annotations

import pytest

from hiseg_ros.ros.health.arrival_rate import ArrivalRate


class Camera:
    """A camera with a clock of its own."""

    def __init__(self) -> None:
        self.time_s = 50.0
        self.rate = ArrivalRate(lambda: self.time_s)

    def send(self, count: int, period_s: float, missing: int = 0) -> None:
        for _ in range(count):
            self.time_s += period_s * (1 + missing)
            if missing:
                self.rate.missed(missing)
            self.rate.arrived()


@pytest.mark.parametrize('hz', [0.2, 1.0, 15.0, 60.0])
@pytest.mark.parametrize('missing', [0, 2])
def test_lost_images_count(hz: float, missing: int) -> None:
    camera = Camera()
    assert camera.rate.hz == 0.0
    camera.send(1, 1 / hz)
    assert camera.rate.hz == 0.0
    camera.send(40, 1 / hz, missing)
    assert camera.rate.hz == pytest.approx(hz)


def test_a_camera_that_is_silent_sends_nothing() -> None:
    camera = Camera()
    camera.send(20, 0.1)
    camera.time_s += 0.9
    assert camera.rate.hz == pytest.approx(10.0)
    camera.time_s += 0.2
    assert camera.rate.hz == 0.0


def test_another_rate_is_found_within_the_window() -> None:
    camera = Camera()
    camera.send(40, 0.1)
    camera.send(35, 1 / 30)
    assert camera.rate.hz == pytest.approx(30.0)


def test_forgetting_starts_anew() -> None:
    camera = Camera()
    camera.send(20, 0.1)
    camera.rate.forget()
    assert camera.rate.hz == 0.0


@pytest.mark.parametrize('seconds', [0.0, 0.003])
def test_images_that_arrive_at_once_after_a_pause_are_no_rate(seconds: float) -> None:
    """Two within milliseconds would be hundreds per second."""
    camera = Camera()
    camera.send(40, 1 / 15)
    camera.send(1, 6.0)
    found = []
    for period_s in (seconds, *4 * (1 / 15,)):
        camera.send(1, period_s)
        found.append(camera.rate.hz)
    assert found[0] == 0.0
    assert max(found) < 21.0
    assert found[-1] == pytest.approx(15.0, rel=0.3)


def test_a_fast_camera_has_a_rate_as_soon_as_the_window_is_full() -> None:
    camera = Camera()
    camera.send(30, 1 / 400)
    assert camera.rate.hz == 0.0
    camera.send(1, 1 / 400)
    assert camera.rate.hz == pytest.approx(400.0)
