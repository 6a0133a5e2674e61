# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Devices of torch: finding them by name, and copying results to the host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray

from hiseg_ros.errors import DeviceError


def find_device(name: str) -> torch.device:
    """Return the device with a name: 'auto', 'cpu', 'cuda' or 'cuda:N'.

    Raises:
        DeviceError: The name is unknown or the machine has no such device.
    """
    if name == 'auto':
        return torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')
    if name == 'cpu':
        return torch.device('cpu')
    found = [f'cuda:{index}' for index in range(torch.cuda.device_count())]
    wanted = 'cuda:0' if name == 'cuda' else name
    if wanted not in found:
        raise DeviceError(
            f'Device {name!r} does not exist here; expected one of {["auto", "cpu", *found]}.'
        )
    return torch.device(wanted)


def on_host(tensors: Sequence[torch.Tensor]) -> list[NDArray[Any]]:
    """Copy tensors of one device to the host in a single copy.

    Args:
        tensors: Of any shapes, and of dtypes that numpy supports.

    Returns:
        An array for each tensor. They share one block of new memory; from a GPU it is pinned, and
        torch reuses it once the last of the arrays is deleted.
    """
    if not tensors:
        return []
    # Largest elements first, so that every array is aligned.
    order = sorted(range(len(tensors)), key=lambda place: -tensors[place].element_size())
    pieces = [tensors[place].contiguous().view(-1).view(torch.uint8) for place in order]
    together = torch.cat(pieces)
    device = together.device
    host = torch.empty(together.shape, dtype=torch.uint8, pin_memory=device.type == 'cuda')
    host.copy_(together, non_blocking=True)
    if device.type == 'cuda':
        torch.cuda.current_stream(device).synchronize()
    arrays: dict[int, NDArray[Any]] = {}
    parts = torch.split(host, [len(piece) for piece in pieces])
    for place, piece in zip(order, parts, strict=True):
        tensor = tensors[place]
        arrays[place] = piece.view(tensor.dtype).view(tensor.shape).numpy()
    return [arrays[place] for place in range(len(tensors))]
