# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The names of torch's devices."""

from __future__ import annotations

import torch

from hiseg_ros.errors import DeviceError


def find_device(name: str) -> torch.device:
    """Return the device of a name.

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
