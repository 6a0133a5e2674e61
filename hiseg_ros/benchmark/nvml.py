# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Energy and memory of a GPU from NVIDIA's management library (NVML)."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from ctypes import CDLL, byref, c_int, create_string_buffer
from typing import Any, TypeVar
from uuid import UUID

Value = TypeVar('Value')


class Gpu:
    """One GPU; values that cannot be read are None."""

    def __init__(self, device: str) -> None:
        """Open the GPU of a CUDA device.

        Args:
            device: 'cuda' or 'cuda:N'; for another device all values are None.
        """
        self._nvml: Any = None
        self._handle: Any = None
        self.reason = f'{device} is not a CUDA device'
        """Why no value can be read; '' if values can be read."""
        if not device.startswith('cuda'):
            return
        try:
            self._nvml = importlib.import_module('pynvml')
        except ModuleNotFoundError:
            self.reason = 'no module pynvml: pip install nvidia-ml-py'
            return
        # NVML numbers all GPUs by PCI bus, CUDA those in CUDA_VISIBLE_DEVICES.
        uuid = device_uuid(int(device.partition(':')[2] or 0))
        if uuid is None:
            self.reason = f'the driver knows no device {device}'
            return
        try:
            self._nvml.nvmlInit()
            self._handle = self._nvml.nvmlDeviceGetHandleByUUID(uuid)
        except Exception as problem:  # the library has many classes of errors
            self.reason = f'NVML: {problem}'
            return
        self.reason = ''

    def joules(self) -> float | None:
        """Return the energy used since the driver was loaded, in joules."""
        return self._read(
            lambda: float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3
        )

    def used_mib(self) -> int | None:
        """Return the memory in use by all processes, in MiB."""
        return self._read(
            lambda: round(self._nvml.nvmlDeviceGetMemoryInfo(self._handle).used / 2**20)
        )

    def process_mib(self) -> int | None:
        """Return the memory in use by this process, in MiB.

        None also where NVML knows the process by another id, as in most containers.
        """
        return self._read(
            lambda: next(
                round(process.usedGpuMemory / 2**20)
                for process in self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle)
                if process.pid == os.getpid() and process.usedGpuMemory is not None
            )
        )

    def _read(self, reading: Callable[[], Value]) -> Value | None:
        if self._handle is None:
            return None
        try:
            return reading()
        except Exception:  # as above; a missing value must not end a measurement
            return None


def device_uuid(index: int) -> str | None:
    """Return NVML's UUID of a CUDA device of this process, None without such a device.

    From the driver: torch may not be installed, and uses memory that is to be measured.
    """
    device, found = c_int(), create_string_buffer(16)
    try:
        driver = CDLL('libcuda.so.1')
        answers = (
            driver.cuInit(0),
            driver.cuDeviceGet(byref(device), index),
            driver.cuDeviceGetUuid(found, device),
        )
    except (OSError, AttributeError):
        return None
    return None if any(answers) else f'GPU-{UUID(bytes=found.raw)}'
