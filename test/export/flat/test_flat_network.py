# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Input and class tensor of flat networks are found, or the error says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip('onnx')
from flat_networks import write_network  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402

from hiseg_ros.errors import CheckpointError, ConfigError  # noqa: E402
from hiseg_ros.export.flat.network import open_flat_network  # noqa: E402
from hiseg_ros.model.info import INFO_KEY  # noqa: E402


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({}, ('NCHW', np.float32, None, True)),
        ({'layout': 'NHWC', 'dtype': TensorProto.UINT8}, ('NHWC', np.uint8, None, True)),
        (
            {'dtype': TensorProto.FLOAT16, 'size': (64, 96), 'batch': 1},
            ('NCHW', np.float16, (64, 96), False),
        ),
    ],
)
def test_the_input_is_known_by_its_shape(
    tmp_path: Path, options: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    """Place of the colours, type, size, and whether there may be several images."""
    found = open_flat_network(write_network(tmp_path / 'x.onnx', 19, **options)).input
    assert (found.layout, found.dtype, found.size, found.any_batch) == expected


@pytest.mark.parametrize(
    ('tail', 'operator', 'kind'),
    [
        ('scores', 'Conv', 'scores'),
        ('softmax', 'Softmax', 'probabilities'),
        ('resize', 'Conv', 'scores'),
        ('resize+softmax', 'Conv', 'scores'),
        ('softmax+resize', 'Softmax', 'probabilities'),
        ('resize+argmax', 'Conv', 'scores'),
        ('resize+softmax+argmax+cast', 'Conv', 'scores'),
        ('argmax+keepdims', 'Conv', 'scores'),
        ('corners', 'Resize', 'scores'),
        ('corners+argmax', 'Resize', 'scores'),
        ('sigmoid', 'Conv', 'scores'),
        ('sigmoid+resize', 'Conv', 'scores'),
        ('last', 'Transpose', 'scores'),
    ],
)
def test_a_last_argmax_and_enlargement_are_left_out(
    tmp_path: Path, tail: str, operator: str, kind: str
) -> None:
    """But not an enlargement that places pixels in another way than the decision."""
    path = write_network(tmp_path / 'x.onnx', 19, tail)
    network = open_flat_network(path)
    (maker,) = (node for node in network.model.graph.node if network.source.name in node.output)
    assert (maker.op_type, network.source.kind) == (operator, kind)
    assert network.output.name == 'classes'
    kept = open_flat_network(path, keep_tail=True).source
    assert kept.name == 'classes'
    assert kept.kind == (
        'label map' if 'argmax' in tail else ('probabilities' if 'softmax' in tail else 'scores')
    )
    assert open_flat_network(path, output_name=maker.output[0]).output.name == maker.output[0]


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    """Missing, of another kind, empty, already wrapped, or with names that are taken."""
    path = tmp_path / 'x.onnx'
    with pytest.raises(CheckpointError, match='does not exist.*check --onnx'):
        open_flat_network(path)
    path.write_bytes(b'PK\x03\x04 no onnx')
    with pytest.raises(CheckpointError, match='cannot be read as ONNX'):
        open_flat_network(path)
    path.write_bytes(b'')
    with pytest.raises(CheckpointError, match='has no network'):
        open_flat_network(path)
    model = onnx.load(write_network(path, 19))
    helper.set_model_props(model, {INFO_KEY: '{}'})
    onnx.save(model, path)
    with pytest.raises(CheckpointError, match='is already a file of `hiseg export`'):
        open_flat_network(path)
    model = onnx.load(write_network(path, 19))
    model.graph.node.append(helper.make_node('Identity', ['classes'], ['hiseg_x']))
    onnx.save(model, path)
    with pytest.raises(CheckpointError, match="begin with 'hiseg_'"):
        open_flat_network(path)


def test_weights_beside_the_file_are_read_or_missed(tmp_path: Path) -> None:
    """As newer exporters write them."""
    path = write_network(tmp_path / 'x.onnx', 19)
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location='x.onnx.data', size_threshold=0)
    assert (tmp_path / 'x.onnx.data').is_file()
    assert open_flat_network(path).model.graph.initializer[0].raw_data
    (tmp_path / 'x.onnx.data').unlink()
    with pytest.raises(CheckpointError, match=r'cannot be read as ONNX.*x\.onnx\.data'):
        open_flat_network(path)


def test_an_older_graph_is_raised(tmp_path: Path) -> None:
    """Where the operators allow it."""
    network = open_flat_network(write_network(tmp_path / 'x.onnx', 19, opset=11))
    assert network.model.opset_import[0].version == 17


def changed(path: Path, change: Any) -> Path:
    """Write a file again with its model changed."""
    model = onnx.load(path)
    change(model.graph)
    onnx.save(model, path)
    return path


def test_of_several_outputs_one_must_be_named(tmp_path: Path) -> None:
    """And it must exist."""

    def second_output(graph: Any) -> None:
        graph.node.append(helper.make_node('Identity', ['classes'], ['other']))
        graph.output.append(helper.make_tensor_value_info('other', TensorProto.FLOAT, None))

    path = changed(write_network(tmp_path / 'x.onnx', 19, 'resize'), second_output)
    with pytest.raises(ConfigError, match=r"outputs \['classes', 'other'\].*--output-name NAME"):
        open_flat_network(path)
    with pytest.raises(ConfigError, match="has no tensor 'absent'"):
        open_flat_network(path, output_name='absent')
    assert open_flat_network(path, output_name='classes').source.name != 'classes'


def test_several_inputs_are_refused(tmp_path: Path) -> None:
    """Unless the others are constants, or the classes do not need them."""

    def second_input(graph: Any) -> None:
        graph.input.append(helper.make_tensor_value_info('depth', TensorProto.FLOAT, [1]))
        graph.input.append(helper.make_tensor_value_info('weights', TensorProto.FLOAT, None))

    path = changed(write_network(tmp_path / 'x.onnx', 19), second_input)
    assert open_flat_network(path).input.name == 'image'

    def used(graph: Any) -> None:
        graph.node[-1].output[0] = 'before'
        graph.node.append(helper.make_node('Add', ['before', 'depth'], ['classes']))

    path = changed(path, used)
    with pytest.raises(CheckpointError, match=r"the inputs \['image', 'depth'\]; expected one"):
        open_flat_network(path)


@pytest.mark.parametrize(
    ('shape', 'kind', 'words'),
    [
        (['n', 1, 'h', 'w'], TensorProto.FLOAT, r'\(n, 1, h, w\); expected three channels'),
        (['n', 3, 'h'], TensorProto.FLOAT, r'float of shape \(n, 3, h\); expected an image'),
        (['n', 3, 'h', 'w'], TensorProto.DOUBLE, r'double of shape .*; expected an image'),
        ([4, 3, 'h', 'w'], TensorProto.FLOAT, 'has batch size 4; expected 1 or an open one'),
        ([1, 3, 64, 'w'], TensorProto.FLOAT, 'height and width both fixed or both open'),
    ],
)
def test_an_input_that_is_no_image_is_refused(
    tmp_path: Path, shape: list[Any], kind: int, words: str
) -> None:
    """With its shape and what is expected."""

    def other_input(graph: Any) -> None:
        graph.input[0].CopyFrom(helper.make_tensor_value_info('image', kind, shape))

    path = changed(write_network(tmp_path / 'x.onnx', 19), other_input)
    with pytest.raises(CheckpointError, match=words):
        open_flat_network(path)
