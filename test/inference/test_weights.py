# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Backend and precision of weights are chosen for the device that torch finds."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from hiseg_ros.errors import ConfigError, DeviceError
from hiseg_ros.inference import open_model as choice
from hiseg_ros.inference import weights
from hiseg_ros.inference.backends.torch_network import TorchBackend
from hiseg_ros.inference.engine import Engine
from hiseg_ros.preprocessing import Preprocessing

GPU = torch.device('cuda:0')


@pytest.mark.parametrize(
    ('has_bfloat16', 'capability', 'expected'),
    [
        (True, (9, 0), 'bfloat16'),
        (False, (7, 5), 'float16'),
        (False, (7, 0), 'float16'),
        (False, (6, 1), 'float32'),
    ],
)
def test_the_automatic_precision_is_what_the_gpu_is_fast_in(
    has_bfloat16: bool,
    capability: tuple[int, int],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the device that is asked for, without what torch would emulate."""
    asked: list[Any] = []
    monkeypatch.setattr(torch.cuda, 'device', lambda device: asked.append(device) or nullcontext())
    monkeypatch.setattr(
        torch.cuda,
        'is_bf16_supported',
        lambda including_emulation: has_bfloat16 and not including_emulation,
    )
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda: capability)
    second = torch.device('cuda:1')
    assert weights.automatic_precision(second) == expected
    assert asked == [second]


def test_a_driver_without_a_torch_for_it_ends_on_the_cpu_in_float32(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch's packages for the CPU are there with any driver."""
    monkeypatch.setattr(choice, 'has_cuda_driver', lambda: True)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    engine = Engine(tiny_checkpoint, precision='auto')
    assert (engine.device, engine.backend, engine.precision) == ('cpu', 'eager', 'float32')


def test_a_gpu_runs_graphs_unasked_and_eagerly_where_they_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second with a warning that says why; asked for, their failure is an error."""
    network: Any = object()
    monkeypatch.setattr(weights, '_placed', lambda network, device: network)
    monkeypatch.setattr(weights, 'eager_step', lambda network, precision: 'eager step')
    monkeypatch.setattr(weights, '_graph_step', lambda *_: 'graphs')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        chosen = weights._choose_step(network, 'auto', GPU, 'bfloat16')
        assert chosen == ('cuda_graph', 'graphs')
        of_cpu = weights._choose_step(network, 'auto', torch.device('cpu'), 'float32')
        assert of_cpu == weights._choose_step(network, 'eager', GPU, 'float32')
        assert of_cpu == ('eager', 'eager step')

    def fail(*_: Any) -> Any:
        raise DeviceError('It computes something else.')

    monkeypatch.setattr(weights, '_graph_step', fail)
    with pytest.warns(RuntimeWarning, match='slower backend eager is used: It computes'):
        chosen = weights._choose_step(network, 'auto', GPU, 'bfloat16')
    assert chosen == ('eager', 'eager step')
    with pytest.raises(DeviceError, match='It computes'):
        weights._choose_step(network, 'cuda_graph', GPU, 'bfloat16')


def test_a_cuda_graph_needs_cuda(tiny_checkpoint: Path) -> None:
    """One sentence, no fall back."""
    with pytest.raises(DeviceError, match="'cuda_graph' runs on CUDA devices only"):
        Engine(tiny_checkpoint, device='cpu', backend='cuda_graph')


@pytest.mark.parametrize('backend', ['auto', 'eager', 'compile'])
def test_float16_needs_cuda(tiny_checkpoint: Path, backend: str) -> None:
    """The CPU has no fast way to compute in it."""
    with pytest.raises(ConfigError, match="float16 on CUDA devices only, .* 'cpu'; expected"):
        Engine(tiny_checkpoint, device='cpu', backend=backend, precision='float16')


@pytest.mark.parametrize(
    ('name', 'device', 'pays'),
    [
        ('eager', 'cpu', False),
        ('compile', 'cpu', False),
        ('eager', 'cuda:0', True),
        ('cuda_graph', 'cuda:0', True),
        ('compile', 'cuda:0', False),
    ],
)
def test_a_batch_pays_on_a_gpu_that_need_not_compile_for_it(
    name: str, device: str, pays: bool
) -> None:
    backend = TorchBackend(
        name,
        lambda images: images,
        Preprocessing(),
        device=torch.device(device),
        precision='float32',
        input_height=0,
    )
    assert backend.batch_pays == pays
