# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The back-end of ONNX Runtime: an exported file on the CPU, CUDA or TensorRT."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from hiseg_ros.errors import CheckpointError, DeviceError
from hiseg_ros.inference.backends.exported import ExportedBackend
from hiseg_ros.inference.exported_input import ExportedInput
from hiseg_ros.threads import thread_count

CPU, CUDA, TENSORRT = 'CPUExecutionProvider', 'CUDAExecutionProvider', 'TensorrtExecutionProvider'

ERRORS_ONLY = 3
"""Severity from which ONNX Runtime writes to standard error."""


class OnnxRuntimeBackend(ExportedBackend):
    """An exported network in ONNX Runtime."""

    name = 'onnx_runtime'

    def __init__(
        self, path: Path, inputs: ExportedInput, device: str, precision: str = 'float32'
    ) -> None:
        """Load the file.

        Args:
            path: File written by `hiseg export`.
            inputs: Rule for its input size; a fixed size of the file is taken over.
            device: 'auto' (CUDA where ONNX Runtime has it), 'cpu', 'cuda' or 'cuda:N'.
            precision: That of the file: 'float32', or 'int8' if it is quantized.

        Raises:
            CheckpointError: ONNX Runtime cannot load the file, or it has another input.
            ConfigError: The file has a fixed size, and an input height is asked for.
            DeviceError: ONNX Runtime has no such device here.
        """
        providers, self.device = _providers(device)
        self.precision = precision
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = thread_count()
        options.log_severity_level = ERRORS_ONLY
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as problem:  # its errors share no family
            reason = ' '.join(str(problem).split())[:200]
            raise CheckpointError(
                f'ONNX Runtime {onnxruntime.__version__} cannot load {path} ({reason}); expected '
                'a file written by `hiseg export`.'
            ) from problem
        self.providers: tuple[str, ...] = tuple(session.get_providers())
        if self.device != 'cpu' and CUDA not in self.providers:
            raise DeviceError(
                f'ONNX Runtime did not get device {self.device!r} to work and fell back to '
                f"{list(self.providers)}; expected CUDA and cuDNN of its version: see its log, or "
                "choose device 'cpu'."
            )
        source = session.get_inputs()[0]
        self._inputs = inputs.of_file(path, source.shape, source.type == 'tensor(uint8)')
        self._name = source.name
        self._session: Any = session

    def node_probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (V, h, w) float32.

        Raises:
            RuntimeError: The back-end is closed.
        """
        if self._session is None:
            raise RuntimeError('The back-end onnx_runtime is closed; expected an open one.')
        nodes: NDArray[np.float32] = self._session.run(None, {self._name: images})[0][0]
        return nodes

    def close(self) -> None:
        """Free the network; closing twice does no harm."""
        self._session = None


def _providers(device: str) -> tuple[list[Any], str]:
    """Return ONNX Runtime's providers for a device, best first, and the device's name.

    Raises:
        DeviceError: This ONNX Runtime has none for it.
    """
    listed = onnxruntime.get_available_providers()
    if device == 'cpu' or (device == 'auto' and CUDA not in listed):
        return [CPU], 'cpu'
    number = re.fullmatch(r'auto|cuda(?::(\d+))?', device)
    if number is None or CUDA not in listed:
        found = ['auto', 'cpu'] + (['cuda', 'cuda:N'] if CUDA in listed else [])
        raise DeviceError(
            f'Device {device!r} does not exist for ONNX Runtime here; expected one of {found}: '
            'its CUDA devices come with the package onnxruntime-gpu.'
        )
    index = int(number[1] or 0)
    of_device = {'device_id': index}
    providers: list[Any] = [(CUDA, of_device), CPU]
    if TENSORRT in listed:
        providers.insert(0, (TENSORRT, {**of_device, 'trt_engine_cache_enable': True}))
    return providers, f'cuda:{index}'
