# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The loop for the tree's arithmetic has the results of the network's own operators."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hiseg_ros.inference.model_file import read_info
from hiseg_ros.resources import default_model, tree_model
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy
from hiseg_ros.types import Wanted

tree_planes = pytest.importorskip('hiseg_ros.inference.backends.tree_planes')
decide_sparse = pytest.importorskip('hiseg_ros.decision.sparse').decide_sparse
DecisionTables = pytest.importorskip('hiseg_ros.decision.tables').DecisionTables


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
def test_openvino_leaves_the_tree_of_a_trained_network_to_the_loop(
    suffix: str, street_image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the numbers of the file's own arithmetic, at two sizes in turn.

    Labels are those of the probabilities that are computed for them alone, too.
    """
    pytest.importorskip('openvino')
    from hiseg_ros.inference.backends import openvino_cpu
    from hiseg_ros.inference.backends.openvino_cpu import OpenVinoBackend
    from hiseg_ros.inference.exported_input import ExportedInput

    # Around int8 a CPU with bfloat16 uses it, and then the two graphs round in other places.
    monkeypatch.setattr(openvino_cpu, 'has_bfloat16', lambda: False)
    path = tree_model(suffix)
    info = read_info(path)
    precision = 'int8' if info.is_quantized else 'float32'
    inputs = ExportedInput(info.preprocessing, 128)
    quick = OpenVinoBackend(path, inputs, 'cpu', precision, info.taxonomy)
    whole = OpenVinoBackend(path, inputs, 'cpu', precision)
    assert quick.classifiers is not None, 'the names of the export changed'
    assert whole.classifiers is None
    tables = DecisionTables.of(info.taxonomy)
    for rgb in (street_image, street_image[:, :130], street_image):
        images = quick.prepare(rgb)
        found = quick.node_probabilities(images)
        expected = whole.node_probabilities(images)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=2e-6)
        size = rgb.shape[:2]
        for threshold in (0.0, 0.6):
            every, _ = decide_sparse(expected, tables, size, threshold)
            needed = quick.needed_probabilities(images, Wanted(probabilities=False))
            alone, _ = decide_sparse(needed, tables, size, threshold)
            assert (every == alone).mean() >= 0.9999
        assert quick.classifiers.evaluated < quick.classifiers.evaluations_everywhere
    quick.close()
    whole.close()


@pytest.mark.slow
@pytest.mark.parametrize('file', [tree_model, default_model])
def test_signs_get_the_votes_that_all_probabilities_give(
    file: Callable[..., Path], street_image: np.ndarray
) -> None:
    """Though types are evaluated at signs alone, and nothing else below the root is there."""
    pytest.importorskip('openvino')
    from hiseg_ros.inference.engine import Engine
    from hiseg_ros.regions import subclass_masks

    engine = Engine(
        file('.onnx'), device='cpu', backend='openvino', precision='float32', input_height=512
    )
    every = engine.segment(street_image)
    parts = engine.segment(street_image, Wanted(deepest=0, subclasses=True))
    engine.close()
    below = list(engine.taxonomy.nodes_below(engine.taxonomy.subclass_root))
    if file is tree_model:  # the other one takes the whole image where much of it may be signs
        assert (parts.probabilities.values[below] == 0).any()
    expected, found = (subclass_masks(one, engine.taxonomy, min_area=4) for one in (every, parts))
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert (one.node_id, one.roi) == (other.node_id, other.roi)
        assert one.score == pytest.approx(other.score, abs=1e-4)


CARD: dict[str, Any] = {'name': 'x', 'recipe': 'random', 'training_sets': [], 'scores': {}}


def exported(folder: Path, **parts: Any) -> tuple[Path, Path]:
    """Write a network with random weights; return its file and that of its export."""
    torch = pytest.importorskip('torch')
    pytest.importorskip('onnx')
    from hiseg_ros.export.export import export_network
    from hiseg_ros.model.checkpoint import load_checkpoint, save_checkpoint
    from hiseg_ros.model.config import NetworkConfig
    from hiseg_ros.model.network import HierarchicalNetwork
    from hiseg_ros.preprocessing import Preprocessing

    taxonomy = load_taxonomy('street')
    config = NetworkConfig('mobilenetv4_conv_small_050', channels=16, **parts, decoder='fusion')
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = HierarchicalNetwork(config, taxonomy).eval()
    weights, target = folder / 'x.safetensors', folder / 'x.onnx'
    save_checkpoint(weights, network, taxonomy, Preprocessing(), CARD)
    export_network(load_checkpoint(weights), target)
    return weights, target


@pytest.mark.parametrize(
    ('parts', 'is_sparse'),
    [
        ({'head': 'leaf'}, False),
        ({'head': 'nodes'}, True),
        ({'head': 'conditional', 'branch': 'bottleneck'}, False),
    ],
)
def test_other_heads_have_the_probabilities_of_their_weights(
    parts: dict[str, str], is_sparse: bool, tmp_path: Path
) -> None:
    """A leaf softmax needs all classes at each point, and a bottleneck sees the points around."""
    pytest.importorskip('openvino')
    from hiseg_ros.inference.backends.openvino_cpu import OpenVinoBackend
    from hiseg_ros.inference.engine import Engine
    from hiseg_ros.inference.exported_input import ExportedInput

    weights, target = exported(tmp_path, **parts)
    info = read_info(target)
    backend = OpenVinoBackend(target, ExportedInput(info.preprocessing), 'cpu', 'float32',
                              info.taxonomy)  # fmt: skip
    assert (backend.classifiers is not None) == is_sparse
    backend.close()
    rgb = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    quick, slow = (
        Engine(file, device='cpu', backend=name)
        for file, name in ((target, 'openvino'), (weights, 'eager'))
    )
    expected = slow.segment(rgb)
    every, alone = quick.segment(rgb), quick.segment(rgb, Wanted(probabilities=False))
    found = every.probabilities.values
    np.testing.assert_allclose(found, expected.probabilities.values, atol=1e-4)
    assert (alone.labels == expected.labels).mean() > 0.99
    assert (alone.labels == every.labels).mean() > 0.999
