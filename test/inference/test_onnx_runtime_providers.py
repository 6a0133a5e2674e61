# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The choice of a provider of ONNX Runtime, with fakes of its list and its sessions."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

if importlib.util.find_spec('onnxruntime') is None:
    pytest.skip('no module onnxruntime', allow_module_level=True)

from hiseg_ros.errors import CheckpointError, ConfigError, DeviceError, DeviceMemoryError
from hiseg_ros.inference.backends import onnx_runtime
from hiseg_ros.inference.backends.onnx_runtime import CPU, CUDA, TENSORRT, OnnxRuntimeBackend
from hiseg_ros.inference.exported_input import ExportedInput
from hiseg_ros.preprocessing import Preprocessing


class Machine:
    """What is installed, and the sessions that were asked for."""

    def __init__(self) -> None:
        """A wheel for GPUs on a machine that has one, where all of it works."""
        self.listed = [TENSORRT, CUDA, CPU]
        self.has_driver = True
        self.working = [TENSORRT, CUDA, CPU]
        self.shape: list[Any] = ['n', 'height', 'width', 3]
        self.asked: list[list[tuple[str, dict[str, Any]]]] = []
        self.closed: list[dict[str, int]] = []
        self.preloaded = 0

    def session(self, path: str, options: Any, providers: list[Any]) -> Any:
        """Return a session with those of the providers that work."""
        pairs = [one if isinstance(one, tuple) else (one, {}) for one in providers]
        self.asked.append(pairs)
        self.closed.append(options.sides)
        source = SimpleNamespace(name='rgb', shape=self.shape, type='tensor(uint8)')
        return SimpleNamespace(
            get_providers=lambda: [name for name, _ in pairs if name in self.working],
            get_inputs=lambda: [source],
            run=lambda outputs, inputs: [np.zeros((1, 2, 4, 4), np.float32)],
        )

    def preload(self) -> None:
        """Count."""
        self.preloaded += 1


class Options:
    """Session options that can be read."""

    def __init__(self) -> None:
        """Nothing is closed."""
        self.sides: dict[str, int] = {}

    def add_free_dimension_override_by_name(self, name: str, length: int) -> None:
        """Close a side."""
        self.sides[name] = length


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """Put a machine with a GPU in the place of this one."""
    found = Machine()
    monkeypatch.setattr(
        onnx_runtime,
        'onnxruntime',
        SimpleNamespace(
            __version__='1.0',
            get_available_providers=lambda: found.listed,
            InferenceSession=found.session,
            SessionOptions=Options,
            preload_dlls=found.preload,
        ),
    )
    monkeypatch.setattr(onnx_runtime, 'has_cuda_driver', lambda: found.has_driver)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return found


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a file whose content does not matter."""
    path = tmp_path / 'x.onnx'
    path.write_bytes(b'network')
    return path


def opened(model: Path, device: str = 'auto', **options: str) -> OnnxRuntimeBackend:
    """Return the backend."""
    return OnnxRuntimeBackend(model, ExportedInput(Preprocessing()), device, **options)


@pytest.mark.parametrize('device', ['auto', 'cuda', 'cuda:0'])
def test_cuda_is_taken_where_it_works_and_tensorrt_never_unasked(
    machine: Machine, model: Path, device: str
) -> None:
    """Its libraries are loaded before the session."""
    backend = opened(model, device)
    assert (backend.name, backend.device) == ('onnx_runtime', 'cuda:0')
    assert machine.asked == [[(CUDA, {'device_id': 0}), (CPU, {})]]
    assert machine.preloaded == 1
    assert backend.providers == (CUDA, CPU)


def test_another_device_is_taken_by_its_number(machine: Machine, model: Path) -> None:
    """As CUDA counts."""
    assert opened(model, 'cuda:3').device == 'cuda:3'
    assert machine.asked[0][0] == (CUDA, {'device_id': 3})


@pytest.mark.parametrize(('listed', 'has_driver'), [([CUDA, CPU], False), ([CPU], True)])
def test_without_driver_or_package_auto_is_the_cpu(
    machine: Machine, model: Path, listed: list[str], has_driver: bool
) -> None:
    """What the package was built with says nothing about the machine."""
    machine.listed, machine.has_driver = listed, has_driver
    backend = opened(model)
    assert (backend.device, backend.providers) == ('cpu', (CPU,))
    assert machine.preloaded == 0
    for device in ('cuda', 'cuda:1'):
        with pytest.raises(DeviceError, match=f'{device}.*driver and the package onnxruntime-gpu'):
            opened(model, device)


@pytest.mark.parametrize(
    ('words', 'error'),
    [
        ('Failed to allocate memory for requested buffer', DeviceMemoryError),
        ('CUDA failure 101: invalid device ordinal', DeviceError),
        ('Invalid protobuf', CheckpointError),
    ],
)
def test_a_device_that_fails_is_not_blamed_on_the_file(
    machine: Machine,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    error: type[Exception],
) -> None:
    """Nor the other way round."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(words)

    monkeypatch.setattr(onnx_runtime.onnxruntime, 'InferenceSession', fail)
    with pytest.raises(error):
        opened(model, 'cuda:7')


def test_the_cpu_is_taken_where_it_is_asked_for(machine: Machine, model: Path) -> None:
    """Also on a machine with a GPU."""
    assert opened(model, 'cpu').device == 'cpu'
    assert machine.asked == [[(CPU, {})]]


def test_cuda_that_does_not_work_is_an_error_where_it_was_asked_for(
    machine: Machine, model: Path
) -> None:
    """And a warning where the device was left open."""
    machine.working = [CPU]
    with pytest.raises(DeviceError, match='did not get CUDA to work.*cuDNN'):
        opened(model, 'cuda')
    with pytest.warns(RuntimeWarning, match='the CPU is used'):
        assert opened(model).device == 'cpu'


@pytest.mark.parametrize('precision', ['float32', 'float16'])
def test_tensorrt_is_compiled_for_each_size_and_kept_in_the_cache(
    machine: Machine, model: Path, tmp_path: Path, precision: str
) -> None:
    """Once for a size; nothing is written where the program was started."""
    backend = opened(model, name='tensorrt', precision=precision)
    assert (backend.name, backend.device) == ('tensorrt', 'cuda:0')
    assert backend.precision == precision
    for size in ((64, 96), (64, 96), (32, 32)):
        backend.node_probabilities(np.zeros((1, *size, 3), np.uint8))
    assert machine.closed == [
        {},
        {'n': 1, 'height': 64, 'width': 96},
        {'n': 1, 'height': 32, 'width': 32},
    ]
    folders = set()
    for (name, options), *others in machine.asked:
        assert name == TENSORRT
        assert [other for other, _ in others] == [CUDA, CPU]
        assert options['trt_fp16_enable'] == (precision == 'float16')
        folders.add(options['trt_engine_cache_path'])
        assert Path(options['trt_engine_cache_path']).is_dir()
        assert options['trt_engine_cache_path'].startswith(str(tmp_path / 'cache' / 'hiseg_ros'))
    assert len(folders) == 3
    model.write_bytes(b'another')
    opened(model, name='tensorrt')
    assert machine.asked[-1][0][1]['trt_engine_cache_path'] not in folders
    backend.close()
    with pytest.raises(RuntimeError, match='tensorrt is closed'):
        backend.node_probabilities(np.zeros((1, 32, 32, 3), np.uint8))


def test_a_file_of_one_size_is_compiled_as_it_is(machine: Machine, model: Path) -> None:
    """When it is loaded."""
    machine.shape = [1, 64, 96, 3]
    backend = opened(model, name='tensorrt')
    backend.node_probabilities(np.zeros((1, 64, 96, 3), np.uint8))
    assert len(machine.asked) == 1


def test_tensorrt_that_is_not_there_is_an_error(machine: Machine, model: Path) -> None:
    """Never another provider in its place, at loading or later."""
    backend = opened(model, name='tensorrt')
    machine.working = [CUDA, CPU]
    with pytest.raises(DeviceError, match="choose backend 'onnx_runtime'"):
        backend.node_probabilities(np.zeros((1, 32, 32, 3), np.uint8))
    with pytest.raises(DeviceError, match="'cpu' does not exist for backend 'tensorrt'"):
        opened(model, 'cpu', name='tensorrt')
    machine.working = [CUDA, CPU]
    with pytest.raises(DeviceError, match='did not get Tensorrt to work.*pip install tensorrt'):
        opened(model, name='tensorrt')
    machine.listed = [CUDA, CPU]
    with pytest.raises(DeviceError, match="'auto' does not exist for backend 'tensorrt'"):
        opened(model, name='tensorrt')


def test_a_cache_that_cannot_be_written_is_named(
    machine: Machine, model: Path, tmp_path: Path
) -> None:
    """With the variable that moves it."""
    (tmp_path / 'cache').write_text('a file')
    with pytest.raises(ConfigError, match='set XDG_CACHE_HOME'):
        opened(model, name='tensorrt')


def test_sides_are_closed_by_the_names_that_export_gives_them() -> None:
    """The real runtime then knows the shape of the result before it runs."""
    from hiseg_ros.resources import default_model

    backend = opened(default_model('.onnx'), 'cpu')
    session = backend._open((1, 64, 96, 3))
    assert backend._session.get_inputs()[0].shape == ['n', 'height', 'width', 3]
    assert session.get_inputs()[0].shape == [1, 64, 96, 3]
    images = np.zeros((1, 64, 96, 3), np.uint8)
    (nodes,) = session.run(None, {'rgb': images})
    np.testing.assert_allclose(nodes[0], backend.node_probabilities(images), atol=1e-5)
