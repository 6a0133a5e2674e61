# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What torch, ONNX Runtime and OpenVINO raise when a device fails, as errors of the project."""

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
    """Translate what is raised inside and comes from the device; the rest passes.

    The runtimes' errors share no family, and some are a plain RuntimeError with a text.

    Args:
        device: Its name, for the message.

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
                f'Device {device!r} failed while it worked ({reason}); expected it to go on: '
                'start the process again, which alone gets a device back that was lost, and see '
                'the log of its driver.'
            ) from problem
        raise


def _says(problem: Exception, text: str, phrases: tuple[str, ...]) -> bool:
    # Runtimes raise RuntimeErrors or errors of their own; a KeyError that quotes one is neither.
    if isinstance(problem, (LookupError, TypeError, ValueError, OSError)):
        return False
    return any(phrase in text.lower() for phrase in phrases)
