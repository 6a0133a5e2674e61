# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A wrapped file has the results of the flat network, in every runtime."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

onnx = pytest.importorskip('onnx')
pytest.importorskip('numba')
from flat_networks import MEAN, STD, write_network  # noqa: E402
from onnx import TensorProto, numpy_helper  # noqa: E402

from hiseg_ros.decision.mapped import decide_mapping  # noqa: E402
from hiseg_ros.errors import CheckpointError, ConfigError  # noqa: E402
from hiseg_ros.export.flat import wrap as flat_wrap  # noqa: E402
from hiseg_ros.export.flat.verification import installed_runtimes  # noqa: E402
from hiseg_ros.export.flat.wrap import WrapOptions, Wrapped, wrap_flat  # noqa: E402
from hiseg_ros.inference.engine import Engine  # noqa: E402
from hiseg_ros.inference.model_file import read_info  # noqa: E402
from hiseg_ros.preprocessing import Preprocessing  # noqa: E402
from hiseg_ros.taxonomy import Taxonomy, load_mapping, load_taxonomy  # noqa: E402
from hiseg_ros.types import NodeProbabilities  # noqa: E402

RUNTIMES = installed_runtimes()
pytestmark = pytest.mark.skipif(not RUNTIMES, reason='no onnxruntime and no openvino')

RULE = Preprocessing(MEAN, STD, largest_height=1024)


@pytest.fixture(scope='module')
def street() -> Taxonomy:
    """Return the default tree."""
    return load_taxonomy('street')


@pytest.fixture(scope='module')
def image() -> np.ndarray:
    """Return a (64, 96, 3) uint8 image of large areas with soft borders."""
    coarse = np.random.default_rng(7).integers(0, 256, (4, 6, 3)).astype(np.float32)
    fine = cv2.resize(coarse, (96, 64), interpolation=cv2.INTER_CUBIC)
    return fine.clip(0, 255).astype(np.uint8)


def wrapped(
    path: Path, image: np.ndarray, tree: Taxonomy, mapping: str = 'cityscapes', **options: Any
) -> tuple[Wrapped, Path]:
    """Wrap a network and return what became of it, and the file."""
    output = path.with_name('wrapped.onnx')
    given = {'preprocessing': RULE, **options}
    return wrap_flat(path, output, tree, [image], WrapOptions(mapping=mapping, **given)), output


def scores_of(path: Path, rgb: np.ndarray, *, bgr: bool = False) -> np.ndarray:
    """Return (C, h, w) scores of a network that takes NCHW floats, computed without ONNX."""
    tensors = {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}
    image = (rgb / 255 - np.array(MEAN)) / np.array(STD)
    image = image[..., ::-1] if bgr else image
    cells = image.reshape(16, 4, 24, 4, 3).mean((1, 3))
    return (
        np.einsum('ck,hwk->chw', tensors['weights'][..., 0, 0], cells)
        + tensors['bias'][:, None, None]
    )


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return probabilities along the first axis."""
    odds = np.exp(scores - scores.max(0))
    return odds / odds.sum(0)


@pytest.mark.parametrize(('program', 'bgr'), list(zip(RUNTIMES, (True, False), strict=False)))
def test_classes_come_out_as_the_arithmetic_says(
    tmp_path: Path, street: Taxonomy, image: np.ndarray, program: str, bgr: bool
) -> None:
    """Preprocessing, softmax and mapping computed again by hand; parents are sums."""
    path = write_network(tmp_path / 'flat.onnx', 19, 'resize')
    result, output = wrapped(path, image, street, bgr=bgr)
    engine = Engine(output, device='cpu', backend=program)
    values = engine.segment(image).probabilities.values
    expected = softmax(scores_of(path, image, bgr=bgr))
    assert values.shape == (len(street), 16, 24)
    for one, mass in zip(result.classes, expected, strict=True):
        np.testing.assert_allclose(values[one.node_id], mass, atol=1e-4)
        leaves = list(street.leaves_below(one.node_id))
        np.testing.assert_allclose(
            values[leaves], np.broadcast_to(mass / len(leaves), (len(leaves), 16, 24)), atol=1e-4
        )
    np.testing.assert_allclose(values[0], 1, atol=1e-6)
    for inner in street.inner:
        below = values[list(street.children(inner))].sum(0)
        np.testing.assert_allclose(values[inner], below, atol=1e-5)
    mapping = load_mapping('cityscapes_labelids', street)
    ids = np.array([label.label_id for label in mapping.labels])
    at_cells = decide_mapping(NodeProbabilities(values, (16, 24)), street, mapping)
    assert (at_cells == ids[expected.argmax(0)]).mean() > 0.995


@pytest.mark.parametrize(
    ('tail', 'options'),
    [
        ('resize+softmax', {'opset': 13}),
        ('softmax+resize', {'opset': 19}),
        ('resize+argmax+cast', {}),
        ('softmax+last', {'layout': 'NHWC'}),
        ('corners', {}),
        ('sigmoid+resize', {'opset': 11, 'peak': 0.5}),
        ('last', {'layout': 'NHWC', 'dtype': TensorProto.UINT8}),
        ('scores', {'dtype': TensorProto.FLOAT16, 'size': (64, 96), 'batch': 1}),
        ('resize', {'dtype': TensorProto.UINT8, 'stride': 2}),
    ],
)
def test_networks_of_all_kinds_are_wrapped_and_proven(
    tmp_path: Path, street: Taxonomy, image: np.ndarray, tail: str, options: dict[str, Any]
) -> None:
    """Scores or probabilities, channels first or last, bytes or floats, with or without tail."""
    path = write_network(tmp_path / 'flat.onnx', 19, tail, **options)
    result, output = wrapped(path, image, street)
    assert [one.program for one in result.agreements] == RUNTIMES
    assert not result.failures
    for one in result.agreements:
        assert one.equal_classes == 1
        assert one.equal_sure == 1
        assert one.equal_output > 0.9
        assert one.largest_difference < 1e-3
    labels = [
        Engine(output, device='cpu', backend=program).segment(image).labels for program in RUNTIMES
    ]
    assert all((other == labels[0]).mean() > 0.999 for other in labels)
    assert set(np.unique(labels[0])) <= {one.node_id for one in result.classes}
    assert [path.name for path in tmp_path.iterdir() if path.suffix != '.onnx'] == []


@pytest.mark.parametrize('tail', ['argmax+cast+keepdims', 'resize+argmax'])
def test_a_label_map_is_one_hot(
    tmp_path: Path, street: Taxonomy, image: np.ndarray, tail: str
) -> None:
    """Where only ids are to be had; pooled to cells, and what is no class is unlabeled."""
    path = write_network(tmp_path / 'flat.onnx', 19, tail)
    result, output = wrapped(path, image, street, keep_tail=True)
    assert result.meaning.is_label_map
    assert result.stride == (4, 4)
    assert (result.classes[-1].name, result.classes[-1].node_id) == ('unlabeled', 0)
    engine = Engine(output, device='cpu')
    values = engine.segment(image).probabilities.values
    nodes = [one.node_id for one in result.classes[:-1]]
    if 'resize' not in tail:
        assert set(np.unique(values[nodes])) == {0, 1}
    assert (values[nodes].sum(0) > 0.999).all()
    # Fewer labels than ids: those beyond the list are no class.
    short = tmp_path / 'short.txt'
    short.write_text('\n'.join(one.name for one in result.classes[:9]))
    result, output = wrapped(
        path, image, street, mapping='cityscapes_labelids', keep_tail=True, classes=short
    )
    assert len(result.classes) == 10
    labels = Engine(output, device='cpu').segment(image).labels
    assert 0 in labels


def test_a_class_above_another_gets_a_plane_of_its_own(
    tmp_path: Path, street: Taxonomy, image: np.ndarray
) -> None:
    """Background on the root: the engine's probabilities keep to the nodes, labels hold it."""
    mapping = tmp_path / 'mine.yaml'
    mapping.write_text(
        'name: mine\nlabels:\n'
        '  - {id: 0, name: background, nodes: [Street Scene]}\n'
        '  - {id: 1, name: vehicle, nodes: [Motor Vehicle]}\n'
        '  - {id: 2, name: car, nodes: [Car]}\n'
        '  - {id: 3, name: person, nodes: [Human]}\n'
    )
    path = write_network(tmp_path / 'flat.onnx', 4)
    result, output = wrapped(path, image, street, str(mapping))
    info = read_info(output)
    assert max(place.plane for place in info.walk) > len(street)
    for program in RUNTIMES:
        engine = Engine(output, device='cpu', backend=program)
        found = engine.segment(image)
        values = found.probabilities.values
        assert len(values) == len(street)
        np.testing.assert_allclose(values[list(street.leaves)].sum(0), 1, atol=1e-5)
        names = {street.nodes[node].name for node in np.unique(found.labels)}
        assert names <= {'Street Scene', 'Motor Vehicle', 'Car', 'Human'}
        assert {'Street Scene', 'Motor Vehicle'} & names
    assert result.agreements[0].equal_sure == 1


def test_the_file_says_what_it_is(tmp_path: Path, street: Taxonomy, image: np.ndarray) -> None:
    """Taxonomy, size rule and a card; the network's own metadata stay."""
    path = write_network(tmp_path / 'flat.onnx', 19)
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {'author': 'somebody'})
    onnx.save(model, path)
    _, output = wrapped(path, image, street, name='mine', licence='MIT')
    onnx.checker.check_model(str(output), full_check=True)
    info = read_info(output)
    assert info.taxonomy == street
    assert info.network is None
    assert info.preprocessing == RULE
    assert (info.card['name'], info.card['licence']) == ('mine', 'MIT')
    assert info.card['flat_network']['mapping'] == 'cityscapes_labelids'
    first = info.card['flat_network']['classes'][0]
    assert first == {'channels': [0], 'label': 'road', 'label_id': 7, 'node': 'Driveable'}
    entries = {entry.key: entry.value for entry in onnx.load(output).metadata_props}
    assert entries['author'] == 'somebody'


def test_a_fine_output_is_pooled_to_cells(
    tmp_path: Path, street: Taxonomy, image: np.ndarray
) -> None:
    """To four pixels, or as asked for; where the sides do not allow it, to the next that do."""
    path = write_network(tmp_path / 'flat.onnx', 19, stride=1, peak=0.5)
    for stride in (1, 4):
        result, output = wrapped(path, image, street, stride=stride)
        assert result.stride == (stride, stride)
        values = Engine(output, device='cpu').segment(image).probabilities.values
        assert values.shape[1:] == (64 // stride, 96 // stride)
    path = write_network(tmp_path / 'flat.onnx', 19, stride=1, size=(63, 99), batch=1, peak=0.5)
    assert wrapped(path, image, street)[0].stride == (3, 3)


def test_a_network_for_one_size_takes_no_other(
    tmp_path: Path, street: Taxonomy, image: np.ndarray
) -> None:
    """Its own is kept, an open one may be closed."""
    fixed = write_network(tmp_path / 'flat.onnx', 19, size=(64, 64), batch=1)
    _, output = wrapped(fixed, image, street)
    assert Engine(output, device='cpu').segment(image).probabilities.values.shape[1:] == (16, 16)
    with pytest.raises(ConfigError, match='--size is 96x96, but .* has the fixed size 64x64'):
        wrapped(fixed, image, street, size=(96, 96))
    path = write_network(tmp_path / 'flat.onnx', 19)
    _, output = wrapped(path, image, street, size=(32, 48))
    assert Engine(output, device='cpu').segment(image).probabilities.values.shape[1:] == (8, 12)


def test_bfloat16_keeps_parents_the_sums_of_their_children(
    tmp_path: Path, street: Taxonomy, image: np.ndarray
) -> None:
    """What is added to the graph stays in float32."""
    openvino_cpu = pytest.importorskip('hiseg_ros.inference.backends.openvino_cpu')
    if not openvino_cpu.has_bfloat16():
        pytest.skip('this CPU has no bfloat16')
    _, output = wrapped(write_network(tmp_path / 'flat.onnx', 19), image, street)
    engine = Engine(output, device='cpu', backend='openvino', precision='bfloat16')
    values = engine.segment(image).probabilities.values
    for inner in street.inner:
        below = values[list(street.children(inner))].sum(0)
        np.testing.assert_allclose(values[inner], below, atol=1e-5)


@pytest.mark.parametrize(
    ('classes', 'tail', 'options', 'words'),
    [
        (
            21,
            'scores',
            {},
            r'shape \(1, 21, 16, 24\); expected 19, 20, 27, 28 or 34 classes by '
            r"mapping 'cityscapes'",
        ),
        (19, 'scores', {'softmax': 'no'}, r'expected probabilities.*--softmax yes'),
        (19, 'scores', {'mapping': 'camvid'}, 'expected 11 or 12 classes'),
        (1, 'scores', {}, 'has fractions; expected at least two classes'),
    ],
)
def test_outputs_that_do_not_fit_are_refused(
    tmp_path: Path,
    street: Taxonomy,
    image: np.ndarray,
    classes: int,
    tail: str,
    options: dict[str, Any],
    words: str,
) -> None:
    """What was found, what was expected; nothing is written."""
    path = write_network(tmp_path / 'flat.onnx', classes, tail)
    with pytest.raises(CheckpointError, match=words):
        wrapped(path, image, street, **options)
    assert [one.name for one in tmp_path.iterdir()] == ['flat.onnx']


def test_numbers_between_0_and_1_that_are_no_probabilities_must_be_explained(
    tmp_path: Path, street: Taxonomy, image: np.ndarray
) -> None:
    """Here they are sigmoids that the tail is asked to keep."""
    path = write_network(tmp_path / 'flat.onnx', 19, 'sigmoid')
    with pytest.raises(CheckpointError, match=r'between 0 and 1 and sums .*--softmax yes'):
        wrapped(path, image, street, keep_tail=True)
    result, _ = wrapped(path, image, street, keep_tail=True, softmax='yes')
    assert result.meaning.needs_softmax


def test_a_network_that_does_not_run_at_a_size_says_so(
    tmp_path: Path, street: Taxonomy, image: np.ndarray
) -> None:
    """Some graphs claim open sides and have one in them all the same."""
    path = write_network(tmp_path / 'flat.onnx', 19)
    model = onnx.load(path)
    model.graph.node[-1].output[0] = 'before'
    shape = numpy_helper.from_array(np.array([1, 19, 32, 32], np.int64), 'shape')
    model.graph.initializer.append(shape)
    model.graph.node.append(onnx.helper.make_node('Reshape', ['before', 'shape'], ['classes']))
    onnx.save(model, path)
    with pytest.raises(CheckpointError, match=r'does not run on .*\(1, 3, 64, 96\).*--size HxW'):
        wrapped(path, image, street)
    assert wrapped(path, image, street, size=(128, 128))[0].stride == (4, 4)


def test_a_file_that_says_something_else_is_not_written(
    tmp_path: Path, street: Taxonomy, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two classes in each other's place."""
    real = flat_wrap.wrapped_model

    def mixed_up(network: Any, meaning: Any, classes: Any, weights: Any, options: Any) -> Any:
        return real(network, meaning, [classes[1], classes[0], *classes[2:]], weights, options)

    monkeypatch.setattr(flat_wrap, 'wrapped_model', mixed_up)
    path = write_network(tmp_path / 'flat.onnx', 19)
    with pytest.raises(CheckpointError, match=r'differs from the flat network.*it is not written'):
        wrapped(path, image, street)
    assert [one.name for one in tmp_path.iterdir()] == ['flat.onnx']


def test_probabilities_without_any_runtime_cannot_be_proven(
    tmp_path: Path, street: Taxonomy, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says which packages do."""
    real = importlib.util.find_spec
    for module in ('export.flat.reference', 'export.flat.verification'):
        monkeypatch.setattr(
            f'hiseg_ros.{module}.find_spec',
            lambda name: None if name in ('onnxruntime', 'openvino') else real(name),
        )
    path = write_network(tmp_path / 'flat.onnx', 19)
    with pytest.raises(ConfigError, match='neither onnxruntime nor openvino'):
        wrapped(path, image, street)


def test_the_reference_may_run_in_openvino(
    tmp_path: Path, street: Taxonomy, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where ONNX Runtime is missing, the proof is the other one's alone."""
    pytest.importorskip('openvino')
    real = importlib.util.find_spec
    for module in ('export.flat.reference', 'export.flat.verification', 'inference.open_model'):
        monkeypatch.setattr(
            f'hiseg_ros.{module}.find_spec',
            lambda name: None if name == 'onnxruntime' else real(name),
        )
    path = write_network(tmp_path / 'flat.onnx', 19, 'resize+argmax')
    result, _ = wrapped(path, image, street)
    assert [one.program for one in result.agreements] == ['openvino']
    assert result.agreements[0].equal_classes == 1
