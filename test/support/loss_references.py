# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The losses once more, pixel by pixel in float64, and what a test of them needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from random_trees import random_tree

from hiseg_ros.model.classifier_tree import HeadOutput
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy
from hiseg_ros.training.data.label_table import LabelTable

ONE = torch.ones(1)
ONE_DATASET = torch.zeros(1, dtype=torch.int64)


def weights_of_cells(grid: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Return (H*W, h*w): how much each grid cell counts at each pixel (linear interpolation)."""
    axes = []
    for cells, pixels in zip(grid, size, strict=True):
        axis = np.zeros((pixels, cells))
        for pixel in range(pixels):
            place = min(max((pixel + 0.5) * cells / pixels - 0.5, 0), cells - 1)
            low = int(place)
            axis[pixel, low] += 1 - (place - low)
            axis[pixel, min(low + 1, cells - 1)] += place - low
        axes.append(axis)
    return np.kron(*axes)


def upsampled(grid: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return (K, H*W) of a (K, h, w)."""
    cells = torch.from_numpy(weights_of_cells((grid.shape[1], grid.shape[2]), size))
    return grid.flatten(1).double() @ cells.T


def random_logits(
    rng: np.random.Generator, taxonomy: Taxonomy, count: int, grid: tuple[int, int]
) -> list[torch.Tensor]:
    """Return one (N, K, h, w) float64 leaf tensor per classifier."""
    return [
        torch.from_numpy(
            rng.normal(0, 1.5, (count, len(taxonomy.children(node)), *grid))
        ).requires_grad_()
        for node in taxonomy.classifiers
    ]


def output_of(taxonomy: Taxonomy, logits: Sequence[torch.Tensor]) -> HeadOutput:
    """Return what a conditional head says with these logits, by a walk down the tree."""
    conditional = tuple(values.log_softmax(1) for values in logits)
    of_node = {0: torch.zeros_like(conditional[0][:, 0])}
    for inner, values in zip(taxonomy.classifiers, conditional, strict=True):
        for index, child in enumerate(taxonomy.children(inner)):
            of_node[child] = of_node[inner] + values[:, index]
    leaves = torch.stack([of_node[leaf] for leaf in taxonomy.leaves], 1).exp()
    return HeadOutput(leaves, conditional)


def random_sign_tree(rng: np.random.Generator) -> Taxonomy:
    """Return a random tree in which some inner node other than the root is the subclass root."""
    while True:
        taxonomy = random_tree(rng, 14)
        if len(taxonomy.inner) > 2:
            root = int(rng.choice(taxonomy.inner[1:]))
            return dataclasses.replace(taxonomy, subclass_root=root)


def random_labels(rng: np.random.Generator, taxonomy: Taxonomy, count: int) -> tuple[Label, ...]:
    """Return labels of all kinds: single leaves, inner nodes, arbitrary sets of leaves."""
    labels = []
    for index in range(count):
        kind = index % 3
        if kind == 0:
            leaves = [int(rng.choice(taxonomy.leaves))]
        elif kind == 1:
            leaves = list(taxonomy.leaves_below(int(rng.choice(taxonomy.inner))))
        else:
            chosen = rng.random(len(taxonomy.leaves)) < 0.3
            chosen[rng.integers(len(chosen))] = True
            leaves = [leaf for leaf, c in zip(taxonomy.leaves, chosen, strict=True) if c]
        labels.append(Label(index, f'label {index}', tuple(leaves)))
    return tuple(labels)


def pixels_and_boxes(
    rng: np.random.Generator, taxonomy: Taxonomy, count: int = 6
) -> tuple[LabelTable, list[Label], list[bool]]:
    """Return a table of a pixel-labelled and a box-labelled mapping, its labels, which are boxes.

    The box mapping's labels have the rows from `count` on.
    """
    strong = Mapping('strong', random_labels(rng, taxonomy, count), ())
    weak = Mapping('weak', random_labels(rng, taxonomy, count), (), from_boxes=True)
    table = LabelTable(taxonomy, [strong, weak])
    return table, [*strong.labels, *weak.labels], [False] * count + [True] * count


def gate_of(taxonomy: Taxonomy, label: Label) -> int:
    """Return the node a box of a label has to be decided for, or 0."""
    below = set(label.leaves)
    above = [n.node_id for n in taxonomy.nodes if below <= set(taxonomy.leaves_below(n.node_id))]
    node = min(above, key=lambda n: len(taxonomy.leaves_below(n)))
    if taxonomy.subclass_root in above and taxonomy.subclass_root != node:
        return taxonomy.subclass_root
    return taxonomy.parent(node) or 0


def expected_child(taxonomy: Taxonomy, label: Label, is_box: bool, inner: int) -> int | None:
    """Return the child that `iv2018` trains a classifier towards, None where it does not."""
    if is_box and (not (gate := gate_of(taxonomy, label)) or gate not in taxonomy.path(inner)):
        return None
    for index, child in enumerate(taxonomy.children(inner)):
        if set(label.leaves) <= set(taxonomy.leaves_below(child)):
            return index
    return None


def iv2018_reference(
    taxonomy: Taxonomy,
    logits: Sequence[torch.Tensor],
    targets: np.ndarray,
    labels: Sequence[Label],
    is_box: Sequence[bool],
    factors: Sequence[float] = (1.0, 0.1),
    weights: Sequence[float] | None = None,
) -> torch.Tensor:
    """Return the published loss with loops over classifiers, images and pixels."""
    size = targets.shape[1:]
    weights = [1.0] * len(labels) if weights is None else weights
    full = {
        (inner, n): upsampled(values[n], size).log_softmax(0)
        for inner, values in zip(taxonomy.classifiers, logits, strict=True)
        for n in range(len(targets))
    }
    total = torch.zeros((), dtype=torch.float64)
    for inner in taxonomy.classifiers:
        terms: dict[bool, list[torch.Tensor]] = {False: [], True: []}
        for n, image in enumerate(targets):
            for pixel, row in enumerate(image.flat):
                if row < 0 or not weights[row]:
                    continue
                child = expected_child(taxonomy, labels[row], is_box[row], inner)
                if child is None:
                    continue
                if is_box[row]:
                    gate = gate_of(taxonomy, labels[row])
                    above = taxonomy.parent(gate)
                    won = int(full[above, n][:, pixel].argmax())
                    if taxonomy.children(above)[won] != gate:
                        continue
                terms[is_box[row]].append(-weights[row] * full[inner, n][child, pixel])
        factor = factors[min(taxonomy.level(inner), len(factors) - 1)]
        for kind in (False, True):
            if terms[kind]:
                total = total + factor * sum(terms[kind]) / len(terms[kind])
    return total
