# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Opens torch weights: chooses device, precision, backend and decision."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from hiseg_ros.errors import ConfigError, DeviceError
from hiseg_ros.inference.backends.compiled import compiled_step
from hiseg_ros.inference.backends.cuda_graph import GraphStep, verify
from hiseg_ros.inference.backends.fast_network import fast_network
from hiseg_ros.inference.backends.torch_network import TorchBackend
from hiseg_ros.inference.backends.torch_step import HALVES, Step, eager_step
from hiseg_ros.inference.decisions import SparseDecision, decision_on_gpu
from hiseg_ros.inference.torch_device import find_device
from hiseg_ros.interfaces import Backend, Decision
from hiseg_ros.model.checkpoint import load_checkpoint
from hiseg_ros.model.info import ModelInfo
from hiseg_ros.model.network import HierarchicalNetwork

FAST_HALF = (7, 0)
"""Compute capability from which a GPU is faster in float16 than in float32."""


def open_weights(
    path: Path, *, backend: str, device: str, precision: str, input_height: int
) -> tuple[Backend, Decision, ModelInfo]:
    """Load weights; see `open_model.open_backend`, which has checked the names.

    Raises:
        CheckpointError: The file cannot be used.
        ConfigError: The device does not support the precision, or the input height is out of
            range.
        DeviceError: The device does not exist, or the backend does not support it.
    """
    found = find_device(device)
    if precision == 'auto':
        precision = automatic_precision(found)
    _check_device(found, backend, precision)
    checkpoint = load_checkpoint(path)
    checkpoint.preprocessing.input_size((480, 640), input_height)
    name, step = _choose_step(checkpoint.build(), backend, found, precision)
    opened = TorchBackend(
        name, step, checkpoint.preprocessing,
        device=found, precision=precision, input_height=input_height,
    )  # fmt: skip
    decision: Decision = (
        SparseDecision(checkpoint.taxonomy)
        if found.type == 'cpu'
        else decision_on_gpu(checkpoint.taxonomy, found)
    )
    return opened, decision, checkpoint.info


def automatic_precision(device: torch.device) -> str:
    """Return the fastest precision of a device; on the CPU torch is the reference in float32."""
    if device.type != 'cuda':
        return 'float32'
    with torch.cuda.device(device):
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return 'bfloat16'
        return 'float16' if torch.cuda.get_device_capability() >= FAST_HALF else 'float32'


def _check_device(device: torch.device, backend: str, precision: str) -> None:
    if device.type == 'cuda':
        return
    if backend == 'cuda_graph':
        raise DeviceError(
            f"Backend 'cuda_graph' runs on CUDA devices only, and the device is '{device}'; "
            "expected 'cuda' or 'cuda:N': choose backend 'eager' or 'compile' on the CPU."
        )
    if precision == 'float16':
        raise ConfigError(
            f"Weights compute in float16 on CUDA devices only, and the device is '{device}'; "
            "expected precision 'float32' or 'bfloat16' on it."
        )


def _choose_step(
    network: HierarchicalNetwork, backend: str, device: torch.device, precision: str
) -> tuple[str, Step]:
    """Return the name of the backend and its step on the device.

    On a GPU 'auto' chooses CUDA graphs, which run the kernels of 'eager' faster. It never chooses
    'compile', which takes long to start and needs a C++ compiler.
    """
    if backend == 'auto' and device.type == 'cuda':
        try:
            return 'cuda_graph', _graph_step(network, device, precision)
        except DeviceError as problem:
            warnings.warn(
                f'The slower backend eager is used: {problem}',
                RuntimeWarning,
                stacklevel=2,
            )
    if backend == 'cuda_graph':
        return backend, _graph_step(network, device, precision)
    if backend == 'compile':
        return backend, compiled_step(_fast_step(network, device, precision))
    return 'eager', eager_step(_placed(network, device), precision)


def _graph_step(network: HierarchicalNetwork, device: torch.device, precision: str) -> GraphStep:
    """Return a step of CUDA graphs that was verified against the eager one.

    Raises:
        DeviceError: It cannot be recorded here, or its results differ.
    """
    step = GraphStep(_fast_step(network, device, precision), device)
    verify(step, eager_step(_placed(network, device), precision), device, precision)
    return step


def _fast_step(network: HierarchicalNetwork, device: torch.device, precision: str) -> Step:
    """Return the step of the network with fewer kernels; the network must be on the CPU."""
    fast = fast_network(network, HALVES.get(precision))
    return eager_step(_placed(fast, device), precision)


def _placed(network: HierarchicalNetwork, device: torch.device) -> HierarchicalNetwork:
    """Move a network to a device, in the memory format that is fastest for convolutions."""
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
