# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Number of threads per frame, parallel calls on them, and how long idle threads spin."""

from __future__ import annotations

import os
from collections.abc import Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

Result = TypeVar('Result')

SPIN_COUNT = '1000'
"""Turns of a waiting OpenMP thread before it sleeps; the default lasts for milliseconds."""


def thread_count() -> int:
    """Return OMP_NUM_THREADS if it is set, as torch does, else the cores of this process."""
    wanted = os.environ.get('OMP_NUM_THREADS', '')
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def limit_spinning(environment: MutableMapping[str, str]) -> None:
    """Let the OpenMP threads of a process sleep soon when they wait; a value that is set stays.

    torch's threads spin while they wait for each other. On a busy machine with few cores that
    starves everything else, player, recorder and the network itself: beside a training, a frame
    of 360x480 took 14 s, and 1 s with this. On an idle machine it costs nothing.

    Args:
        environment: Of a process that will be started, or `os.environ` before torch is imported,
            since the library reads the variable once, when it is loaded.
    """
    environment.setdefault('GOMP_SPINCOUNT', SPIN_COUNT)


def run_in_parallel(work: Callable[[int, int], Result]) -> list[Result]:
    """Call work(worker, workers) once per thread, all at the same time; return the results.

    numba has parallel loops of its own, but a process that has used them cannot fork.

    Args:
        work: Called with the worker's number from 0 and the number of workers, once in the
            calling thread and else in threads of a pool. It has to release the GIL to gain time.

    Returns:
        One result per worker, in the order of their numbers.

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
            other.exception()  # waits: the workers write to memory of the caller
    return [first, *(other.result() for other in others)]


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix='decision')


if hasattr(os, 'register_at_fork'):
    # A forked process has the pool's queue but none of its threads.
    os.register_at_fork(after_in_child=_pool.cache_clear)
