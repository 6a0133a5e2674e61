# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg export` on the command line: files, verification, refused options."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from hiseg_ros.cli import export as verb
from hiseg_ros.cli.__main__ import main

needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(module) is None for module in ('onnx', 'onnxruntime')),
    reason='no module onnx or onnxruntime',
)
pytestmark = [pytest.mark.needs('torch')]


@pytest.fixture(autouse=True)
def small_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prove on small scenes."""
    monkeypatch.setattr(verb, 'VERIFICATION_SIZES', ((96, 160), (64, 64)))


@needs_onnx
@pytest.mark.parametrize('size', ['dynamic', '64x96'])
def test_an_onnx_file_is_written_and_proven(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], size: str
) -> None:
    """It says how near it comes, and what the weights say about themselves."""
    import onnx
    import onnxruntime

    from hiseg_ros.inference.model_file import read_info
    from hiseg_ros.model.checkpoint import load_checkpoint

    path = tmp_path / 'new' / 'tiny.onnx'
    arguments = ['export', '--model', str(tiny_checkpoint), '--output', str(path), '--size', size]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert re.search(r'onnx_runtime: (99\.9\d\d|100\.000)% of the labels of 2 drawn', printed)
    assert f'written: {path}' in printed
    onnx.checker.check_model(str(path))
    checkpoint = load_checkpoint(tiny_checkpoint)
    assert read_info(path) == checkpoint.info
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    source = session.get_inputs()[0]
    assert source.type == 'tensor(uint8)'
    shape = (1, 64, 96, 3) if size != 'dynamic' else (3, 96, 64, 3)
    if size != 'dynamic':
        assert source.shape == list(shape)
    nodes = session.run(None, {source.name: np.zeros(shape, np.uint8)})[0]
    assert nodes.dtype == np.float32
    nodes_of_tree = len(checkpoint.taxonomy)
    assert nodes.shape == (shape[0], nodes_of_tree, shape[1] // 4, shape[2] // 4)


@pytest.mark.slow
def test_a_torch_program_is_written_and_proven(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The info block lies in it as an extra file."""
    from hiseg_ros.inference.model_file import read_info
    from hiseg_ros.model.checkpoint import load_checkpoint

    path = tmp_path / 'tiny.pt2'
    assert main(['export', '--model', str(tiny_checkpoint), '--output', str(path)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r'torch\.export: (99\.9\d\d|100\.000)% of the labels', printed)
    assert read_info(path) == load_checkpoint(tiny_checkpoint).info


@needs_onnx
@pytest.mark.parametrize(
    'kind', ['leaf', 'bottleneck', 'projection', 'summed', 'summed_detail', 'summed_fine', 'cut']
)
def test_every_kind_of_network_can_be_exported(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every head, either branch, our decoders, linear attention in the backbone."""
    import torch

    from hiseg_ros.model.checkpoint import save_checkpoint
    from hiseg_ros.model.config import NetworkConfig
    from hiseg_ros.model.network import HierarchicalNetwork
    from hiseg_ros.preprocessing import Preprocessing
    from hiseg_ros.taxonomy import load_taxonomy

    small = {'backbone': 'mobilenetv4_conv_small_050', 'channels': 8, 'branch_channels': 8}
    attention = {'backbone': 'efficientvit_b0', 'channels': 24, 'head': 'leaf', 'decoder': kind}
    options = {
        'leaf': {**small, 'head': 'leaf'},
        'bottleneck': {**small, 'branch': 'bottleneck'},
        'projection': {**small, 'decoder': 'projection'},
        'cut': {**attention, 'decoder': 'summed_detail', 'cut_at': ['Traffic Sign (Front)']},
    }.get(kind, attention)
    config = NetworkConfig(**options)  # type: ignore
    torch.manual_seed(5)
    network = HierarchicalNetwork(config, load_taxonomy('street')).eval()
    weights = tmp_path / 'weights.safetensors'
    save_checkpoint(weights, network, load_taxonomy('street'), Preprocessing(), {})
    path = tmp_path / 'x.onnx'
    assert main(['export', '--model', str(weights), '--output', str(path)]) == 0
    assert 'onnx_runtime: ' in capsys.readouterr().out


@needs_onnx
def test_a_file_that_computes_something_else_is_refused(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """Another network's file with this one's info block does not pass the proof."""
    import onnx

    from hiseg_ros.errors import CheckpointError
    from hiseg_ros.export.export import export_network, verify
    from hiseg_ros.inference.onnx_digest import add_digest
    from hiseg_ros.model.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(tiny_checkpoint)
    path = tmp_path / 'x.onnx'
    export_network(checkpoint, path)
    model = onnx.load(path)
    kernel = next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 4)
    values = onnx.numpy_helper.to_array(kernel)
    kernel.CopyFrom(onnx.numpy_helper.from_array(1.5 * values, kernel.name))
    onnx.save(model, path)
    add_digest(path)  # damage is found before
    image = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    with pytest.raises(CheckpointError, match=r'differs from .* probability.*cannot be used'):
        verify(checkpoint, path, [image])
    del model.metadata_props[:]
    onnx.save(model, path)
    with pytest.raises(CheckpointError, match='no info block'):
        verify(checkpoint, path, [image])


@needs_onnx
def test_a_file_that_is_not_proven_is_not_kept(
    tiny_checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An earlier one stays as it was."""
    from hiseg_ros.export import export

    path = tmp_path / 'tiny.onnx'
    path.write_text('earlier')
    monkeypatch.setattr(export, 'LARGEST_DIFFERENCE', -1.0)
    assert main(['export', '--model', str(tiny_checkpoint), '--output', str(path)]) == 2
    assert 'it cannot be used' in capsys.readouterr().err
    assert path.read_text() == 'earlier'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--output', 'x.onnx', '--size', '100x200'], 'size is 100x200; expected multiples of 32'),
        (['--output', 'x.engine'], "suffix '.engine'; expected .onnx or .pt2"),
        (['--output', 'x.onnx', '--model', 'absent.safetensors'], 'absent.safetensors do not'),
    ],
)
def test_what_cannot_be_exported_is_refused_in_one_line(
    tiny_checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    """Nothing is written."""
    monkeypatch.chdir(tmp_path)
    assert main(['export', '--model', str(tiny_checkpoint), *arguments]) == 2
    problem = capsys.readouterr().err
    assert words in problem
    assert problem.count('\n') == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('size', ['big', '100', '100x', '-1x5', '0x0'])
def test_a_size_that_is_none_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], size: str
) -> None:
    """Exit code 2 and the words expected."""
    with pytest.raises(SystemExit) as caught:
        main(['export', '--output', str(tmp_path / 'x.onnx'), f'--size={size}'])
    assert caught.value.code == 2
    assert f"must be HxW, such as 512x1024, or 'dynamic', not '{size}'" in capsys.readouterr().err
