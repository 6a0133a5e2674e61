# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Device failures become errors of the project, and little memory a smaller input."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hiseg_ros.errors import DeviceError, DeviceMemoryError
from hiseg_ros.inference.device_faults import device_faults
from hiseg_ros.inference.engine import Engine
from hiseg_ros.inference.exported_input import ExportedInput
from hiseg_ros.inference.reduced_input import reduced_height
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.types import EVERYTHING


def onnx_runtime_error(text: str) -> Exception:
    """Return an error as ONNX Runtime raises it."""
    module = pytest.importorskip('onnxruntime.capi.onnxruntime_pybind11_state')
    error: Exception = module.RuntimeException(text)
    return error


@pytest.mark.parametrize(
    'make',
    [
        lambda: torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB.'),
        lambda: RuntimeError('CUDA error: out of memory\nCompile with TORCH_USE_CUDA_DSA'),
        lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"),
        lambda: RuntimeError('CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate'),
        lambda: onnx_runtime_error('[ONNXRuntimeError] : 6 : Failed to allocate memory for'),
        lambda: onnx_runtime_error('CUDA failure 2: out of memory ; GPU=0'),
        lambda: RuntimeError('Exception from src/inference: std::bad_alloc'),
        MemoryError,
    ],
)
def test_a_lack_of_memory_is_known_whoever_raises_it(make: Any) -> None:
    """Torch on both devices, ONNX Runtime, OpenVINO, Python."""
    with pytest.raises(DeviceMemoryError, match='cuda:1.*too little memory'):
        with device_faults('cuda:1'):
            raise make()


@pytest.mark.parametrize(
    'text',
    [
        'CUDA error: an illegal memory access was encountered',
        'CUDA error: unspecified launch failure',
        'cuDNN error: CUDNN_STATUS_EXECUTION_FAILED',
        'CUDA failure 719: unspecified launch failure ; GPU=0',
    ],
)
def test_a_lost_device_is_named_with_the_remedy(text: str) -> None:
    """And is no lack of memory."""
    with pytest.raises(DeviceError, match='restart the process') as caught:
        with device_faults('cuda:0'):
            raise RuntimeError(text)
    assert not isinstance(caught.value, DeviceMemoryError)


@pytest.mark.parametrize(
    'problem', [KeyError('out of memory'), RuntimeError('a bug'), DeviceError('known')]
)
def test_other_faults_pass(problem: Exception) -> None:
    """They are nothing that a device did."""
    with pytest.raises(type(problem)) as caught, device_faults('cpu'):
        raise problem
    assert caught.value is problem


def test_an_engine_out_of_memory_frees_what_is_kept_and_works_again(
    tiny_checkpoint: Path, street_image: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one and in a batch; loading likewise."""
    engine = Engine(tiny_checkpoint, device='cpu', backend='eager')
    backend: Any = engine._backend
    freed = []
    monkeypatch.setattr(backend, 'free_cache', lambda: freed.append(1))

    def full(images: Any) -> Any:
        raise torch.OutOfMemoryError('CUDA out of memory.')

    expected = engine.segment(street_image).labels
    with monkeypatch.context() as short:
        short.setattr(backend, '_run', full)
        with pytest.raises(DeviceMemoryError):
            engine.segment(street_image)
        assert not freed
        with pytest.raises(DeviceMemoryError):
            list(engine.segment_batch([street_image] * 2, [EVERYTHING] * 2))
    assert np.array_equal(engine.segment(street_image).labels, expected)
    assert len(freed) == 2
    with monkeypatch.context() as short:
        short.setattr('hiseg_ros.inference.engine.open_backend', lambda *_, **__: full(0))
        with pytest.raises(DeviceMemoryError):
            Engine(tiny_checkpoint, device='cpu')


def test_a_reduced_engine_runs_a_smaller_network_input_for_the_same_image(
    tiny_checkpoint: Path, street_image: Any
) -> None:
    """And the usual one again afterwards."""
    engine = Engine(tiny_checkpoint, device='cpu', backend='eager')
    usual = engine.segment(street_image)
    assert engine.reduce(True)
    small = engine.segment(street_image)
    assert small.labels.shape == usual.labels.shape == street_image.shape[:2]
    assert small.probabilities.values.shape[1:] < usual.probabilities.values.shape[1:]
    assert engine.reduce(False)
    assert np.array_equal(engine.segment(street_image).labels, usual.labels)


def test_exported_networks_are_reduced_where_their_size_is_open() -> None:
    """A fixed one stays as it is."""
    rule = ExportedInput(Preprocessing())
    assert rule.size((360, 640)) == (352, 640)
    assert ExportedInput(Preprocessing(), is_reduced=True).size((360, 640)) == (256, 448)
    fixed = ExportedInput(Preprocessing(), fixed=(96, 160), is_reduced=True)
    assert fixed.size((9, 9)) == (96, 160)
    assert reduced_height((32, 64)) == 32


def test_openvino_reports_nothing_of_its_use_and_leaves_no_process_behind(tmp_path: Path) -> None:
    """Its package would ask the network from a fork, for which the node's end then waits."""
    pytest.importorskip('openvino')
    program = (
        'import sys\n'
        'from hiseg_ros.inference.backends.openvino_cpu import shared_core\n'
        'import multiprocessing\n'
        'shared_core()\n'
        'print(multiprocessing.active_children(), sys.modules["openvino_telemetry"])\n'
    )
    found = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, timeout=60, check=True,
        env={**os.environ, 'HOME': str(tmp_path)},
    )  # fmt: skip
    assert found.stdout.split() == ['[]', 'None']
    assert list(tmp_path.iterdir()) == []
