# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Copying several tensors from a device to the host at once."""

from __future__ import annotations

import numpy as np
import torch

from hiseg_ros.inference.torch_device import on_host


def test_tensors_of_all_kinds_come_back_in_their_order() -> None:
    """Odd byte counts before wide elements, strides, and nothing at all."""
    generator = torch.Generator().manual_seed(0)
    tensors = [
        torch.randint(0, 256, (3, 5), dtype=torch.uint8, generator=generator),
        torch.rand((2, 3, 5), generator=generator).permute(2, 0, 1),
        torch.zeros((0, 4), dtype=torch.uint8),
        torch.rand((7,), dtype=torch.float64, generator=generator),
        torch.randint(0, 9, (1, 1), dtype=torch.int16, generator=generator),
    ]
    arrays = on_host(tensors)
    for tensor, array in zip(tensors, arrays, strict=True):
        assert array.dtype == tensor.numpy().dtype
        np.testing.assert_array_equal(array, tensor.numpy())
        assert array.flags.aligned
    assert on_host([]) == []


def test_what_came_back_stays_when_the_tensor_changes() -> None:
    """A CUDA graph writes its next result over this one."""
    tensor = torch.ones((4, 4))
    (array,) = on_host([tensor])
    tensor.zero_()
    assert (array == 1).all()
