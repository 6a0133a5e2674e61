# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Other networks beside ours: their files, their input, the turns, and the table."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip('onnx')
from flat_networks import write_network  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402

from hiseg_ros.benchmark import peers  # noqa: E402
from hiseg_ros.benchmark.engines import EngineChoice, EngineJob  # noqa: E402
from hiseg_ros.benchmark.machine import describe_machine  # noqa: E402
from hiseg_ros.benchmark.page import markdown  # noqa: E402
from hiseg_ros.benchmark.peer_networks import MEAN, STD, PeerInput  # noqa: E402
from hiseg_ros.benchmark.peer_run import alternate  # noqa: E402
from hiseg_ros.benchmark.peers import (  # noqa: E402
    PeerFile,
    check_choices,
    measure_peers,
    peer_files,
)
from hiseg_ros.cli.__main__ import main  # noqa: E402
from hiseg_ros.errors import ConfigError  # noqa: E402
from hiseg_ros.export.flat.network import FlatInput  # noqa: E402

IMAGES = np.random.default_rng(0).integers(0, 256, (1, 8, 12, 3), np.uint8)


def write_two_inputs(path: Path) -> None:
    """Write a network that adds two images."""
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 'h', 'w'])
        for name in ('image', 'depth', 'sum')
    ]
    graph = helper.make_graph(
        [helper.make_node('Add', ['image', 'depth'], ['sum'])], 'two', values[:2], values[2:]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=10)
    path.write_bytes(model.SerializeToString())


def write_quantized(path: Path) -> None:
    """Write a network that rounds its input to bytes and back."""
    image, result = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 'h', 'w'])
        for name in ('image', 'result')
    )
    scale = helper.make_tensor('scale', TensorProto.FLOAT, [], [0.1])
    zero = helper.make_tensor('zero', TensorProto.UINT8, [], [128])
    nodes = [
        helper.make_node('QuantizeLinear', ['image', 'scale', 'zero'], ['bytes']),
        helper.make_node('DequantizeLinear', ['bytes', 'scale', 'zero'], ['result']),
    ]
    graph = helper.make_graph(nodes, 'quantized', [image], [result], [scale, zero])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=10)
    path.write_bytes(model.SerializeToString())


def test_networks_take_turns_and_the_first_changes() -> None:
    """Only rounds after the warm-up count; each time goes to the one that ran."""
    ran: list[str] = []
    now = [0.0]

    def run(name: str, seconds: float) -> None:
        ran.append(name)
        now[0] += seconds

    times = alternate(
        (lambda: run('ours', 2.0), lambda: run('peer', 3.0)), 1, 2, clock=lambda: now[0]
    )
    assert ran == ['ours', 'peer', 'peer', 'ours', 'ours', 'peer']
    assert times == [(2.0, 3.0), (2.0, 3.0)]


@pytest.mark.parametrize(
    ('shape', 'dtype', 'layout'),
    [
        ((1, 3, None, None), 'float32', 'NCHW'),
        ((None, 3, 8, 12), 'float16', 'NCHW'),
        ((None, None, None, None), 'float32', 'NCHW'),
        ((1, None, None, 3), 'float32', 'NHWC'),
        ((1, 8, 12, 3), 'uint8', 'NHWC'),
        ((None, None, None, None), 'uint8', 'NHWC'),
    ],
)
def test_an_image_is_given_in_layout_and_type_of_the_network(
    shape: tuple[int | None, ...], dtype: str, layout: str
) -> None:
    """As the preparation of wrapped networks gives it."""
    values = PeerInput('image', shape, dtype).prepared(IMAGES)
    reference = FlatInput('image', layout, np.dtype(dtype).type, None, True)
    expected = reference.prepared(IMAGES, tuple(MEAN), tuple(STD))
    assert values.dtype == expected.dtype
    assert values.flags.c_contiguous
    np.testing.assert_allclose(values, expected, atol=2e-3)


@pytest.mark.parametrize(
    ('shape', 'dtype', 'words'),
    [
        ((1, 3, 16, 12), 'float32', 'fixed at 16x12 pixels; expected 8x12'),
        ((1, 3, 16, None), 'float32', 'measure with --size 16x12'),
        ((1, 16, 24, 3), 'uint8', 'fixed at 16x24 pixels'),
        ((4, 3, None, None), 'float32', 'expected one image: export it for a batch of 1'),
        ((1, 1, None, None), 'float32', 'shape (1, 1, ?, ?); expected an image'),
        ((1, 3, None, None), 'int64', 'is int64 of shape'),
        ((1, 10), 'float32', 'shape (1, 10); expected an image'),
    ],
)
def test_an_input_that_is_no_such_image_is_refused(
    shape: tuple[int | None, ...], dtype: str, words: str
) -> None:
    """In one sentence that says what to do."""
    with pytest.raises(ConfigError) as caught:
        PeerInput('image', shape, dtype).prepared(IMAGES)
    assert words in str(caught.value)


def test_files_are_looked_into_without_a_runtime(tmp_path: Path) -> None:
    """By name, without hidden ones; what cannot be read has a sentence."""
    write_network(tmp_path / 'b.onnx', 5)
    write_quantized(tmp_path / 'a.ONNX')
    (tmp_path / '._b.onnx').write_bytes(b'x')
    (tmp_path / 'notes.txt').write_text('x')
    (tmp_path / 'damaged.onnx').write_bytes(b'\xff\xff\xff')
    (tmp_path / 'empty.onnx').touch()
    (tmp_path / 'folder.onnx').mkdir()
    files = {file.path.name: file for file in peer_files(tmp_path)}
    assert list(files) == ['a.ONNX', 'b.onnx', 'damaged.onnx', 'empty.onnx', 'folder.onnx']
    assert files['a.ONNX'].is_quantized
    assert not files['b.onnx'].is_quantized
    assert files['b.onnx'].megabytes == os.path.getsize(tmp_path / 'b.onnx') / 1e6
    for name in ('damaged.onnx', 'empty.onnx', 'folder.onnx'):
        assert 'cannot be read as ONNX' in files[name].error
    assert not files['a.ONNX'].error


def test_a_folder_without_networks_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And one that does not exist."""
    assert main(['benchmark', '--peers', str(tmp_path)]) == 2
    assert 'has no file *.onnx' in capsys.readouterr().err
    assert main(['benchmark', '--peers', str(tmp_path / 'none')]) == 2
    assert 'cannot be read' in capsys.readouterr().err


def test_only_runtimes_of_onnx_files_on_the_cpu_are_measured() -> None:
    """Torch runs no foreign file."""
    check_choices([EngineChoice('openvino', 'int8')], 'auto')
    with pytest.raises(ConfigError, match="with backend 'eager'; expected openvino"):
        check_choices([EngineChoice('eager', 'float32')], 'cpu')
    with pytest.raises(ConfigError, match='--device cuda; expected cpu'):
        check_choices([EngineChoice('openvino', 'float32')], 'cuda')


def test_where_our_network_does_not_run_nothing_is_said_of_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One row with the reason; a file of another kind still has its own."""
    failed = {'error': 'Ours does not run.', 'is_ours': True}
    monkeypatch.setattr(peers, '_beside', lambda job, file, choice: dict(failed))
    job = EngineJob(IMAGES, tmp_path)
    floats = [PeerFile(Path(name)) for name in ('a.onnx', 'b.onnx')]
    choices = [EngineChoice('openvino', 'float32')]
    (row,) = measure_peers(job, floats, choices)
    assert (row['error'], row.get('file')) == ('Ours does not run.', None)
    quantized = PeerFile(Path('c.onnx'), is_quantized=True)
    _, other = measure_peers(job, [*floats, quantized], choices)
    assert other['file'] == 'c.onnx' and 'It is quantized; expected' in other['error']


def test_the_table_has_the_fastest_first_and_errors_last() -> None:
    """Under a caption that names our file."""
    row: dict[str, Any] = {
        'size': [512, 1024],
        'backend': 'openvino',
        'precision': 'float32',
        'file': 'slow.onnx',
        'megabytes': 12.5,
        'model': 'street_lite.onnx',
        'outputs': [[1, 19, 64, 128]],
        'network_ms': {'median': 100.0, 'p95': 110.0},
        'ours_ms': {'median': 50.0, 'p95': 60.0},
        'ratio': 2.0,
        'ratio_low': 1.9,
        'ratio_high': 2.25,
    }
    bad = {'size': [512, 1024], 'file': 'bad.onnx', 'error': 'It is bad.'}
    rows = [bad, row, {**row, 'file': 'fast.onnx', 'ratio': 0.5}]
    page = markdown({'command': '', 'machine': describe_machine(), 'peers': rows})
    table = page[page.index('Networks alone') :].splitlines()
    assert table[0].endswith('in turns, beside `street_lite.onnx`:')
    assert table[4].startswith('| 512x1024 | fast.onnx | openvino float32 |')
    assert table[5] == (
        '| 512x1024 | slow.onnx | openvino float32 | 12.5 | 1x19x64x128 | 100.0 (110.0) | '
        '50.0 (60.0) | 2.00 (1.90 to 2.25) |'
    )
    assert table[6] == '| 512x1024 | bad.onnx |  | not measured: It is bad. |'


@pytest.mark.slow
def test_bad_files_are_a_sentence_each_and_the_rest_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In OpenVINO, at two sizes of which a fixed one fits the first."""
    pytest.importorskip('openvino')
    folder = tmp_path / 'peers'
    folder.mkdir()
    write_network(folder / 'fixed.onnx', 7, size=(64, 128), batch=1)
    write_quantized(folder / 'quantized.onnx')
    write_two_inputs(folder / 'two.onnx')
    (folder / 'damaged.onnx').write_bytes(b'\xff\xff\xff')
    target = tmp_path / 'peers.json'
    arguments = ['benchmark', '--peers', str(folder), '--size', '64x128,64x96']
    arguments += ['--backend', 'openvino', '--frames', '2', '--warm-up', '1']
    arguments += ['--input-height', '64', '--json', str(target)]
    assert main(arguments) == 0
    result = json.loads(target.read_text())
    assert result['command'].startswith('hiseg benchmark --peers DIR --size 64x128,64x96')
    rows = {(row['file'], tuple(row['size'])): row for row in result['peers']}
    assert len(rows) == 8
    row = rows['fixed.onnx', (64, 128)]
    assert row['outputs'] == [[1, 7, 16, 32]]
    assert row['model'] == 'street_vit.onnx'
    assert row['input_size'] == [64, 128]
    assert row['ratio_low'] <= row['ratio'] <= row['ratio_high']
    assert 0 < row['network_ms']['median'] <= row['network_ms']['p95']
    assert 'fixed at 64x128 pixels; expected 64x96' in rows['fixed.onnx', (64, 96)]['error']
    assert "inputs are 'image', 'depth'" in rows['two.onnx', (64, 128)]['error']
    assert 'cannot be read as ONNX' in rows['damaged.onnx', (64, 96)]['error']
    assert 'It is quantized; expected' in rows['quantized.onnx', (64, 96)]['error']
    assert '| 64x128 | damaged.onnx |  | not measured: It cannot' in capsys.readouterr().out


@pytest.mark.slow
def test_files_are_measured_in_onnx_runtime_and_in_int8(tmp_path: Path) -> None:
    """A quantized file beside our quantized network; where ours cannot run, one row says so."""
    write_quantized(tmp_path / 'quantized.onnx')
    write_network(tmp_path / 'floats.onnx', 3, dtype=TensorProto.UINT8, layout='NHWC')
    target = tmp_path / 'peers.json'
    arguments = ['benchmark', '--peers', str(tmp_path), '--size', '64x96', '--frames', '1']
    arguments += ['--backend', 'onnx_runtime,onnx_runtime:int8', '--warm-up', '0']
    arguments += ['--input-height', '64', '--json', str(target)]
    assert main(arguments) == 0
    floats, quantized = json.loads(target.read_text())['peers']
    assert (floats['file'], floats['model']) == ('floats.onnx', 'street_vit.onnx')
    assert (quantized['file'], quantized['model']) == ('quantized.onnx', 'street_lite_int8.onnx')
    missing = str(tmp_path / 'none.onnx')
    assert main([*arguments, '--model', missing]) == 0
    rows = json.loads(target.read_text())['peers']
    assert [row.get('file') for row in rows] == [None, None]
    assert all('do not exist' in row['error'] for row in rows)
