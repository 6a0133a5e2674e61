# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""How many threads work on a frame, one rule for runtimes that each have their own, and ours."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

Result = TypeVar('Result')


def thread_count() -> int:
    """Return OMP_NUM_THREADS where it is set, as torch does, else the cores of this process."""
    wanted = os.environ.get('OMP_NUM_THREADS', '')
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def side_by_side(work: Callable[[int, int], Result]) -> list[Result]:
    """Call work(worker, workers) once for every thread at the same time; return the results.

    Args:
        work: Must let go of Python's lock, or nothing is gained.

    Raises:
        Exception: That of the first worker that raised one, after all have ended.
    """
    workers = thread_count()
    if workers == 1:
        return [work(0, 1)]
    others = [_pool().submit(work, worker, workers) for worker in range(1, workers)]
    try:
        first = work(0, workers)
    finally:
        for other in others:
            other.exception()  # waits; the memory that they write to is the caller's
    return [first, *(other.result() for other in others)]


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix='decision')


if hasattr(os, 'register_at_fork'):
    # A fork has the pool's queue but none of its threads.
    os.register_at_fork(after_in_child=_pool.cache_clear)
