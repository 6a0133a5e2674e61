# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The reference decision in torch: walk down the tree at every pixel of the camera image."""

from __future__ import annotations

import torch
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import ImageSize


def interpolate(probabilities: torch.Tensor, size: ImageSize) -> torch.Tensor:
    """Return (C, h, w) probabilities interpolated linearly to (C, H, W)."""
    return F.interpolate(probabilities[None], size=size, mode='bilinear', align_corners=False)[0]


def decide(
    node_probabilities: torch.Tensor, taxonomy: Taxonomy, size: ImageSize, threshold: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Decide a node for every pixel.

    From the root, a pixel goes to its most probable child while that child's probability is at
    least `threshold` times its parent's (the child's conditional probability); else it stays.
    Ties go to the child with the lower node id. A threshold of 0 forces a leaf, as in IV 2018.

    Args:
        node_probabilities: (V, h, w) float, parents as sums of their children.
        taxonomy: The tree.
        size: (H, W) of the camera image.
        threshold: Least conditional probability of a child, in [0, 1].

    Returns:
        Node ids (H, W) uint8 and the probability of the chosen node (H, W) float.
    """
    device = node_probabilities.device
    labels = torch.zeros(size, dtype=torch.uint8, device=device)
    chosen = interpolate(node_probabilities[:1], size)[0]
    # Preorder: a parent is decided at every pixel before its children are compared.
    for inner in taxonomy.inner:
        here = labels == inner
        if not here.any():
            continue
        children = torch.tensor(taxonomy.children(inner), device=device)
        best, index = interpolate(node_probabilities[children], size).max(0)
        goes_down = here & (best >= threshold * chosen)
        labels = torch.where(goes_down, children.to(torch.uint8)[index], labels)
        chosen = torch.where(goes_down, best, chosen)
    return labels, chosen
