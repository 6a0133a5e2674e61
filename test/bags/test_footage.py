# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Drives are drawn once, kept whole, and drawn anew when the drawing changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hiseg_ros.bags.footage import Frame, cached_bag, write_camera_bag
from hiseg_ros.errors import BagError


def write(path: Path) -> None:
    write_camera_bag(path, [Frame(np.zeros((8, 8, 3), np.uint8))], 15.0)


def test_the_same_images_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ('one', 'two'):
        write(tmp_path / name / 'bag')
    first, second = ((tmp_path / n / 'bag' / 'bag.mcap').read_bytes() for n in ('one', 'two'))
    assert first == second


def test_a_cached_bag_is_written_once(tmp_path: Path) -> None:
    calls = []

    def count(path: Path) -> None:
        calls.append(path)
        write(path)

    first = cached_bag(tmp_path / 'cache', 'drive-1', count)
    assert cached_bag(tmp_path / 'cache', 'drive-1', count) == first
    assert len(calls) == 1
    assert cached_bag(tmp_path / 'cache', 'drive-2', count) != first
    assert len(calls) == 2


def test_a_drawing_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def break_off(path: Path) -> None:
        write(path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_bag(tmp_path / 'cache', 'drive-1', break_off)
    assert list((tmp_path / 'cache').iterdir()) == []
    assert (cached_bag(tmp_path / 'cache', 'drive-1', write) / 'metadata.yaml').is_file()


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / 'cache').write_text('a file, not a folder')
    with pytest.raises(BagError, match='XDG_CACHE_HOME'):
        cached_bag(tmp_path / 'cache', 'drive-1', write)


def test_a_bag_is_not_overwritten(tmp_path: Path) -> None:
    write(tmp_path / 'bag')
    with pytest.raises(BagError, match='exists already'):
        write(tmp_path / 'bag')
