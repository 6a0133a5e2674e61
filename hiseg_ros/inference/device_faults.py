# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Translation of device failures in torch, ONNX Runtime and OpenVINO into DeviceError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hiseg_ros.errors import DeviceError, DeviceMemoryError, HisegError, reason_of

_OUT_OF_MEMORY = (
    'out of memory',
    "can't allocate memory",  # torch on the CPU
    'failed to allocate',  # ONNX Runtime, OpenVINO
    'bad allocation',
    'bad_alloc',
    'alloc_failed',  # cuBLAS and cuDNN
    'exceeded max size of memory object allocation',  # OpenVINO on a GPU
)
_LOST = (
    'cuda error',
    'cuda failure',
    'cudnn error',
    'cublas error',
    'cudnn_status_',
    'cublas_status_',
    'device lost',
    'cl_device_not_available',
)


@contextmanager
def device_faults(device: str) -> Iterator[None]:
    """Translate errors of the device that are raised inside; others pass unchanged.

    The errors of the runtimes have no common base class, and some are a plain RuntimeError with a
    text, so they are recognised by their text.

    Args:
        device: Name of the device, for the message.

    Raises:
        DeviceMemoryError: The device has too little memory.
        DeviceError: The device failed in another way.
    """
    try:
        yield
    except HisegError:
        raise
    except Exception as problem:
        text = str(problem)
        reason = reason_of(problem)
        if isinstance(problem, MemoryError) or _says(problem, text, _OUT_OF_MEMORY):
            raise DeviceMemoryError(
                f'Device {device!r} has too little memory ({reason}); expected room for one '
                'image: end other programs on it or lower the input height.'
            ) from problem
        if _says(problem, text, _LOST):
            raise DeviceError(
                f'Device {device!r} failed ({reason}); expected it to work: restart the process, '
                'since a lost device cannot be opened again in the same one, and see the log of '
                'its driver.'
            ) from problem
        raise


def _says(problem: Exception, text: str, phrases: tuple[str, ...]) -> bool:
    # Runtimes raise RuntimeError or classes of their own; a KeyError that quotes one is another.
    if isinstance(problem, (LookupError, TypeError, ValueError, OSError)):
        return False
    return any(phrase in text.lower() for phrase in phrases)
