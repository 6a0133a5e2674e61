# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Name and instructions of the CPU, as the operating system reports them."""

from __future__ import annotations

import platform
from pathlib import Path

CPUINFO = Path('/proc/cpuinfo')

INT8_FLAG = 'avx2'
"""Flag of a CPU that multiplies bytes faster than floats: 1.5 times as fast with AVX2 alone, more
with VNNI or AMX, which come with it."""


def processor_name() -> str:
    """Return the CPU's name, such as 'AMD EPYC'."""
    return _field('model name') or platform.processor() or platform.machine()


def processor_flags() -> frozenset[str]:
    """Return the CPU's flags as the kernel names them, such as 'avx2'; none if unknown."""
    return frozenset(_field('flags').split())


def has_int8() -> bool:
    """Return whether this CPU multiplies bytes faster than floats."""
    return INT8_FLAG in processor_flags()


def _field(name: str) -> str:
    """Return the first value of a field of /proc/cpuinfo with single spaces, '' without one."""
    try:
        lines = CPUINFO.read_text('utf-8', 'replace').splitlines()
    except OSError:
        return ''
    found = (line.partition(':')[2] for line in lines if line.partition(':')[0].strip() == name)
    return ' '.join(next(found, '').split())
