# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What more classes cost: in a subtree below a rare node, and in one softmax over all classes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.decision.classifiers import Classifier, ClassifierTree
from hiseg_ros.decision.compiled import Bytes, Floats
from hiseg_ros.decision.sparse import decide_sparse
from hiseg_ros.decision.tables import DecisionTables
from hiseg_ros.errors import ConfigError
from hiseg_ros.inference.model_file import ONNX
from hiseg_ros.inference.open_model import INT8_FILE, open_backend
from hiseg_ros.resources import tree_model
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import ImageSize

FAN = 10
"""Children of each node of the subtree that is added."""

BRANCH = 16
"""Outputs of the private layer of each classifier that is added."""

RARE = 1e-3
"""Largest share of the pixels of a rare node: one of a thousand."""

Parents = list[int | None]


@dataclass(frozen=True)
class Variant:
    """A head behind the same features."""

    name: str
    classes: int
    """Number of its leaves."""
    tables: DecisionTables
    planes: Callable[[Floats], Floats]
    """(h, w, C) features to the (V, h, w) probabilities that its labels depend on."""
    decides: bool = True
    """Whether the decision is counted: random weights make one of more work than trained ones."""


def subtree_cost(
    model: Path | None,
    precision: str,
    images: NDArray[np.uint8],
    *,
    leaves: int,
    frames: int,
    warm_up: int,
    input_height: int = 0,
) -> dict[str, Any]:
    """Measure heads with more and fewer classes in turn, behind one network in OpenVINO.

    The weights of what is added are random. Its node is a rare leaf: that with the most pixels
    among those that have at most one in a thousand of the images' pixels.

    Args:
        model: A .onnx file with a classifier for each inner node; None for the shipped one.
        precision: Precision of the convolutions; see `Engine`.
        images: (N, H, W, 3) uint8.
        leaves: Number of leaves to add.
        frames: Frames that are timed.
        warm_up: Frames before them.
        input_height: Shorter side of the network's input; 0 = the weights' rule.

    Returns:
        'model', 'precision', 'size', 'input_size', 'leaves', 'node' and 'node_share' of the
        pixels; 'common_ms' of preparation and features; and 'heads': for each 'name', 'classes',
        'ms' and 'cpu_ms' of the head with its decision (median; all threads together), and
        'frame', the time of a whole frame relative to that of the network as it is, and
        'cpu_frame', the same by the time of the CPU.

    Raises:
        CheckpointError: The file cannot be used.
        ConfigError: OpenVINO is not installed, or the file has no such classifiers.
    """
    from hiseg_ros.inference.backends.openvino_cpu import OpenVinoBackend

    path = model or tree_model(INT8_FILE if precision == 'int8' else ONNX)
    backend, _, info = open_backend(
        path, backend='openvino', device='cpu', precision=precision, input_height=input_height
    )
    assert isinstance(backend, OpenVinoBackend)
    tree = backend.classifiers
    if tree is None:
        raise ConfigError(
            f'{path} has no classifiers that can be evaluated apart from the network; expected a '
            "network with head 'conditional' and pointwise branches: choose another --model."
        )
    size = (images.shape[1], images.shape[2])

    def run(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        return backend.features(backend.prepare(rgb))

    labels = [decide_sparse(tree(run(rgb)), tree.tables, size)[0] for rgb in images]
    node, share = rare_leaf(info.taxonomy, labels)
    variants = _variants(info.taxonomy, tree, node, leaves)
    common: list[tuple[float, float]] = []
    of_variant: dict[str, list[tuple[float, float]]] = {one.name: [] for one in variants}
    for number in range(-warm_up, frames):
        rgb = images[number % len(images)]
        times, features = _timed(partial(run, rgb))
        common += [times] * (number >= 0)
        for one in variants:
            times, _ = _timed(partial(_decided, one, features, size))
            of_variant[one.name] += [times] * (number >= 0)
    input_size = backend.input_size(size)
    backend.close()
    before = np.median(common, axis=0)
    medians = [np.median(of_variant[one.name], axis=0) for one in variants]
    ratios = [(before + mine) / (before + medians[0]) for mine in medians]
    return {
        'model': path.name,
        'precision': backend.precision,
        'size': list(size),
        'input_size': list(input_size),
        'leaves': leaves,
        'node': info.taxonomy.nodes[node].name,
        'node_share': round(share, 7),
        'common_ms': round(float(before[0]), 2),
        'common_cpu_ms': round(float(before[1]), 2),
        'heads': [
            {
                'name': one.name,
                'classes': one.classes,
                'ms': round(float(mine[0]), 2),
                'cpu_ms': round(float(mine[1]), 2),
                'frame': round(float(ratio[0]), 4),
                'cpu_frame': round(float(ratio[1]), 4),
            }
            for one, mine, ratio in zip(variants, medians, ratios, strict=True)
        ],
    }


def rare_leaf(taxonomy: Taxonomy, labels: Sequence[Bytes]) -> tuple[int, float]:
    """Return a rare leaf and its share of the pixels; see `subtree_cost`."""
    counts = sum(np.bincount(image.reshape(-1), minlength=len(taxonomy)) for image in labels)
    shares = np.asarray(counts)[list(taxonomy.leaves)] / sum(image.size for image in labels)
    rare = np.where(shares <= RARE, shares, -1)
    best = int(rare.argmax()) if rare.max() > 0 else int(shares.argmin())
    return taxonomy.leaves[best], float(shares[best])


def grown(parents: Parents, node: int, leaves: int) -> Parents:
    """Return the parents of a tree in which a leaf has got some leaves, in branches of FAN."""
    added: Parents = []

    def add(parent: int, count: int) -> None:
        for part in range(FAN) if count > FAN else range(count):
            own = count * (part + 1) // FAN - count * part // FAN if count > FAN else 1
            child = node + 1 + len(added)
            added.append(parent)
            if own > 1:
                add(child, own)

    add(node, leaves)
    after: Parents = [
        parent + len(added) if parent is not None and parent > node else parent
        for parent in parents[node + 1 :]
    ]
    return [*parents[: node + 1], *added, *after]


def _decided(one: Variant, features: Floats, size: ImageSize) -> None:
    """Compute what is timed of a variant."""
    planes = one.planes(features)
    if one.decides:
        decide_sparse(planes, one.tables, size)


def _timed(work: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
    """Return the milliseconds that some work took, by the clock and of the CPU, and its result."""
    began, cpu = time.perf_counter(), time.process_time()
    result = work()
    return (1e3 * (time.perf_counter() - began), 1e3 * (time.process_time() - cpu)), result


def _variants(taxonomy: Taxonomy, tree: ClassifierTree, node: int, leaves: int) -> list[Variant]:
    """Return the heads that are measured, that of the network first."""
    parents: Parents = [one.parent for one in taxonomy.nodes]
    more = grown(parents, node, leaves)
    bigger = _with_random(tree, more, node)
    classes = len(taxonomy.leaves) - 1 + leaves
    variants = [
        Variant('the tree', len(taxonomy.leaves), tree.tables, tree),
        Variant('the tree and the subtree', classes, bigger.tables, bigger),
        Variant(
            'one softmax over as many classes, without its decision',
            classes,
            tree.tables,
            _flat_head(tree, classes),
            decides=False,
        ),
    ]
    if taxonomy.subclass_root is not None:
        root = taxonomy.subclass_root
        less = _without_subclasses(taxonomy, tree, root)
        name = f'the tree without the types of {taxonomy.nodes[root].name}'
        left = len(taxonomy.leaves) + 1 - len(taxonomy.leaves_below(root))
        variants.append(Variant(name, left, less.tables, less))
    return variants


def _with_random(tree: ClassifierTree, parents: Parents, node: int) -> ClassifierTree:
    """Return the tree with random classifiers for the inner nodes at and below a former leaf."""
    tables = DecisionTables.of_parents(parents)
    counts = np.diff(tables.child_start)
    random = np.random.default_rng(0)
    end = node + len(parents) - len(tree.tables)
    former = iter(tree.classifiers)

    def normal(*shape: int) -> Floats:
        return (random.normal(0, 1, shape) / np.sqrt(shape[-1])).astype(np.float32)

    classifiers = [
        Classifier(
            normal(BRANCH, tree.channels), np.zeros(BRANCH, np.float32),
            normal(int(counts[inner]), BRANCH), np.zeros(counts[inner], np.float32),
        )
        if node <= inner <= end
        else next(former)
        for inner in np.flatnonzero(counts)
    ]  # fmt: skip
    return ClassifierTree(tables, classifiers)


def _without_subclasses(taxonomy: Taxonomy, tree: ClassifierTree, root: int) -> ClassifierTree:
    """Return the tree in which one node is a leaf."""
    below = set(taxonomy.nodes_below(root)) - {root}
    kept = [node.node_id for node in taxonomy.nodes if node.node_id not in below]
    place = {node: number for number, node in enumerate(kept)}
    parents = [taxonomy.parent(node) for node in kept]
    inner = zip(taxonomy.classifiers, tree.classifiers, strict=True)
    return ClassifierTree(
        DecisionTables.of_parents([None if one is None else place[one] for one in parents]),
        [classifier for node, classifier in inner if node != root and node not in below],
    )


def _flat_head(tree: ClassifierTree, classes: int) -> Callable[[Floats], Floats]:
    """Return a layer and a softmax over some classes in OpenVINO, with random weights."""
    from openvino import Model, Type, opset13

    from hiseg_ros.inference.backends.openvino_cpu import settings_of, shared_core

    random = np.random.default_rng(0)
    weights = random.normal(0, tree.channels**-0.5, (classes, tree.channels, 1, 1))
    requests: dict[tuple[int, ...], Any] = {}

    def planes(features: Floats) -> Floats:
        shape = (1, *features.shape)
        if shape not in requests:
            given = opset13.parameter(list(shape), Type.f32)
            values = opset13.convolution(
                opset13.transpose(given, np.array([0, 3, 1, 2])),
                weights.astype(np.float32), [1, 1], [0, 0], [0, 0], [1, 1],
            )  # fmt: skip
            end = opset13.softmax(values, 1)
            model = Model([end.output(0)], [given], 'flat')
            compiled = shared_core().compile_model(model, 'CPU', settings_of('float32'))
            requests[shape] = compiled.create_infer_request()
        results = requests[shape].infer([features[None]], share_inputs=True, share_outputs=True)
        found: Floats = next(iter(results.values()))[0]
        return found

    return planes
