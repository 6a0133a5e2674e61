# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Image to labels on one page, with a network that knows the answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from hiseg_ros.inference.backends.torch_network import TorchBackend
from hiseg_ros.inference.decisions import DenseDecision, SparseDecision
from hiseg_ros.interfaces import Decision
from hiseg_ros.pipeline import segment
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.taxonomy import Taxonomy

SETTINGS = Preprocessing()


class ColourReader(torch.nn.Module):
    """Reads the leaf from a pixel's red value: what a trained network would do, untrained."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Know the tree."""
        super().__init__()
        self.leaves = len(taxonomy.leaves)
        self.register_buffer('matrix', torch.from_numpy(taxonomy.leaf_matrix()).float())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (N, L, h / 4, w / 4), 0.9 at leaf red // 32 and the rest spread evenly."""
        red = images[:, 0, 1::4, 1::4] * SETTINGS.std[0] + SETTINGS.mean[0]
        leaf = (red * 255 / 32).floor().long().clamp(0, self.leaves - 1)
        one_hot = torch.nn.functional.one_hot(leaf, self.leaves).permute(0, 3, 1, 2).float()
        return 0.9 * one_hot + 0.1 / self.leaves

    def node_probabilities(self, leaf_probabilities: torch.Tensor) -> torch.Tensor:
        """Return (N, V, h, w)."""
        return torch.einsum('vl,nlhw->nvhw', self.matrix, leaf_probabilities)


def backend(taxonomy: Taxonomy) -> TorchBackend:
    """Return the network behind the preprocessing."""
    network = ColourReader(taxonomy)
    return TorchBackend(
        'eager',
        lambda images: network.node_probabilities(network(images)),
        SETTINGS,
        device=torch.device('cpu'),
        precision='float32',
        input_height=0,
    )


@pytest.mark.parametrize('decision', [DenseDecision, SparseDecision])
def test_labels_lie_where_the_colours_lie(
    small_taxonomy: Taxonomy, decision: Callable[[Taxonomy], Decision]
) -> None:
    """Stripes of known leaves come back in place: no shift, no transposition, no channel swap."""
    leaves = len(small_taxonomy.leaves)
    stripes = np.repeat(np.arange(leaves), 32)
    image = np.zeros((64, 32 * leaves, 3), np.uint8)
    image[..., 0] = stripes * 32 + 16
    image[32:, :, 0] = 16  # the lower half is the first leaf
    image[..., 2] = 255
    result = segment(image, backend(small_taxonomy), decision(small_taxonomy))
    expected = np.tile(np.array(small_taxonomy.leaves, np.uint8)[stripes], (64, 1))
    expected[32:] = small_taxonomy.leaves[0]
    # Away from the borders between stripes, where cells of stride 4 are mixed.
    inside = np.ones(expected.shape, bool)
    inside[30:34] = False
    inside[:, [x for x in range(32 * leaves) if 2 < (x % 32) < 29]] &= True
    inside[:, [x for x in range(32 * leaves) if not 2 < (x % 32) < 29]] = False
    np.testing.assert_array_equal(result.labels[inside], expected[inside])
    sure = round(255 * (0.9 + 0.1 / leaves))
    assert (result.confidence[inside] == sure).all()


@pytest.mark.parametrize('decision', [DenseDecision, SparseDecision])
def test_no_gradient_and_no_grad_tensors_leave_the_pipeline(
    small_taxonomy: Taxonomy, decision: Callable[[Taxonomy], Decision]
) -> None:
    """Everything in the result is numpy."""
    image = np.zeros((32, 32, 3), np.uint8)
    result = segment(image, backend(small_taxonomy), decision(small_taxonomy), threshold=0.5)
    for array in (result.labels, result.confidence, result.probabilities.values):
        assert isinstance(array, np.ndarray)
