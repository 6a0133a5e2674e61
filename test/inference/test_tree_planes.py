# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The loop for the tree's arithmetic has the results of the network's own operators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hiseg_ros.inference.model_file import read_info
from hiseg_ros.resources import default_model
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy

tree_planes = pytest.importorskip('hiseg_ros.inference.backends.tree_planes')


def widths_of(taxonomy: Taxonomy, *cuts: int) -> list[int]:
    """Return the children of the classifiers between some cuts, added up."""
    counts = [len(taxonomy.children(node)) for node in taxonomy.classifiers]
    ends = [0, *cuts, len(counts)]
    return [sum(counts[a:b]) for a, b in zip(ends, ends[1:], strict=False)]


@pytest.mark.parametrize('name', ['street', 'iv2018'])
@pytest.mark.parametrize('cuts', [(), (1,), (2, 3, 4)])
@pytest.mark.parametrize('size', [(1, 1), (3, 130), (5, 300)])
def test_a_node_is_its_parent_times_its_share_of_the_siblings(
    name: str, cuts: tuple[int, ...], size: tuple[int, int]
) -> None:
    """For any tree, any packs of its classifiers and any grid, narrower or wider than a step."""
    taxonomy = load_taxonomy(name)
    widths = widths_of(taxonomy, *cuts)
    tree = tree_planes.tree_of(taxonomy, widths)
    random = np.random.default_rng(len(cuts))
    odds = [np.exp(random.normal(0, 4, (*size, width))).astype(np.float32) for width in widths]
    planes = tree(odds)

    expected = np.zeros(planes.shape)
    expected[0] = 1
    columns = np.concatenate(odds, axis=2).astype(float)
    first = 0
    for parent in taxonomy.classifiers:
        children = list(taxonomy.children(parent))
        own = columns[:, :, first : first + len(children)]
        first += len(children)
        share = own / own.sum(2, keepdims=True)
        expected[children] = expected[parent] * share.transpose(2, 0, 1)
    np.testing.assert_allclose(planes, expected, rtol=2e-5, atol=1e-30)


def test_channels_that_are_no_whole_classifiers_are_not_taken() -> None:
    """Too few, too many, or a convolution that ends inside one."""
    taxonomy = load_taxonomy('street')
    whole = widths_of(taxonomy, 2)
    assert tree_planes.tree_of(taxonomy, whole) is not None
    for wrong in ([], whole[:1], [*whole, 3], [whole[0] - 1, whole[1] + 1], [sum(whole) + 1]):
        assert tree_planes.tree_of(taxonomy, wrong) is None


@pytest.mark.slow
@pytest.mark.parametrize('suffix', ['.onnx', '_int8.onnx'])
def test_openvino_leaves_the_tree_of_the_shipped_networks_to_the_loop(
    suffix: str, street_image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the numbers of the file's own arithmetic, at two sizes in turn."""
    pytest.importorskip('openvino')
    from hiseg_ros.inference.backends import openvino_cpu
    from hiseg_ros.inference.backends.openvino_cpu import OpenVinoBackend
    from hiseg_ros.inference.exported_input import ExportedInput

    # Around int8 a CPU with bfloat16 uses it, and then the two graphs round in other places.
    monkeypatch.setattr(openvino_cpu, 'has_bfloat16', lambda: False)
    path = default_model(suffix)
    info = read_info(path)
    precision = 'int8' if info.is_quantized else 'float32'
    inputs = ExportedInput(info.preprocessing, 128)
    quick = OpenVinoBackend(path, inputs, 'cpu', precision, info.taxonomy)
    whole = OpenVinoBackend(path, inputs, 'cpu', precision)
    assert len(quick.request((1, 64, 96, 3)).model_outputs) > 1, 'the names of the export changed'
    assert len(whole.request((1, 64, 96, 3)).model_outputs) == 1
    for rgb in (street_image, street_image[:, :130], street_image):
        images = quick.prepare(rgb)
        found = quick.node_probabilities(images)
        expected = whole.node_probabilities(images)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=2e-6)
    quick.close()
    whole.close()


def test_a_network_without_these_classifiers_runs_as_its_file_says(tmp_path: Path) -> None:
    """One softmax over all leaves has no classifiers to leave out."""
    pytest.importorskip('openvino')
    torch = pytest.importorskip('torch')
    pytest.importorskip('onnx')
    from hiseg_ros.export.export import export_network
    from hiseg_ros.inference.engine import Engine
    from hiseg_ros.model.checkpoint import load_checkpoint, save_checkpoint
    from hiseg_ros.model.config import NetworkConfig
    from hiseg_ros.model.network import HierarchicalNetwork
    from hiseg_ros.preprocessing import Preprocessing

    taxonomy = load_taxonomy('street')
    config = NetworkConfig('mobilenetv4_conv_small_050', channels=16, head='leaf')
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = HierarchicalNetwork(config, taxonomy).eval()
    card = {'name': 'leaf', 'recipe': 'random', 'training_sets': [], 'scores': {}}
    save_checkpoint(tmp_path / 'leaf.safetensors', network, taxonomy, Preprocessing(), card)
    export_network(load_checkpoint(tmp_path / 'leaf.safetensors'), tmp_path / 'leaf.onnx')
    rgb = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    found, expected = (
        Engine(tmp_path / file, device='cpu', backend=backend).segment(rgb).probabilities.values
        for file, backend in (('leaf.onnx', 'openvino'), ('leaf.safetensors', 'eager'))
    )
    np.testing.assert_allclose(found, expected, atol=1e-4)
