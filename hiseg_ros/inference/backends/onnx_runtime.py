# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The backends 'onnx_runtime' and 'tensorrt': an exported file in ONNX Runtime, on CPU or GPU."""

from __future__ import annotations

import hashlib
import re
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from hiseg_ros.errors import CheckpointError, ConfigError, DeviceError, HisegError, reason_of
from hiseg_ros.inference.backends.exported import ExportedBackend
from hiseg_ros.inference.backends.last_used import LastUsed
from hiseg_ros.inference.cuda_driver import has_cuda_driver
from hiseg_ros.inference.device_faults import device_faults
from hiseg_ros.inference.exported_input import ExportedInput
from hiseg_ros.resources import cache_folder
from hiseg_ros.threads import thread_count

CPU, CUDA, TENSORRT = 'CPUExecutionProvider', 'CUDAExecutionProvider', 'TensorrtExecutionProvider'

ERRORS_ONLY = 3
"""Lowest severity that ONNX Runtime writes to standard error."""

MAX_SIZES = 4
"""Input sizes whose TensorRT engines stay loaded; each has its own memory on the device."""


class OnnxRuntimeBackend(ExportedBackend):
    """An exported network in ONNX Runtime; as 'tensorrt', compiled for every input size.

    TensorRT compiles for minutes; its engines are kept in the user's cache folder.
    """

    def __init__(
        self,
        path: Path,
        inputs: ExportedInput,
        device: str,
        precision: str = 'float32',
        name: str = 'onnx_runtime',
    ) -> None:
        """Load the file.

        Args:
            path: File written by `hiseg export`.
            inputs: Rule for its input size; a fixed size of the file takes precedence.
            device: 'auto' (CUDA where it works in ONNX Runtime, else CPU), 'cpu', 'cuda' or
                'cuda:N'.
            precision: Precision of the file: 'float32', or 'int8' if it is quantized; 'tensorrt'
                also supports 'float16'.
            name: 'onnx_runtime' or 'tensorrt'.

        Raises:
            CheckpointError: ONNX Runtime cannot load the file, or its input is of another kind.
            ConfigError: The file has a fixed size and another input height is requested; or the
                cache folder cannot be written.
            DeviceError: ONNX Runtime has no such device here, or the device fails.
        """
        self.name, self.precision = name, precision
        self._path = path
        self._cache = _engines_folder(path) if name == 'tensorrt' else None
        self._index = _cuda_index(device, name)
        session = self._open()
        reason = self._fallen_back(session)
        if reason:
            if device != 'auto' or self._cache:
                raise DeviceError(f"{reason}: see its log, or choose device 'cpu'.")
            warnings.warn(f'{reason}: the CPU is used.', RuntimeWarning, stacklevel=2)
            self._index = None
        self.device = 'cpu' if self._index is None else f'cuda:{self._index}'
        self.providers: tuple[str, ...] = tuple(session.get_providers())
        source = session.get_inputs()[0]
        super().__init__(path, inputs.of_file(path, source.shape, source.type == 'tensor(uint8)'))
        self._input, self._sides = source.name, source.shape
        self._session: Any = session
        self._compiled_sessions: LastUsed[Any] = LastUsed(MAX_SIZES)

    def _run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        session = self._session
        if self._cache and self._inputs.fixed is None:
            shape = images.shape
            session = self._compiled_sessions.get(shape, lambda: self._compiled(shape))
        nodes: NDArray[np.float32] = session.run(None, {self._input: images})[0][0]
        return nodes

    def _fallen_back(self, session: Any) -> str:
        """Return why a session does not run on the requested device, '' if it does."""
        wanted = TENSORRT if self._cache else CUDA
        if self._index is None or wanted in session.get_providers():
            return ''
        return (
            f'ONNX Runtime did not get {wanted.removesuffix("ExecutionProvider")} to work and '
            f'fell back to {session.get_providers()}; expected CUDA and cuDNN of its version'
            f'{", and TensorRT (pip install tensorrt)" if self._cache else ""}'
        )

    def _compiled(self, shape: tuple[int, ...]) -> Any:
        """Return a new session for inputs of one shape."""
        session = self._open(shape)
        reason = self._fallen_back(session)
        if reason:
            raise DeviceError(f"{reason}: see its log, or choose backend 'onnx_runtime'.")
        return session

    def _open(self, shape: Sequence[int] = ()) -> Any:
        """Return a session; with a shape, one for inputs of that shape alone.

        Open sides of the graph are then fixed, so TensorRT plans for one size, and not again for
        every range of sizes.
        """
        options = session_options()
        for side, length in zip(self._sides if shape else (), shape, strict=True):
            if isinstance(side, str):
                options.add_free_dimension_override_by_name(side, length)
        providers = _providers(self._index)
        if self._cache:
            folder = self._cache / ('x'.join(map(str, shape)) or 'as_it_is')
            of_tensorrt = _tensorrt_options(self._index, folder, self.precision)
            providers.insert(0, (TENSORRT, of_tensorrt))
        try:
            with device_faults('cpu' if self._index is None else f'cuda:{self._index}'):
                return onnxruntime.InferenceSession(str(self._path), options, providers=providers)
        except HisegError:
            raise
        except Exception as problem:  # its errors have no common base class
            raise CheckpointError(
                f'ONNX Runtime {onnxruntime.__version__} cannot load {self._path} '
                f'({reason_of(problem)}); expected a file written by `hiseg export`.'
            ) from problem

    def _free(self) -> None:
        self._session = None
        self._compiled_sessions.clear()


def session_options() -> Any:
    """Return options of ONNX Runtime: our number of threads, and errors alone in its log."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = thread_count()
    options.log_severity_level = ERRORS_ONLY
    return options


def _cuda_index(device: str, name: str) -> int | None:
    """Return the number of a CUDA device, None for the CPU.

    Raises:
        DeviceError: This ONNX Runtime or this machine does not support the device.
    """
    # The list of ONNX Runtime says what it was built with, not what works here.
    wanted = TENSORRT if name == 'tensorrt' else CUDA
    is_there = wanted in onnxruntime.get_available_providers() and has_cuda_driver()
    if wanted == CUDA and (device == 'cpu' or (device == 'auto' and not is_there)):
        return None
    number = re.fullmatch(r'auto|cuda(?::(\d+))?', device)
    if number is None or not is_there:
        found = (['auto', 'cpu'] if wanted == CUDA else ['auto']) + ['cuda', 'cuda:N']
        raise DeviceError(
            f'Device {device!r} does not exist for backend {name!r} here; expected one of '
            f"{found}: a GPU needs NVIDIA's driver and the package onnxruntime-gpu."
        )
    return int(number[1] or 0)


def _providers(index: int | None) -> list[Any]:
    """Return ONNX Runtime's providers for a CUDA device or the CPU, best first."""
    if index is None:
        return [CPU]
    if hasattr(onnxruntime, 'preload_dlls'):
        # Finds CUDA and cuDNN in pip's packages. It prints what is missing to standard output.
        with redirect_stdout(sys.stderr):
            onnxruntime.preload_dlls()
    return [(CUDA, {'device_id': index}), CPU]


def _tensorrt_options(index: int | None, folder: Path, precision: str) -> dict[str, Any]:
    """Return TensorRT's options.

    Raises:
        ConfigError: The folder for its engines cannot be created.
    """
    with suppress(ImportError):
        import_module('tensorrt')  # loads the libraries of pip, which ONNX Runtime does not find
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise ConfigError(
            f'TensorRT cannot store its engines ({problem}); expected a writable folder: set '
            'XDG_CACHE_HOME to another one.'
        ) from problem
    return {
        'device_id': index,
        'trt_engine_cache_enable': True,
        'trt_engine_cache_path': str(folder),
        'trt_timing_cache_enable': True,
        'trt_timing_cache_path': str(folder),
        'trt_fp16_enable': precision == 'float16',
    }


def _engines_folder(path: Path) -> Path:
    """Return the folder for TensorRT's engines of a file."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return cache_folder() / 'tensorrt' / f'{digest}_{onnxruntime.__version__}'
