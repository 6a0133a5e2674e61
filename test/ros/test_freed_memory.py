# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What the process has freed goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from hiseg_ros.ros import freed_memory

PROGRAM = """
import os
import numpy as np
from hiseg_ros.ros.freed_memory import give_back

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


def test_another_c_library_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to call then."""
    monkeypatch.setattr(freed_memory, '_trim', lambda: None)
    assert not freed_memory.give_back()
