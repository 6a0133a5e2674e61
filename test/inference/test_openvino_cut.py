# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO runs what is below a cut of the tree in tiles, with the labels of the whole file."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.types import ImageSize, Wanted

torch = pytest.importorskip('torch')
pytest.importorskip('openvino')
pytest.importorskip('onnx')

TAXONOMY = load_taxonomy('street')
FRONT = TAXONOMY.node_id('Traffic Sign (Front)')
SIZE = (512, 1024)


def image(size: ImageSize = SIZE, seed: int = 4) -> np.ndarray:
    """Return smooth noise, of which parts are brighter and darker."""
    noise = np.random.default_rng(seed).integers(0, 256, (size[0] // 32, size[1] // 32, 3))
    return np.ascontiguousarray(cv2.resize(noise.astype(np.uint8), size[::-1]))


@pytest.fixture(scope='module')
def cut_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a network with random weights that takes a few spots of the image for signs."""
    from hiseg_ros.export.export import export_network
    from hiseg_ros.model.checkpoint import load_checkpoint, save_checkpoint
    from hiseg_ros.model.config import NetworkConfig
    from hiseg_ros.model.network import HierarchicalNetwork
    from hiseg_ros.preprocessing import Preprocessing

    torch.manual_seed(5)
    config = NetworkConfig(
        'efficientvit_b0', 32, 'summed_detail', 24, 'leaf', cut_at=('Traffic Sign (Front)',)
    )
    network = HierarchicalNetwork(config, TAXONOMY).eval()
    preprocessing = Preprocessing()
    rgb = torch.from_numpy(image()).permute(2, 0, 1)[None]
    build = importlib.import_module('hiseg_ros.model.decoders.build')
    with torch.no_grad():
        images = preprocessing.normalize(rgb)
        street, _ = build.decoded_paths(network.backbone, network.decoder, images)
        channel = int(street[0].flatten(1).std(1).argmax())
        values = street[0, channel]
        row = list(network.head.frontier).index(FRONT)
        network.head.logits.weight.mul_(0.1)
        network.head.logits.weight[row] = 0
        network.head.logits.weight[row, channel] = 30 / values.std()
        network.head.logits.bias[row] = -30 * values.flatten().quantile(0.998) / values.std()
        for below in network.head.below:
            torch.nn.init.normal_(below.weight, std=3.0)
    folder = tmp_path_factory.mktemp('cut')
    card: dict[str, Any] = {'name': 'cut'}
    save_checkpoint(folder / 'cut.safetensors', network, TAXONOMY, preprocessing, card)
    export_network(load_checkpoint(folder / 'cut.safetensors'), folder / 'cut.onnx')
    return folder / 'cut.onnx'


@pytest.fixture
def backends(cut_file: Path) -> Iterator[tuple[Any, Any]]:
    """Return the backend that divides the file, and one that runs it as it is."""
    from hiseg_ros.inference.backends.openvino_cpu import OpenVinoBackend
    from hiseg_ros.inference.exported_input import ExportedInput
    from hiseg_ros.inference.model_file import read_info

    info = read_info(cut_file)
    assert info.network is not None
    inputs = ExportedInput(info.preprocessing)
    quick = OpenVinoBackend(cut_file, inputs, 'cpu', 'float32', info.taxonomy, info.network.cut_at)
    whole = OpenVinoBackend(cut_file, inputs, 'cpu', 'float32')
    assert quick.cut is not None, 'the names of the export changed'
    assert whole.cut is None
    yield quick, whole
    quick.close()
    whole.close()


@pytest.mark.parametrize('size', [SIZE, (64, 96), (256, 512), SIZE])
def test_all_probabilities_are_those_of_the_file(
    backends: tuple[Any, Any], size: ImageSize
) -> None:
    """Where somebody reads them all, what is below the cut runs on the whole image."""
    quick, whole = backends
    images = quick.prepare(image(size))
    found = quick.node_probabilities(images)
    np.testing.assert_allclose(found, whole.node_probabilities(images), atol=2e-6)


@pytest.mark.parametrize('threshold', [0.0, 0.6])
def test_labels_are_those_of_the_whole_image(backends: tuple[Any, Any], threshold: float) -> None:
    """And of other images of this size and another one, some of which have no sign."""
    from hiseg_ros.decision.sparse import decide_sparse
    from hiseg_ros.decision.tables import DecisionTables

    quick, _ = backends
    tables = DecisionTables.of(TAXONOMY)
    counts = []
    for size, seed in ((SIZE, 4), (SIZE, 5), ((480, 640), 4), (SIZE, 4)):
        images = quick.prepare(image(size, seed))
        every = decide_sparse(quick.node_probabilities(images).copy(), tables, size, threshold)
        needed = quick.needed_probabilities(images, Wanted(probabilities=False))
        alone = decide_sparse(needed, tables, size, threshold)
        # The runtime's loops for a tile may add up in another order.
        assert (every[0] == alone[0]).mean() >= 0.9999
        assert np.abs(every[1].astype(int) - alone[1]).max() <= 1
        counts.append(quick.cut.tiles)
    assert counts[0] == counts[3] > 0
    signs = np.isin(every[0], TAXONOMY.nodes_below(FRONT))
    assert 0 < signs.mean() < 0.1


def test_masks_of_signs_have_the_probabilities_of_the_whole_image(
    backends: tuple[Any, Any],
) -> None:
    """At pixels of signs; where the types are read everywhere, they are everywhere."""
    quick, _ = backends
    images = quick.prepare(image())
    every = quick.node_probabilities(images).copy()
    below = list(TAXONOMY.nodes_below(FRONT))[1:]
    asked = Wanted(deepest=TAXONOMY.level(FRONT), subclasses=True)
    found = quick.needed_probabilities(images, asked).copy()
    assert quick.cut.tiles > 0
    computed = found[below].any(0)
    assert computed.any() and not computed.all()
    np.testing.assert_allclose(found[:, computed], every[:, computed], atol=2e-6)
    above = [node for node in range(len(TAXONOMY)) if node not in below]
    np.testing.assert_allclose(found[above], every[above], atol=2e-6)
    for asked in (Wanted(), Wanted(deepest=TAXONOMY.level(FRONT) + 1)):
        again = quick.needed_probabilities(images, asked)
        np.testing.assert_allclose(again, every, atol=2e-6)


def test_an_image_smaller_than_a_tile_runs_whole(backends: tuple[Any, Any]) -> None:
    """With the same probabilities everywhere."""
    quick, whole = backends
    images = quick.prepare(image((128, 256)))
    found = quick.needed_probabilities(images, Wanted(probabilities=False))
    assert quick.cut.tiles == 0
    np.testing.assert_allclose(found, whole.node_probabilities(images), atol=2e-6)


def test_an_engine_divides_the_file(cut_file: Path) -> None:
    """Its labels with all results and without are the same."""
    from hiseg_ros.inference.engine import Engine

    engine = Engine(cut_file, device='cpu', backend='openvino', precision='float32')
    every = engine.segment(image())
    alone = engine.segment(image(), Wanted(probabilities=False))
    engine.close()
    assert (every.labels == alone.labels).mean() >= 0.9999


def test_a_path_that_sees_everything_is_not_divided() -> None:
    """An operation over the whole image, or convolutions with unequal sides."""
    from openvino import Model, Type, opset13

    from hiseg_ros.inference.backends.openvino_cut import _sight

    def sight(*kernels: tuple[int, int, int, int], pooled: bool = False) -> Any:
        given = opset13.parameter([1, 2, -1, -1], Type.f32)
        values: Any = given
        for height, width, stride, pad in kernels:
            weights = np.zeros((2, 2, height, width), np.float32)
            values = opset13.convolution(
                values, weights, [stride, stride], [pad, pad], [pad, pad], [1, 1]
            )
        if pooled:
            values = opset13.add(values, opset13.reduce_mean(values, np.array([2, 3]), True))
        return _sight(Model([values.output(0)], [given], 'x'))

    assert sight((3, 3, 2, 1), (3, 3, 2, 1), (3, 3, 1, 1)) == (4, 7, 7)
    assert sight((5, 5, 2, 1)) == (2, 1, 3)
    assert sight((1, 1, 1, 0)) == (1, 0, 0)
    assert sight((3, 1, 1, 0)) is None
    assert sight((3, 3, 1, 1), pooled=True) is None
