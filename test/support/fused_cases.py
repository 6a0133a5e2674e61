# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The GPU kernel against the reference; run as a program, it prints the largest disagreement.

Triton decides when it is imported whether it interprets kernels on the CPU, so the tests start
this file in a process of its own.
"""

from __future__ import annotations

import itertools
import json
import sys

import numpy as np
import torch
from random_trees import node_values, random_leaf_probabilities, random_tree

from hiseg_ros.decision import decide, interpolate
from hiseg_ros.decision.fused import DeviceTables, decide_fused
from hiseg_ros.inference.decisions import DenseDecision, FusedDecision
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy
from hiseg_ros.types import Wanted

NEAR_TIE = 1e-5


def is_near_tie(
    nodes: torch.Tensor, taxonomy: Taxonomy, size: tuple[int, int], threshold: float
) -> torch.Tensor:
    """Return the (H, W) pixels at which rounding may decide otherwise on some way down."""
    full = interpolate(nodes.double(), size)
    near = torch.zeros(size, dtype=torch.bool)
    for inner in taxonomy.inner:
        children = full[list(taxonomy.children(inner))]
        two = children.topk(min(2, len(children)), 0).values
        near |= (two[0] - two[-1]).abs() < NEAR_TIE if len(two) > 1 else near
        near |= (two[0] - threshold * full[inner]).abs() < NEAR_TIE
    return near


def compare(seed: int, device: str) -> dict[str, float]:
    """Return how a batch of two random grids is decided by both."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng)
    shape = tuple(int(n) for n in rng.integers(1, 9, 2))
    size = (int(rng.integers(1, 40)), int(rng.integers(1, 70)))
    threshold = float(rng.choice([0.0, 0.5, 1.0, rng.random()]))
    batch = torch.stack(
        [
            torch.from_numpy(
                node_values(taxonomy, random_leaf_probabilities(rng, taxonomy, shape, 2.0))
            )
            for _ in range(2)
        ]
    )
    tables = DeviceTables.of(taxonomy, device)
    labels, confidence = decide_fused(batch.to(device), tables, size, threshold)
    wrong = off = 0.0
    for index, nodes in enumerate(batch):
        expected, probability = decide(nodes, taxonomy, size, threshold)
        sure = ~is_near_tie(nodes, taxonomy, size, threshold)
        same = labels[index].cpu() == expected
        wrong += float((sure & ~same).sum())
        difference = (confidence[index].cpu().float() - (probability * 255).round()).abs()
        off = max(off, float(difference[same].max()) if same.any() else 0.0)
    return {'wrong': wrong, 'confidence_off': off, 'pixels': float(labels.numel())}


def tie(device: str) -> int:
    """Return the node id that two equally probable children give: the lower one."""
    taxonomy = random_tree(np.random.default_rng(0))
    nodes = torch.full((1, len(taxonomy), 2, 2), 0.5)
    labels, _ = decide_fused(nodes, DeviceTables.of(taxonomy, device), (5, 5))
    first = 0
    while taxonomy.children(first):
        first = taxonomy.children(first)[0]
    return int((labels != first).sum())


def engine_disagreement(device: str) -> float:
    """Return the share of pixels that an engine's decision gives another label or confidence."""
    taxonomy = load_taxonomy('street')
    where = torch.device(device)
    fused, dense = FusedDecision(taxonomy, where), DenseDecision(taxonomy)
    leaves = random_leaf_probabilities(np.random.default_rng(1), taxonomy, (3, 4), 2.0)
    nodes = torch.from_numpy(node_values(taxonomy, leaves)).to(where)
    wrong = 0.0
    for which in itertools.product((True, False), repeat=3):
        found = fused(nodes, (20, 31), 0.4, Wanted(*which))
        expected = dense(nodes, (20, 31), 0.4, Wanted(*which))
        assert [array.shape for array in found] == [array.shape for array in expected]
        assert (found[2] == expected[2]).all()
        for ours, theirs in zip(found[:2], expected[:2], strict=True):
            if ours.size:
                wrong = max(wrong, float((np.abs(ours.astype(int) - theirs) > 1).mean()))
    return wrong


if __name__ == '__main__':
    where = sys.argv[1]
    results = [compare(seed, where) for seed in range(int(sys.argv[2]))]
    print(
        json.dumps(
            {
                'wrong': sum(result['wrong'] for result in results),
                'confidence_off': max(result['confidence_off'] for result in results),
                'pixels': sum(result['pixels'] for result in results),
                'ties_wrong': tie(where),
                'engine_wrong': engine_disagreement(where),
            }
        )
    )
