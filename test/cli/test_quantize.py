# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg quantize` on the command line: files, measured losses, refused options."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

if any(importlib.util.find_spec(name) is None for name in ('onnx', 'nncf', 'openvino', 'torch')):
    pytest.skip('no module onnx, nncf, openvino or torch', allow_module_level=True)

from hiseg_ros.cli import quantize as verb
from hiseg_ros.cli.__main__ import main
from hiseg_ros.datasets.scenes import draw_scene
from hiseg_ros.errors import ConfigError
from hiseg_ros.export.quantize import float_nodes
from hiseg_ros.inference.engine import Engine
from hiseg_ros.inference.model_file import read_info
from hiseg_ros.model.info import QUANTIZATION
from hiseg_ros.resources import tree_model

DRAWN = ('--dataset', 'drawn')


@pytest.fixture(scope='module')
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with drawn scenes, some of them in a folder below."""
    folder = tmp_path_factory.mktemp('images')
    for seed in range(6):
        path = folder / ('more' if seed % 2 else '') / f'{seed}.png'
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), draw_scene(seed, (128, 256)).rgb[..., ::-1])
    return folder


def test_a_network_in_int8_labels_nearly_as_before(
    calibration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is a quarter as large, says what it is and what it was measured to lose, and runs."""
    path = tmp_path / 'new' / 'street_int8.onnx'
    given = ['quantize', '--output', str(path), '--calibration', str(calibration)]
    given += ['--model', str(tree_model('.onnx'))]
    assert main([*given, '--images', '6', *DRAWN, '--root', str(tmp_path), '--limit', '2']) == 0
    printed = capsys.readouterr().out
    assert re.search(r'\d\d\.\d% of the labels of 1 images are those of float32', printed)
    assert re.search(r'mIoU on drawn val: \d+\.\d\d% in float32, \d+\.\d\d% in int8', printed)
    source = tree_model('.onnx')
    assert path.stat().st_size < 0.4 * source.stat().st_size
    card = dict(read_info(path).card)
    facts = card.pop(QUANTIZATION)
    assert card == read_info(source).card
    assert facts['precision'] == 'int8' and facts['calibration_images'] == 5
    assert facts['measured_on'] == 'drawn val'
    assert facts['miou_float32'] - facts['miou_int8'] <= verb.LARGEST_LOSS
    image = draw_scene(0, (256, 512)).rgb
    expected = Engine(source, device='cpu').segment(image)
    for backend in ('openvino', 'onnx_runtime'):
        engine = Engine(path, device='cpu', backend=backend, precision='auto')
        assert (engine.backend, engine.precision) == (backend, 'int8')
        found = engine.segment(image)
        assert (found.labels == expected.labels).mean() > 0.9
        values = found.probabilities.values
        for inner in engine.taxonomy.inner:
            children = list(engine.taxonomy.children(inner))
            np.testing.assert_allclose(values[inner], values[children].sum(0), atol=1e-5)
    assert Engine(path, device='cpu', precision='auto').backend == 'openvino'
    assert main([*given, '--model', str(path)]) == 2


@pytest.mark.parametrize(
    ('limit', 'message'),
    [
        ('LEAST_AGREEMENT', 'this network does not work in int8'),
        ('LARGEST_LOSS', 'less: nothing is'),
    ],
)
def test_a_network_that_loses_too_much_is_not_written(
    calibration: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    message: str,
) -> None:
    """One sentence says how much it lost, and an earlier file stays as it was."""
    monkeypatch.setattr(verb, limit, 1.1 if limit == 'LEAST_AGREEMENT' else -1.0)
    path = tmp_path / 'street_int8.onnx'
    path.write_text('earlier')
    given = ['quantize', '--output', str(path), '--calibration', str(calibration)]
    given += ['--model', str(tree_model('.onnx'))]
    assert main([*given, '--images', '2', *DRAWN, '--root', str(tmp_path), '--limit', '1']) == 2
    assert message in capsys.readouterr().err
    assert path.read_text() == 'earlier'
    assert not list(tmp_path.glob('*draft*'))


@pytest.mark.parametrize(
    ('changed', 'message'),
    [
        (['--output', 'x.pt2'], r'suffix .\.pt2.; expected \.onnx'),
        (['--model', 'absent.onnx'], 'absent.onnx do not exist'),
        (['--model', str(tree_model())], 'expected one written by `hiseg export`'),
        (['--model', str(tree_model('_int8.onnx'))], 'is already quantized'),
        (['--calibration', 'absent'], 'absent is not a folder'),
        (['--images', '1'], 'expected at least 2 of each'),
        (['--dataset', 'camvid'], 'without --root'),
    ],
)
def test_what_cannot_be_used_is_refused(
    calibration: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    changed: list[str],
    message: str,
) -> None:
    """Before anything is computed."""
    monkeypatch.chdir(tmp_path)
    given = ['quantize', '--output', 'x.onnx', '--calibration', str(calibration), *changed]
    assert main(given) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not list(tmp_path.iterdir())


def test_a_limit_below_0_is_a_usage_error(
    calibration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not a network that is computed and then measured on no image."""
    given = ['quantize', '--output', str(tmp_path / 'x.onnx'), '--calibration', str(calibration)]
    with pytest.raises(SystemExit) as caught:
        main([*given, *DRAWN, '--root', str(tmp_path), '--limit', '-1'])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert "argument --limit: must be an integer of at least 0, not '-1'" in error


def test_first_and_last_convolutions_stay_in_float() -> None:
    """And all before and after them: bytes to floats, logits to probabilities."""
    import onnx

    graph = onnx.load(tree_model('.onnx')).graph
    kept = set(float_nodes(graph))
    convolutions = [node.name for node in graph.node if node.op_type == 'Conv']
    in_float = [name for name in convolutions if name in kept]
    assert in_float[:3] == convolutions[:3]
    assert all('/head/logits' in name for name in in_float[3:])
    assert len(convolutions) - len(in_float) > 40
    kinds = {node.op_type for node in graph.node if node.name in kept}
    assert {'Sub', 'Exp', 'ReduceSum', 'Concat'} <= kinds


def test_attention_stays_in_float() -> None:
    """Products of activations, convolutions of their factors, all up to the next convolution."""
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info
    chain = [('images', f'c{index}', f'c{index + 1}') for index in range(9)]
    nodes = [helper.make_node('Conv', ['images', 'w'], ['c0'], 'c0')]
    for _, before, after in chain[:4]:
        nodes.append(helper.make_node('Conv', [before, 'w'], [after], after))
    nodes += [
        helper.make_node('Conv', ['c4', 'w'], ['query'], 'query'),
        helper.make_node('Relu', ['query'], ['positive'], 'positive'),
        helper.make_node('Conv', ['c4', 'w'], ['key'], 'key'),
        helper.make_node('MatMul', ['positive', 'key'], ['product'], 'product'),
        helper.make_node('Div', ['product', 'key'], ['share'], 'share'),
        helper.make_node('Conv', ['share', 'w'], ['c5'], 'c5'),
        helper.make_node('MatMul', ['c5', 'w'], ['linear'], 'linear'),
        helper.make_node('Conv', ['linear', 'w'], ['c6'], 'c6'),
        helper.make_node('Conv', ['c6', 'w'], ['logits'], 'logits'),
    ]
    unknown = [None] * 4
    graph = helper.make_graph(
        nodes, 'small', [value('images', TensorProto.FLOAT, unknown)],
        [value('logits', TensorProto.FLOAT, unknown)],
    )  # fmt: skip
    kept = set(float_nodes(graph))
    assert kept == {
        'c0', 'c1', 'c2', 'query', 'positive', 'key', 'product', 'share', 'logits'
    }  # fmt: skip


def test_int8_needs_a_quantized_file(tiny_checkpoint: Path) -> None:
    """Neither weights nor a file in float32 run in it, and a quantized one in nothing else."""
    with pytest.raises(ConfigError, match='has weights in float32'):
        Engine(tiny_checkpoint, device='cpu', precision='int8')
    with pytest.raises(ConfigError, match='is not quantized'):
        Engine(tree_model('.onnx'), device='cpu', precision='int8')
    with pytest.raises(ConfigError, match="is quantized to int8, and the precision is 'float32'"):
        Engine(tree_model('_int8.onnx'), device='cpu')


def test_the_shipped_file_in_int8_is_that_of_the_shipped_weights() -> None:
    """It says so of itself and labels nearly the same; within half a point of mIoU on CamVid."""
    path = tree_model('_int8.onnx')
    card = dict(read_info(path).card)
    facts = card.pop(QUANTIZATION)
    assert json.dumps(card) == json.dumps(dict(read_info(tree_model()).card))
    assert facts['measured_on'] == 'camvid val'
    assert facts['miou_float32'] - facts['miou_int8'] <= verb.LARGEST_LOSS
    image = draw_scene(5, (256, 512)).rgb
    found = Engine(path, device='cpu', precision='int8').segment(image)
    expected = Engine(tree_model('.onnx'), device='cpu').segment(image)
    assert (found.labels == expected.labels).mean() > 0.9
