# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Loss at sampled points: a few thousand pixels of each image instead of all.

Bansal et al., "PixelNet: Representation of the Pixels, by the Pixels, and for the Pixels", 2017:
neighbouring pixels repeat each other. The points of an image are laid side by side as an image of
one row, so that every loss reads them as it reads images.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.model.classifier_tree import HeadOutput
from hiseg_ros.training.config.loss import PointDraw
from hiseg_ros.training.data.label_table import IGNORED
from hiseg_ros.types import ImageSize


@dataclass(frozen=True)
class Points:
    """Sampled pixels of a batch."""

    places: torch.Tensor
    """(N, P, 2) float32: x and y, -1 and 1 being the edges of the image."""

    targets: torch.Tensor
    """(N, 1, P) label set ids, in the dtype of the images' targets; -1 = unlabeled."""


def draw_points(targets: torch.Tensor, count: int, draw: PointDraw = 'uniform') -> Points:
    """Draw labelled pixels of each image, none of them twice, by torch's own random numbers.

    An image with fewer labelled pixels gives all of them; the rest of its points is anywhere and
    teaches nothing.

    Args:
        targets: (N, H, W) integer label set ids; -1 = unlabeled.
        count: Number of points of each image, at most H * W.
        draw: 'uniform' draws each labelled pixel with the same probability, 'per_class' each label
            of an image with the same.
    """
    flat = targets.flatten(1)
    pixels = torch.randint(flat.shape[1], (len(flat), count), device=flat.device)
    labels = torch.full((len(flat), count), IGNORED, dtype=targets.dtype, device=flat.device)
    for n, row in enumerate(flat):
        labelled = (row != IGNORED).nonzero().flatten()
        chosen = min(count, len(labelled))
        if not chosen:
            continue
        if draw == 'per_class':
            ids = row[labelled].long()
            order = torch.multinomial(torch.bincount(ids)[ids].double().reciprocal(), chosen)
        else:
            order = torch.randperm(len(labelled), device=flat.device)[:chosen]
        pixels[n, :chosen] = labelled[order]
        labels[n, :chosen] = row[labelled[order]]
    size = (targets.shape[1], targets.shape[2])
    return Points(places_of(pixels, size), labels[:, None])


def places_of(pixels: torch.Tensor, size: ImageSize) -> torch.Tensor:
    """Return the centres (..., 2) of pixels, x and y from -1 to 1 between the image's edges.

    Args:
        pixels: Any shape, int64: row * W + column.
        size: (H, W) of the image.
    """
    height, width = size
    x = (2 * (pixels % width) + 1) / width - 1
    y = (2 * (pixels // width) + 1) / height - 1
    return torch.stack([x, y], -1)


def output_at(output: HeadOutput, places: torch.Tensor) -> HeadOutput:
    """Interpolate what a head says at some points, as losses do at pixels.

    Args:
        output: On the network's grid.
        places: (N, P, 2).

    Returns:
        The same on a grid of (1, P) cells, one for each point; outlines are left out.
    """

    def at_places(grid: torch.Tensor) -> torch.Tensor:
        return F.grid_sample(
            grid, places[:, None].to(grid.dtype), padding_mode='border', align_corners=False
        )

    conditional = output.conditional_log_probabilities
    with torch.autocast(places.device.type, enabled=False):
        return HeadOutput(
            at_places(output.leaf_probabilities),
            conditional and tuple(at_places(values) for values in conditional),
            node_logits=None if output.node_logits is None else at_places(output.node_logits),
        )
