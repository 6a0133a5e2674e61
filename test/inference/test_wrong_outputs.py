# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Exported files whose output does not fit their tree end in one sentence, in every runtime."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hiseg_ros.errors import CheckpointError
from hiseg_ros.inference.model_file import read_info
from hiseg_ros.model.info import INFO_KEY, dump_info
from hiseg_ros.resources import default_model

onnx = pytest.importorskip('onnx')
RGB = np.zeros((64, 96, 3), np.uint8)
NODES = len(read_info(default_model('.onnx')).taxonomy)

OUTPUTS = {
    'too few planes': (1, NODES - 1, 4, 6),
    'too many planes': (1, NODES + 1, 4, 6),
    'three sides': (NODES, 4, 6),
    'five sides': (1, NODES, 4, 6, 1),
    'one number': (1,),
    'no batch': (0, NODES, 4, 6),
    'no rows': (1, NODES, 0, 6),
}


def write_network(path: Path, nodes: list[Any], outputs: list[Any]) -> None:
    """Write an ONNX file with the shipped network's info block and another graph."""
    helper = onnx.helper
    inputs = [helper.make_tensor_value_info('image', onnx.TensorProto.UINT8, [1, 'h', 'w', 3])]
    graph = helper.make_graph(nodes, 'hostile', inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    info = dataclasses.replace(read_info(default_model('.onnx')))
    helper.set_model_props(model, {INFO_KEY: dump_info(info)})
    path.write_bytes(model.SerializeToString())


def constant(name: str, value: np.ndarray) -> Any:
    """Return a node that puts out a constant."""
    tensor = onnx.numpy_helper.from_array(value)
    return onnx.helper.make_node('Constant', [], [name], name=name, value=tensor)


def output(name: str, kind: int = 1) -> Any:
    return onnx.helper.make_tensor_value_info(name, kind, None)


@pytest.mark.parametrize('backend', ['onnx_runtime', 'openvino'])
@pytest.mark.parametrize('what', [*OUTPUTS, 'whole numbers', 'double'])
def test_another_output_is_refused_in_a_sentence(what: str, backend: str, tmp_path: Path) -> None:
    pytest.importorskip({'onnx_runtime': 'onnxruntime'}.get(backend, backend))
    from hiseg_ros.inference.engine import Engine

    shape = OUTPUTS.get(what, (1, NODES, 4, 6))
    kind = {'whole numbers': np.int32, 'double': np.float64}.get(what, np.float32)
    path = tmp_path / 'hostile.onnx'
    of_type = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    write_network(path, [constant('nodes', np.zeros(shape, kind))], [output('nodes', of_type)])
    with pytest.raises(CheckpointError, match=r'hostile\.onnx.*expected'):
        Engine(path, device='cpu', backend=backend).segment(RGB)


def test_classifiers_with_grids_of_different_size_are_refused(tmp_path: Path) -> None:
    """By the names of `hiseg export`, so that OpenVINO leaves the tree to the compiled loop."""
    pytest.importorskip('openvino')
    from hiseg_ros.inference.engine import Engine
    from hiseg_ros.inference.exported_graph import LOGITS

    taxonomy = read_info(default_model('.onnx')).taxonomy
    widths = [len(taxonomy.children(node)) for node in taxonomy.classifiers]
    for sides in (((2, 3), (64, 64)), ((64, 64), (2, 3))):
        nodes = [
            constant(f'c{n}', np.zeros((1, width, *sides[n > 0]), np.float32))
            for n, width in enumerate(widths)
        ]
        nodes += [
            onnx.helper.make_node('Neg', [f'c{n}'], [LOGITS.format(n)], name=LOGITS.format(n))
            for n in range(len(widths))
        ]
        path = tmp_path / 'grids.onnx'
        write_network(path, nodes, [output(LOGITS.format(n)) for n in range(len(widths))])
        with pytest.raises(CheckpointError, match=r'grids\.onnx.*expected'):
            Engine(path, device='cpu', backend='openvino').segment(RGB)
