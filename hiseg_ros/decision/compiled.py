# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Shared parts of the compiled loops on the CPU: decorator, array types, margin for rounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

# numba compiles these numbers into every kernel that reads them, and its cache on disk follows
# the file of the kernel alone: after a change here remove decision/__pycache__.

MARGIN = 2.0**-19
"""Relative; each of two interpolated values is off by at most 4 roundings of 2**-24."""

FLOOR = 1e-30
"""Below it floats come close to losing digits, and a relative margin says nothing."""

BELOW = np.float32(1 - MARGIN)
ABOVE = np.float32(1 + MARGIN)
TINY = np.float32(FLOOR)
ZERO = np.float32(0)

Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
Kernel = TypeVar('Kernel', bound=Callable[..., Any])


def compiled(kernel: Kernel) -> Kernel:
    """Return the kernel compiled at its first call; the machine code is kept on disk if possible.

    Kernels release the GIL and run side by side in Python's threads. numba has threads of its
    own, but a process that has used them cannot fork: a loader of training images would die in
    its child processes.
    """
    return _compiled(kernel)


def compiled_with_fma(kernel: Kernel) -> Kernel:
    """Return the kernel compiled as by `compiled`, with products and sums rounded together.

    Where the CPU can do that it is twice as fast, and rounds once in place of twice. Nothing else
    is reordered, so results are still the same in each lane of a vector.
    """
    return _compiled(kernel, fastmath={'contract'})


def _compiled(kernel: Kernel, **options: Any) -> Kernel:
    try:
        return cast(Kernel, numba.njit(cache=True, nogil=True, **options)(kernel))
    except RuntimeError:  # neither the package's folder nor a home folder can be written to
        return cast(Kernel, numba.njit(nogil=True, **options)(kernel))
