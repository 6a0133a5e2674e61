# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Energy counters of CPUs and GPUs, where the machine gives access to them."""

from __future__ import annotations

from pathlib import Path

from hiseg_ros.benchmark.nvml import Gpu

PROCESSOR = Path('/sys/class/powercap')


class EnergyMeter:
    """Reads the energy in joules that a whole device has used, by all processes."""

    def __init__(self, device: str, folder: Path = PROCESSOR) -> None:
        """Look for the counter of a device, 'cpu' or 'cuda:N'."""
        self._folder = folder
        self._gpu = None if device == 'cpu' else Gpu(device)
        self._start = self._joules()
        self.is_available = self._start is not None

    def start(self) -> None:
        """Start counting."""
        self._start = self._joules()

    def joules(self) -> float | None:
        """Return the energy since the start; None without a counter, or if it was reset."""
        now = self._joules()
        if now is None or self._start is None or now < self._start:
            return None
        return now - self._start

    def _joules(self) -> float | None:
        if self._gpu is not None:
            return self._gpu.joules()
        total = 0.0
        # Packages are intel-rapl:N; intel-rapl:N:M are parts of them.
        domains = [path for path in self._folder.glob('intel-rapl:*') if path.name.count(':') == 1]
        try:
            for domain in domains:
                total += int((domain / 'energy_uj').read_text()) / 1e6
        except (OSError, ValueError):
            return None
        return total if domains else None
