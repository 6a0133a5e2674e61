# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""glibc's allocator: freed memory is kept for what comes next, or goes back to the system."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -2, -3, -4
"""glibc's malloc.h."""

FRAMES: Mapping[int, int] = {M_MMAP_THRESHOLD: 32 * 2**20, M_TRIM_THRESHOLD: 512 * 2**20}
"""Images and messages of a frame lie where those of the frame before lay. glibc takes at most
32 MiB; what is larger is rare."""

TRAINING: Mapping[int, int] = {
    M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 256 * 2**20,
}  # fmt: skip
"""Tensors of any size lie where those of the step before lay."""

TRIM_PERIOD_S = 30.0
"""Between two times that a node gives memory back; fetching it again costs page faults."""


def keep_freed_memory(settings: Mapping[int, int]) -> bool:
    """Let freed memory stay with this process, and return whether this worked.

    By default each large array is fetched from the kernel and given back, and every page of it is
    cleared again at its first use: half of the time of a training step went there, and a fifth of
    the time in which the messages of a frame are built and published.

    Args:
        settings: `FRAMES` or `TRAINING`.
    """
    mallopt = _function('mallopt')
    return mallopt is not None and all([mallopt(name, value) for name, value in settings.items()])


def give_back() -> bool:
    """Give free pages back; return whether the C library can.

    Frames are megabytes in several sizes, allocated and freed in several threads, weights and
    readers come and go: in glibc's heaps they leave holes that nothing fits into any more. In a
    run of half an hour with three cameras and a fault every half minute the node grew by 137 MiB
    without a leak.
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
    except (OSError, AttributeError):  # another C library, such as musl: slower, and right
        return None
    return function
