# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Shared memory of Fast DDS: this process's segment, free memory, leftovers of dead processes."""

from __future__ import annotations

import fcntl
import os
import re
import time
from functools import lru_cache
from pathlib import Path

from hiseg_ros.ros.harness.child_process import SHARED_MEMORY

FOLDER = SHARED_MEMORY

_SEGMENT = re.compile(r'(?:fastrtps|fastdds)_[0-9a-f]{16}')
_LOCK = '_el'
"""Ending of the file that a process keeps locked as long as it has a segment."""

YOUNG_S = 10.0
"""Seconds: a process creates its lock file and locks it a moment later, so young ones stay."""


@lru_cache(maxsize=1)
def own_segment_bytes() -> int | None:
    """Return the size of this process's largest segment; 0 without one, None where unknown.

    It is looked up once: Fast DDS creates it with the first node and keeps it.
    """
    try:
        maps = Path('/proc/self/maps').read_text()
    except OSError:
        return None
    sizes = [0]
    for line in maps.splitlines():
        path = Path(line.split(maxsplit=5)[-1])
        if path.parent == FOLDER and _SEGMENT.fullmatch(path.name):
            try:
                sizes.append(path.stat().st_size)
            except OSError:
                continue  # removed by name; who maps it keeps it
    return max(sizes)


def free_bytes() -> int | None:
    """Return how much shared memory is left on this machine; None where unknown."""
    try:
        found = os.statvfs(FOLDER)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def remove_dead_segments() -> list[str]:
    """Remove the segments of this user's processes that were killed; return their names.

    A segment of 64 MB is reserved in full: in a container with little shared memory a single
    leftover is enough for the next process to get none. `fastdds shm clean` does the same.
    """
    removed = []
    for lock in sorted(FOLDER.glob(f'fast*{_LOCK}')):
        segment = lock.with_name(lock.name.removesuffix(_LOCK))
        if not _SEGMENT.fullmatch(segment.name) or not _is_dead(lock):
            continue
        try:
            segment.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
        except OSError:
            continue  # of another user
        removed.append(segment.name)
    return removed


def _is_dead(lock: Path) -> bool:
    try:
        found = lock.stat()
        if found.st_uid != os.getuid() or time.time() - found.st_mtime < YOUNG_S:
            return False
        with lock.open('rb') as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False  # locked by a living process, or gone by now
    return True
