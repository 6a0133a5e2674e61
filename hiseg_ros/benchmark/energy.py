# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Energy counters of processors and GPUs, where the machine lets them be read."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

PROCESSOR = Path('/sys/class/powercap')


class EnergyMeter:
    """Reads how many joules a device has used; the whole device, whoever used it."""

    def __init__(self, device: str, folder: Path = PROCESSOR) -> None:
        """Look for a counter of 'cpu' or 'cuda:N'."""
        self._start = 0.0
        self._folder = folder
        self._gpu: tuple[Any, Any] | None = None
        if device.startswith('cuda'):
            self._gpu = _open_gpu(int(device.partition(':')[2] or 0))
        self.is_available = self._joules(device) is not None
        self._device = device

    def start(self) -> None:
        """Begin to count."""
        self._start = self._joules(self._device) or 0.0

    def joules(self) -> float | None:
        """Return the energy since the start; None without a counter, or when it began anew."""
        now = self._joules(self._device)
        return None if now is None or now < self._start else now - self._start

    def _joules(self, device: str) -> float | None:
        if self._gpu is not None:
            module, handle = self._gpu
            return float(module.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3
        if device != 'cpu':
            return None
        total = 0.0
        # Packages are intel-rapl:N; intel-rapl:N:M are parts of them.
        domains = [path for path in self._folder.glob('intel-rapl:*') if path.name.count(':') == 1]
        try:
            for domain in domains:
                total += int((domain / 'energy_uj').read_text()) / 1e6
        except (OSError, ValueError):
            return None
        return total if domains else None


def _open_gpu(index: int) -> tuple[Any, Any] | None:
    """Return NVIDIA's management library and a GPU's handle, or None without them."""
    try:
        pynvml = importlib.import_module('pynvml')
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except Exception:  # the library has an error class for each of many reasons: all mean no
        return None
    return pynvml, handle
