# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What the process has freed goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Mapping

import pytest

from hiseg_ros import allocator

PROGRAM = """
import os
import numpy as np
from hiseg_ros.allocator import give_back

def resident():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')

kept = []
for _ in range(400):  # small enough for the heap; what is kept pins the holes between
    kept += [np.ones(100_000, np.uint8), np.ones(100_000, np.uint8)]
del kept[::2]
before = resident()
assert give_back()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='another C library than glibc')
def test_holes_between_what_is_kept_are_given_back() -> None:
    """In a process of its own: another's allocations would count."""
    result = subprocess.run(
        [sys.executable, '-c', PROGRAM], capture_output=True, text=True, check=True, timeout=120
    )
    assert int(result.stdout) > 25e6


FRAME_AFTER_FRAME = """
import resource
import numpy as np
from hiseg_ros.allocator import FRAMES, keep_freed_memory

assert keep_freed_memory(FRAMES)
for size in (6_000_000, 2_000_000, 25_000_000):
    def frame():
        for _ in range(3):
            np.ones(size, np.uint8)
    frame()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        frame()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='another C library than glibc')
def test_what_a_frame_frees_the_next_one_takes() -> None:
    """Without a page fault, of which an image of 6 MB alone has 1,500."""
    result = subprocess.run(
        [sys.executable, '-c', FRAME_AFTER_FRAME],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert all(int(faults) < 100 for faults in result.stdout.split())


@pytest.mark.parametrize('settings', [allocator.FRAMES, allocator.TRAINING])
def test_another_c_library_does_no_harm(
    settings: Mapping[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing to call then."""
    monkeypatch.setattr(allocator, '_function', lambda name: None)
    assert not allocator.give_back()
    assert not allocator.keep_freed_memory(settings)
