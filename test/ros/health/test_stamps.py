# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Stamps of a camera: zero, repeated, overtaken, ahead of the clock, started over."""

from __future__ import annotations

import pytest

from hiseg_ros.ros.health.stamps import StampWatch

MS = 1_000_000
S = 1000 * MS
NOW = 1_700_000_000 * S


@pytest.mark.parametrize(
    ('before', 'stamp', 'found'),
    [
        ([], NOW, ''),
        ([NOW - S], NOW - S // 30, ''),
        ([], 0, 'zero'),
        ([NOW - S], 0, 'zero'),
        ([0], NOW, ''),
        ([NOW - S], NOW - S, 'repeated'),
        ([NOW - S], NOW - S - 33 * MS, 'overtaken'),
        ([NOW - S, NOW - S - 33 * MS], NOW - S - 1 * MS, 'overtaken'),
        ([NOW - S], NOW - 3 * S, 'restarted'),
        ([NOW - S, NOW - 3 * S], NOW - 2 * S, ''),
        ([], NOW + 50 * MS, ''),
        ([], NOW + 5 * S, 'future'),
        ([NOW + 5 * S], NOW, 'restarted'),
    ],
)
def test_what_is_unusual_about_a_stamp_is_said_and_counted(
    before: list[int], stamp: int, found: str
) -> None:
    watch = StampWatch()
    for earlier in before:
        watch.see(earlier, NOW)
    counted = watch.counts.get(found, 0)
    assert watch.see(stamp, NOW) == found
    assert watch.counts.get(found, 0) == counted + bool(found)


def test_after_the_clock_jumped_earlier_stamps_do_not_count() -> None:
    watch = StampWatch()
    watch.see(NOW, NOW)
    watch.forget()
    assert watch.see(NOW - 5 * MS, NOW) == ''
