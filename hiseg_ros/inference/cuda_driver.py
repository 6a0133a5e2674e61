# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Whether NVIDIA's CUDA driver works on this machine."""

from __future__ import annotations

from ctypes import CDLL


def has_cuda_driver() -> bool:
    """Return whether the CUDA driver can be initialised; asking torch takes seconds and 200 MB."""
    try:
        return bool(CDLL('libcuda.so.1').cuInit(0) == 0)
    except OSError:
        return False
