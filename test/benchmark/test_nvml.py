# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Energy and memory of a GPU, with fakes of NVML and of the CUDA driver."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from hiseg_ros.benchmark import nvml
from hiseg_ros.benchmark.energy import EnergyMeter
from hiseg_ros.benchmark.nvml import Gpu, device_uuid

UUID = 'GPU-00010203-0405-0607-0809-0a0b0c0d0e0f'


class Library:
    """A pynvml with one GPU."""

    def __init__(self) -> None:
        """Nothing was used yet."""
        self.millijoules: list[int] = []
        self.processes: list[Any] = []

    def nvmlInit(self) -> None:  # noqa: N802
        """Do nothing."""

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        """Return the GPU asked for."""
        if uuid != UUID:
            raise RuntimeError('Not Found')
        return uuid

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:  # noqa: N802
        """Return the next count; without one the GPU is lost."""
        if not self.millijoules:
            raise RuntimeError('GPU is lost')
        return self.millijoules.pop(0)

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> Any:  # noqa: N802
        """Return what is in use."""
        return SimpleNamespace(used=3 * 2**30)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: str) -> list[Any]:  # noqa: N802
        """Return the processes."""
        return self.processes


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    """Put the library in pynvml's place, and its GPU in that of CUDA's second."""
    found = Library()
    monkeypatch.setitem(sys.modules, 'pynvml', found)
    monkeypatch.setattr(nvml, 'device_uuid', lambda index: UUID if index == 1 else None)
    return found


def test_energy_is_that_of_cudas_device(library: Library) -> None:
    """Found by its name, not by its number, which NVML counts otherwise."""
    library.millijoules = [1000, 2000, 4500]
    meter = EnergyMeter('cuda:1')
    assert meter.is_available
    meter.start()
    assert meter.joules() == pytest.approx(2.5)


def test_a_gpu_that_fails_in_the_middle_has_no_energy(library: Library) -> None:
    """The run goes on without the figure, also when it fails before or after the start."""
    library.millijoules = [1000, 2000]
    meter = EnergyMeter('cuda:1')
    meter.start()
    assert meter.joules() is None
    library.millijoules = [1000]
    meter = EnergyMeter('cuda:1')
    meter.start()
    library.millijoules = [5000]
    assert meter.joules() is None


def test_memory_is_that_of_the_process_where_it_is_known(library: Library) -> None:
    """Another process's is not taken for it."""
    gpu = Gpu('cuda:1')
    library.processes = [SimpleNamespace(pid=-1, usedGpuMemory=2**30)]
    assert (gpu.process_mib(), gpu.used_mib(), gpu.reason) == (None, 3072, '')
    library.processes.append(SimpleNamespace(pid=os.getpid(), usedGpuMemory=2**29))
    assert gpu.process_mib() == 512
    library.processes[-1].usedGpuMemory = None
    assert gpu.process_mib() is None


@pytest.mark.parametrize(
    ('device', 'reason'), [('cpu', 'not a CUDA device'), ('cuda', 'the driver knows no device')]
)
def test_a_device_that_is_not_there_says_so(library: Library, device: str, reason: str) -> None:
    """And gives nothing."""
    gpu = Gpu(device)
    assert reason in gpu.reason
    assert gpu.joules() is gpu.used_mib() is gpu.process_mib() is None


def test_without_the_library_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no requirement of a robot."""
    monkeypatch.setitem(sys.modules, 'pynvml', None)
    assert Gpu('cuda').reason == 'no module pynvml: pip install nvidia-ml-py'


def test_the_driver_names_its_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen bytes become NVML's name; a driver that refuses names none."""

    def uuid_of(target: Any, device: Any) -> int:
        target.raw = bytes(range(16))
        return 0

    driver = SimpleNamespace(
        cuInit=lambda flags: 0,
        cuDeviceGet=lambda device, index: 0 if index == 1 else 101,
        cuDeviceGetUuid=uuid_of,
    )
    monkeypatch.setattr(nvml, 'CDLL', lambda name: driver)
    assert device_uuid(1) == UUID
    assert device_uuid(7) is None
