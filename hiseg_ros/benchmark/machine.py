# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Description of the machine on which a measurement ran."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hiseg_ros import __version__
from hiseg_ros.inference.processor import processor_flags, processor_name
from hiseg_ros.threads import thread_count

PACKAGES = (
    'torch',
    'triton',
    'onnxruntime',
    'onnxruntime-gpu',
    'tensorrt',
    'openvino',
    'numba',
    'numpy',
    'opencv-python-headless',
    'ros-jazzy-rclpy',
)
NUMBER_FORMATS = (
    'avx2',
    'avx_vnni',
    'avx512f',
    'avx512_bf16',
    'avx512_vnni',
    'amx_bf16',
    'amx_int8',
)
"""Flags of a CPU that matter for the speed of networks."""


def describe_machine() -> dict[str, object]:
    """Return CPU, memory, GPUs and versions of packages, without names or paths of the machine."""
    return {
        'hiseg_ros': __version__,
        'processor': processor_name(),
        'formats': [name for name in NUMBER_FORMATS if name in processor_flags()],
        'cores': os.cpu_count(),
        'threads': thread_count(),
        'memory_gib': round(_memory_bytes() / 2**30, 1),
        'gpus': _gpus(),
        'system': f'{platform.system()} {platform.machine()}',
        'python': platform.python_version(),
        'packages': {name: found for name in PACKAGES if (found := _version(name))},
        'load': round(os.getloadavg()[0], 2),
    }


def peak_mib(process_id: int | str = 'self') -> int:
    """Return the peak resident memory of a process in MiB; 0 if unknown.

    getrusage would include the memory of the parent process before it started this one.
    """
    for line in Path(f'/proc/{process_id}/status').read_text().splitlines():
        if line.startswith('VmHWM:'):
            return round(int(line.split()[1]) / 1024)
    return 0


def _memory_bytes() -> int:
    return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')


def _gpus() -> list[str]:
    ask = ['nvidia-smi', '--query-gpu=name,memory.total,driver_version', '--format=csv,noheader']
    try:
        answer = subprocess.run(ask, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return answer.stdout.strip().splitlines()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ''
