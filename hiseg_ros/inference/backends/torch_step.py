# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The network as a function from images to node probabilities, in a precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from hiseg_ros.model.network import HierarchicalNetwork

Step = Callable[[torch.Tensor], torch.Tensor]
"""(N, 3, h, w) normalised float32 to (N, V, h / stride, w / stride) float32."""

HALVES = {'bfloat16': torch.bfloat16, 'float16': torch.float16}
"""Dtype of the convolutions by precision; not needed for float32."""


def eager_step(network: HierarchicalNetwork, precision: str) -> Step:
    """Return the network as a step; with 16 bits, only its convolutions are in that precision."""
    if precision == 'float32':
        return lambda images: network.node_probabilities(network(images))
    dtype = HALVES[precision]

    def half(images: torch.Tensor) -> torch.Tensor:
        # Weights are cast at every call: a cache of casts must not outlive a CUDA graph.
        with torch.autocast(images.device.type, dtype, cache_enabled=False):
            leaves = network.head_output(images).leaf_probabilities
        return network.node_probabilities(leaves)

    return half


@contextmanager
def tuned_convolutions() -> Iterator[None]:
    """Let cuDNN choose the fastest kernels for new shapes by trying them inside this context."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
