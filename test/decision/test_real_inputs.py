# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The sparse decision against the dense one on probabilities of a trained network."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from hiseg_ros.datasets.scenes import draw_scene
from hiseg_ros.decision import decide
from hiseg_ros.decision.sparse import decide_sparse
from hiseg_ros.decision.tables import DecisionTables
from hiseg_ros.model.checkpoint import Checkpoint, load_checkpoint
from hiseg_ros.resources import tree_model

pytest.importorskip('numba')


@cache
def shipped() -> Checkpoint:
    """Return shipped weights whose labels of a drawn scene are many."""
    return load_checkpoint(tree_model())


@cache
def nodes_of_scene(size: tuple[int, int]) -> torch.Tensor:
    """Return (V, h, w) float32 for a scene of a camera size, at half the usual resolution."""
    network = shipped().build()
    with torch.inference_mode():
        images = shipped().preprocessing.prepare(draw_scene(5, size).rgb, input_height=256)
        return network.node_probabilities(network(images))[0].contiguous()


@pytest.mark.parametrize('threshold', [0.0, 0.5, 0.9])
@pytest.mark.parametrize('size', [(256, 512), (480, 640), (540, 961)])
def test_real_scenes_are_decided_as_densely(size: tuple[int, int], threshold: float) -> None:
    """Label by label but for near ties, which torch's rounding may decide otherwise."""
    nodes, taxonomy = nodes_of_scene(size), shipped().taxonomy
    labels, confidence = decide_sparse(nodes.numpy(), DecisionTables.of(taxonomy), size, threshold)
    expected, probability = decide(nodes, taxonomy, size, threshold)
    assert len(np.unique(labels)) > 10, 'the scene should not be decided trivially'
    differs = labels != expected.numpy()
    assert differs.mean() < 1e-5, f'{differs.sum()} pixels'
    off = np.abs(confidence.astype(float) - 255 * probability.numpy())
    assert off[~differs].max() <= 0.51
