# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The cache of what is prepared per input shape."""

from __future__ import annotations

import pytest

from hiseg_ros.inference.backends.last_used import LastUsed


def test_what_was_not_used_longest_is_dropped_before_the_next_is_made() -> None:
    kept: LastUsed[str] = LastUsed(2)
    sizes: list[int] = []

    def prepare(name: str) -> str:
        sizes.append(len(kept))
        return name

    for side in (1, 2, 1, 3):
        assert kept.get((side, 4), lambda side=side: prepare(f'made for {side}'))
    assert sizes == [0, 1, 1], 'memory of the old one is free when the new one is made'
    assert (1, 4) in kept and (3, 4) in kept and (2, 4) not in kept
    assert kept.get((3, 4), lambda: pytest.fail('made twice')) == 'made for 3'
    kept.clear()
    assert len(kept) == 0


def test_what_could_not_be_made_is_not_kept() -> None:
    kept: LastUsed[str] = LastUsed(2)
    with pytest.raises(ZeroDivisionError):
        kept.get((1,), lambda: str(1 // 0))
    assert (1,) not in kept
    assert kept.get((1,), lambda: 'made') == 'made'
