# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Opens a model file: chooses backend, precision and decision for a file and a device."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from hiseg_ros.errors import CheckpointError, ConfigError
from hiseg_ros.inference.cuda_driver import has_cuda_driver
from hiseg_ros.inference.decisions import SparseDecision
from hiseg_ros.inference.model_file import ONNX, SAFETENSORS, kind_of, read_info
from hiseg_ros.inference.plane_decision import FlatDecision
from hiseg_ros.inference.processor import has_fast_bfloat16
from hiseg_ros.interfaces import Backend, Decision
from hiseg_ros.model.digest import check_safetensors
from hiseg_ros.model.info import ModelInfo, check_is_network
from hiseg_ros.resources import default_model, tree_model

BACKENDS = {
    'eager': (SAFETENSORS, 'torch'),
    'compile': (SAFETENSORS, 'torch'),
    'cuda_graph': (SAFETENSORS, 'torch'),
    'onnx_runtime': (ONNX, 'onnxruntime'),
    'tensorrt': (ONNX, 'onnxruntime'),
    'openvino': (ONNX, 'openvino'),
}
"""Suffix of the model file and Python module of every backend."""

PRECISIONS = {
    'float32': tuple(BACKENDS),
    'bfloat16': ('eager', 'compile', 'cuda_graph', 'openvino'),
    'float16': ('eager', 'compile', 'cuda_graph', 'tensorrt'),
    'int8': ('onnx_runtime', 'openvino'),
}
"""Backends that support each precision."""

INT8_FILE = '_int8.onnx'
"""End of a quantized file's name."""


def shipped_file(backend: str, device: str, precision: str = 'float32') -> Path:
    """Return the file of the shipped network for a backend, a device and a precision.

    With backend 'auto' that is the weights where torch may find a CUDA device, and else the
    exported network, which is faster on a CPU. For int8, in which its attention loses too much,
    it is `TREE_MODEL` in int8.
    """
    if precision == 'int8' and backend in ('auto', *PRECISIONS['int8']):
        return tree_model(INT8_FILE)
    return _shipped_kind(backend, device)


def _shipped_kind(backend: str, device: str) -> Path:
    if backend in BACKENDS:
        return default_model(BACKENDS[backend][0])
    runtimes = [module for kind, module in BACKENDS.values() if kind == ONNX]
    on_cuda = device.startswith('cuda') or (device == 'auto' and has_cuda_driver())
    if not any(map(find_spec, runtimes)) or (on_cuda and find_spec('torch')):
        return default_model(SAFETENSORS)
    return default_model(ONNX)


def open_backend(
    path: Path, *, backend: str, device: str, precision: str, input_height: int
) -> tuple[Backend, Decision, ModelInfo]:
    """Load a model file.

    Args:
        path: A .safetensors or .onnx file.
        backend: One of `BACKENDS`, or 'auto'.
        device: 'auto', 'cpu', 'cuda' or 'cuda:N'.
        precision: One of `PRECISIONS`, or 'auto': int8 for a quantized file, 16 bits where the
            backend supports them and they are faster, else float32.
        input_height: Shorter side of the network input in pixels; 0 = the weights' rule.

    Returns:
        The backend, the decision for its kind of array, and the info block of the file.

    Raises:
        CheckpointError: The file cannot be used.
        ConfigError: A name is unknown, the backend is not installed or does not support the file
            or the precision, or the input height is out of range.
        DeviceError: The device does not exist, or the backend does not support it.
    """
    _check_names(backend, precision)
    kind = kind_of(path)
    if kind != ONNX:
        if kind == SAFETENSORS:
            check_is_network(read_info(path), path)
        return _of_weights(path, kind, backend, device, precision, input_height)
    info = read_info(path)
    precision = _precision_of_file(path, info, precision)
    if precision == 'auto':
        precision = _automatic_precision(backend, device)
    name = _automatic(path, device, precision) if backend == 'auto' else backend
    _check_fit(path, kind, name, precision)
    return _of_exported(path, info, name, device, precision, input_height)


def _precision_of_file(path: Path, info: ModelInfo, precision: str) -> str:
    """Return the precision, which is int8 for a quantized file.

    Raises:
        ConfigError: The requested precision does not fit the file.
    """
    if info.is_quantized and precision not in ('auto', 'int8'):
        raise ConfigError(
            f'{path} is quantized to int8, and the precision is {precision!r}; expected '
            "'auto' or 'int8', or the file that it was quantized from."
        )
    if precision == 'int8' and not info.is_quantized:
        raise ConfigError(
            f'{path} is not quantized, and the precision is int8; expected a file of '
            '`hiseg quantize`, or another precision.'
        )
    return 'int8' if info.is_quantized else precision


def _check_names(backend: str, precision: str) -> None:
    if backend not in ('auto', *BACKENDS):
        raise ConfigError(f'The backend is {backend!r}; expected one of {["auto", *BACKENDS]}.')
    if precision not in ('auto', *PRECISIONS):
        raise ConfigError(
            f'The precision is {precision!r}; expected one of {["auto", *PRECISIONS]}.'
        )


def _check_fit(path: Path, kind: str, name: str, precision: str) -> None:
    wanted, module = BACKENDS[name]
    if kind != wanted:
        fitting = [other for other, (suffix, _) in BACKENDS.items() if suffix == kind]
        advice = f'choose one of {fitting}' if fitting else 'choose another file'
        if wanted == ONNX:
            advice += ', or write one with `hiseg export`'
        raise ConfigError(
            f'Backend {name!r} cannot run {path}; expected a {wanted} file: {advice}.'
        )
    if find_spec(module) is None:
        raise ConfigError(
            f'Python has no module {module}, which backend {name!r} needs; expected it in this '
            f'environment: pip install {module}.'
        )
    if name not in PRECISIONS[precision]:
        raise ConfigError(
            f'Backend {name!r} does not compute in {precision}; expected one of '
            f'{list(PRECISIONS[precision])} for it.'
        )


def _automatic(path: Path, device: str, precision: str) -> str:
    """Return the fastest installed backend for an exported file, a device and a precision.

    On a CPU that is OpenVINO: it supports bfloat16, also for the layers of an int8 file that stay
    in float, and the arithmetic of the tree runs in `backends.tree_planes`.
    """
    order = ['openvino', 'onnx_runtime']
    if device.startswith('cuda') or (device == 'auto' and _onnx_runtime_has_cuda()):
        order = ['onnx_runtime']
    order = [name for name in order if name in PRECISIONS[precision]]
    if not order:
        raise ConfigError(
            f'No backend runs {path} on device {device!r} in {precision}; expected another '
            f'precision, or weights ({SAFETENSORS}) on a GPU.'
        )
    for name in order:
        if find_spec(BACKENDS[name][1]) is not None:
            return name
    modules = [BACKENDS[name][1] for name in order]
    raise ConfigError(
        f'No backend is installed for {path} on device {device!r} in {precision}; expected one '
        f'of the Python modules {modules}: install one with pip.'
    )


def _automatic_precision(backend: str, device: str) -> str:
    """Return bfloat16 for an exported file if OpenVINO may run it and the CPU is faster in it."""
    may_be_openvino = backend == 'openvino' or (
        backend == 'auto'
        and (device == 'cpu' or (device == 'auto' and not _onnx_runtime_has_cuda()))
    )
    if may_be_openvino and find_spec('openvino') is not None:
        from hiseg_ros.inference.backends.openvino_cpu import has_bfloat16

        return 'bfloat16' if has_fast_bfloat16() and has_bfloat16() else 'float32'
    return 'float32'


def _onnx_runtime_has_cuda() -> bool:
    """Return whether ONNX Runtime can use a GPU; its own list says only what it was built for."""
    if not has_cuda_driver() or find_spec('onnxruntime') is None:
        return False
    import onnxruntime

    return 'CUDAExecutionProvider' in onnxruntime.get_available_providers()


def _of_weights(
    path: Path, kind: str, backend: str, device: str, precision: str, input_height: int
) -> tuple[Backend, Decision, ModelInfo]:
    """Open weights in torch."""
    if precision == 'int8':
        raise ConfigError(
            f'{path} has weights in float32; expected an {ONNX} file of `hiseg quantize` for '
            'precision int8: export and quantize it, or choose another precision.'
        )
    _check_fit(
        path,
        kind,
        'eager' if backend == 'auto' else backend,
        'float32' if precision == 'auto' else precision,
    )
    # Before torch is imported, which takes half a gigabyte for good.
    if read_info(path).network is None:
        raise CheckpointError(
            f'The info block of {path} names no network; expected one written by `hiseg train`.'
        )
    check_safetensors(path)
    # Imported now: what 'auto' means depends on the device that torch finds.
    from hiseg_ros.inference.weights import open_weights

    return open_weights(
        path, backend=backend, device=device, precision=precision, input_height=input_height
    )


def _of_exported(
    path: Path, info: ModelInfo, name: str, device: str, precision: str, input_height: int
) -> tuple[Backend, Decision, ModelInfo]:
    """Open an exported network, without torch."""
    from hiseg_ros.inference.exported_input import ExportedInput

    info.preprocessing.input_size((480, 640), input_height)
    inputs = ExportedInput(info.preprocessing, input_height)
    # First, since its error names numba where that is missing; the backends need it too.
    decision = (
        FlatDecision(info.taxonomy, info.walk) if info.walk else SparseDecision(info.taxonomy)
    )
    from hiseg_ros.inference.backends.exported import ExportedBackend

    backend: ExportedBackend
    if name == 'openvino':
        from hiseg_ros.inference.backends.openvino_cpu import OpenVinoBackend

        # A flat network has a single softmax and no arithmetic of a tree.
        taxonomy = None if info.walk else info.taxonomy
        cuts = info.network.cut_at if info.network else ()
        backend = OpenVinoBackend(path, inputs, device, precision, taxonomy, cuts)
    else:
        from hiseg_ros.inference.backends.onnx_runtime import OnnxRuntimeBackend

        backend = OnnxRuntimeBackend(path, inputs, device, precision, name)
    backend.planes_expected = decision.planes
    from hiseg_ros.inference.backends.reduction import warm_up

    warm_up()
    return backend, decision, info
