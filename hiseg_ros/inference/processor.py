# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Name and instructions of the CPU, as the operating system reports them."""

from __future__ import annotations

import platform
from pathlib import Path

CPUINFO = Path('/proc/cpuinfo')


BFLOAT16_FLAG = 'amx_bf16'
"""Flag of a CPU with products of matrices in bfloat16. Those with vectors of bfloat16 alone
(avx512_bf16) took 1.3 to 1.4 times as long as in float32, for both shipped networks."""


def processor_name() -> str:
    """Return the CPU's name, such as 'AMD EPYC'."""
    return _field('model name') or platform.processor() or platform.machine()


def processor_flags() -> frozenset[str]:
    """Return the CPU's flags as the kernel names them, such as 'avx2'; none if unknown."""
    return frozenset(_field('flags').split())


def has_fast_bfloat16() -> bool:
    """Return whether this CPU is faster in bfloat16 than in float32."""
    return BFLOAT16_FLAG in processor_flags()


def _field(name: str) -> str:
    """Return the first value of a field of /proc/cpuinfo with single spaces, '' without one."""
    try:
        lines = CPUINFO.read_text('utf-8', 'replace').splitlines()
    except OSError:
        return ''
    found = (line.partition(':')[2] for line in lines if line.partition(':')[0].strip() == name)
    return ' '.join(next(found, '').split())
