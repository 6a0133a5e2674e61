# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Whether this machine has a GPU that CUDA reaches."""

from __future__ import annotations

from ctypes import CDLL


def has_cuda_driver() -> bool:
    """Return whether NVIDIA's driver is here; asking torch would take seconds and 200 MB."""
    try:
        return bool(CDLL('libcuda.so.1').cuInit(0) == 0)
    except OSError:
        return False
