# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What a run computes in on the device at hand."""

from __future__ import annotations

from typing import Literal

import torch

from hiseg_ros.inference.processor import processor_flags

FLAGS = frozenset({'avx512_bf16', 'amx_bf16'})
"""Flags of CPUs that multiply in bfloat16. Others imitate it: a training step of the comparison of
networks then took 15 s instead of 1 (AVX2, one thread; one run each, with a copy of the
experiment in each precision)."""


def has_bfloat16(accelerator: str) -> bool:
    """Return whether the device computes in bfloat16.

    Args:
        accelerator: Lightning's name of the kind of device: 'cpu', or others for a GPU if there
            is one.
    """
    if accelerator != 'cpu' and torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(FLAGS & processor_flags())


def chosen_precision(precision: str, accelerator: str) -> Literal['32-true', 'bf16-mixed']:
    """Return Lightning's name of what to compute in; 'auto' is bfloat16 where the device has it.

    Args:
        precision: 'auto', '32-true' or 'bf16-mixed'.
        accelerator: Lightning's name of the kind of device.
    """
    if precision == 'auto':
        return 'bf16-mixed' if has_bfloat16(accelerator) else '32-true'
    return 'bf16-mixed' if precision == 'bf16-mixed' else '32-true'


def precision_advice(precision: str, accelerator: str) -> str:
    """Return a sentence for a user whose choice is slow on this device, else ''.

    Args:
        precision: 'auto', '32-true' or 'bf16-mixed'.
        accelerator: Lightning's name of the kind of device.
    """
    if precision == 'bf16-mixed' and not has_bfloat16(accelerator):
        return (
            'Precision bf16-mixed is only imitated on this device, which takes many times as '
            'long: stop, set precision to auto or 32-true, and start again.'
        )
    return ''
