# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The decision on a GPU: one Triton kernel from the network's grid to labels and confidence.

Every program of the kernel decides one tile of the camera image. No array of nodes times pixels
is ever in memory, and the children of a node are read only at pixels that reach it: a node that
no pixel of the tile reaches costs one comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import triton
import triton.language as tl

from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import ImageSize

TILE = (8, 32)
"""Rows and columns of the tile of one program; both powers of two."""


@dataclass(frozen=True)
class DeviceTables:
    """A tree as flat arrays on a device; create them once."""

    inner: torch.Tensor
    """(I,) int32 inner nodes in preorder, parents before their children."""
    first: torch.Tensor
    """(I,) int32 index in `children` of the first child of each inner node."""
    count: torch.Tensor
    """(I,) int32 number of children of each inner node."""
    children: torch.Tensor
    """(V - 1,) int32 node ids, ascending for each parent."""

    @staticmethod
    def of(taxonomy: Taxonomy, device: torch.device | str) -> DeviceTables:
        """Return the tables of a tree on a device."""
        lists = [taxonomy.children(node) for node in taxonomy.inner]
        counts = [len(children) for children in lists]
        arrays = (
            np.array(taxonomy.inner),
            np.cumsum([0, *counts[:-1]]),
            np.array(counts),
            np.concatenate(lists),
        )
        return DeviceTables(
            *(torch.from_numpy(array.astype(np.int32)).to(device) for array in arrays)
        )


@triton.jit
def _at_pixels(  # type: ignore[no-untyped-def]
    plane, corner00, corner01, corner10, corner11, up, down, left, right, mask
):
    """Interpolate one node's plane at the pixels of a tile; 0 where the mask is false."""
    return up * (
        left * tl.load(plane + corner00, mask=mask, other=0.0).to(tl.float32)
        + right * tl.load(plane + corner01, mask=mask, other=0.0).to(tl.float32)
    ) + down * (
        left * tl.load(plane + corner10, mask=mask, other=0.0).to(tl.float32)
        + right * tl.load(plane + corner11, mask=mask, other=0.0).to(tl.float32)
    )


# Triton would compile again for integers that are 1 or multiples of 16, and for pointers that are
# not aligned to 16 bytes: without that, the kernel that is verified at the start serves all calls.
@triton.jit(
    do_not_specialize=[
        'inner_count',
        'height',
        'width',
        'grid_h',
        'grid_w',
        'node_stride',
        'image_stride',
    ],
    do_not_specialize_on_alignment=['values', 'labels', 'confidence'],
)
def _walk(  # type: ignore[no-untyped-def]
    values,
    labels,
    confidence,
    inner,
    first,
    count,
    children,
    inner_count,
    height,
    width,
    grid_h,
    grid_w,
    scale_y,
    scale_x,
    threshold,
    node_stride,
    image_stride,
    want_labels: tl.constexpr,
    want_confidence: tl.constexpr,
    tile_h: tl.constexpr,
    tile_w: tl.constexpr,
):
    number = tl.arange(0, tile_h * tile_w)
    y = tl.program_id(1) * tile_h + number // tile_w
    x = tl.program_id(0) * tile_w + number % tile_w
    image = tl.program_id(2).to(tl.int64)
    inside = (y < height) & (x < width)
    # Position of the pixel on the grid, between centres of cells; clamped at the borders.
    source_y = tl.maximum((y.to(tl.float32) + 0.5) * scale_y - 0.5, 0.0)
    source_x = tl.maximum((x.to(tl.float32) + 0.5) * scale_x - 0.5, 0.0)
    y0 = tl.minimum(source_y.to(tl.int32), grid_h - 1)
    x0 = tl.minimum(source_x.to(tl.int32), grid_w - 1)
    y1 = tl.minimum(y0 + 1, grid_h - 1)
    x1 = tl.minimum(x0 + 1, grid_w - 1)
    down = source_y - y0.to(tl.float32)
    right = source_x - x0.to(tl.float32)
    up, left = 1.0 - down, 1.0 - right
    corner00, corner01 = y0 * grid_w + x0, y0 * grid_w + x1
    corner10, corner11 = y1 * grid_w + x0, y1 * grid_w + x1
    grid = values + image * image_stride

    chosen = _at_pixels(
        grid, corner00, corner01, corner10, corner11, up, down, left, right, inside
    )
    node = tl.zeros([tile_h * tile_w], tl.int32)
    # Preorder: a parent is decided at every pixel before its children are compared.
    for i in range(inner_count):
        here = inside & (node == tl.load(inner + i))
        if tl.max(here.to(tl.int32), 0) > 0:
            best = tl.full([tile_h * tile_w], -1.0, tl.float32)
            best_child = node
            start = tl.load(first + i)
            for k in range(tl.load(count + i)):
                child = tl.load(children + start + k)
                plane = grid + child.to(tl.int64) * node_stride
                value = _at_pixels(
                    plane, corner00, corner01, corner10, corner11, up, down, left, right, here
                )
                # Children are in ascending order: a tie keeps the lower node id.
                is_better = value > best
                best = tl.where(is_better, value, best)
                best_child = tl.where(is_better, child, best_child)
            goes_down = here & (best >= threshold * chosen)
            node = tl.where(goes_down, best_child, node)
            chosen = tl.where(goes_down, best, chosen)
    place = image * height * width + y * width + x
    if want_labels:
        tl.store(labels + place, node.to(tl.uint8), mask=inside)
    if want_confidence:
        # Half to even, as torch rounds.
        scaled = tl.minimum(tl.maximum(chosen * 255.0, 0.0), 255.0)
        rounded = tl.floor(scaled + 0.5)
        is_tie = (rounded - scaled == 0.5) & (rounded.to(tl.int32) % 2 == 1)
        rounded = tl.where(is_tie, rounded - 1.0, rounded)
        tl.store(confidence + place, rounded.to(tl.uint8), mask=inside)


def decide_fused(
    node_probabilities: torch.Tensor,
    tables: DeviceTables,
    size: ImageSize,
    threshold: float = 0.0,
    *,
    want_labels: bool = True,
    want_confidence: bool = True,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Decide a node for every pixel of a batch of images, by the rule of `dense.decide`.

    Args:
        node_probabilities: (N, V, h, w) float32, float16 or bfloat16, each plane contiguous;
            interpolated and compared in float32.
        tables: Tables of the tree, on the same device.
        size: (H, W) of the camera images.
        threshold: Least conditional probability of a child, in [0, 1].
        want_labels: Whether to store the node ids.
        want_confidence: Whether to compute and store the confidence.

    Returns:
        Node ids and 255 times the probability of the chosen node, both (N, H, W) uint8; images
        that are not wanted have no elements.

    Raises:
        ValueError: A plane of the probabilities is not contiguous.
    """
    count, _, grid_h, grid_w = node_probabilities.shape
    if node_probabilities.stride()[2:] != (grid_w, 1):
        raise ValueError(
            f'Node probabilities have the strides {node_probabilities.stride()}; expected '
            f'contiguous planes with rows of {grid_w}: call contiguous().'
        )
    height, width = size
    labels, confidence = (
        torch.empty(
            (count, height, width) if is_wanted else (0, 0, 0),
            dtype=torch.uint8,
            device=tables.inner.device,
        )
        for is_wanted in (want_labels, want_confidence)
    )
    programs = (triton.cdiv(width, TILE[1]), triton.cdiv(height, TILE[0]), count)
    launch: Any = _walk[programs]
    # Triton launches on the current device, not on that of the arguments.
    with torch.cuda.device_of(node_probabilities):  # type: ignore[no-untyped-call]
        launch(
            node_probabilities, labels, confidence,
            tables.inner, tables.first, tables.count, tables.children, len(tables.inner),
            height, width, grid_h, grid_w, grid_h / height, grid_w / width, threshold,
            node_probabilities.stride(1), node_probabilities.stride(0),
            want_labels=want_labels, want_confidence=want_confidence,
            tile_h=TILE[0], tile_w=TILE[1],
        )  # fmt: skip
    return labels, confidence
