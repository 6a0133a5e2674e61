# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Connected regions of the subclass root, each with one vote on its subclass."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ImageError
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import UNLABELED, Segmentation, SubclassMask

TOP = 3
MIN_PROBABILITY = 0.7
"""Least probability of the root at the most certain pixel of a region; the node's default."""
MIN_VOTE = 0.5
"""Least vote that names a region's subclass; the node's default. On training images of GTSDB the
vote tells signs from all else better than the root's probability does: both together name a type
on something else half as often as the latter alone, and lose fewer signs."""
SMALLEST_PROBABILITY = 1e-6
EVEN = 1e-5
"""Votes closer together than this come from a network that does not know the subclasses, such as a
wrapped flat one: the region then gets the root's id."""
MAX_VOTERS = 4096
"""Most pixels of a region that vote, evenly spread; a sign of 64 x 64 pixels votes with all. An
image full of sign pixels, as untrained weights give it, would take seconds."""
SPLIT_ASPECT = 1.4
"""Ratio of the longer to the shorter side from which on a region may be several signs: one sign is
about square."""
WAIST = 0.7
"""A region is split where it is narrower than this share of its greatest width."""

SURE = 0.5
"""Least vote of both halves of an elongated region, for two subclasses, that makes it two signs.
Two signs on one pole are a common reason of a wrong type."""

CUT_RANGE = (0.3, 0.7)
"""Shares of a region's length between which it is cut into halves, where it is narrowest."""


def subclass_masks(
    segmentation: Segmentation,
    taxonomy: Taxonomy,
    *,
    min_area: int = 16,
    max_masks: int = 64,
    min_probability: float = 0.0,
    min_vote: float = 0.0,
) -> tuple[SubclassMask, ...]:
    """Return one mask per connected region of the subclass root, largest first.

    Signs on one pole touch: an elongated region is split at its narrowest points, see
    `parts_of_region`, and in two where both halves are sure of another subclass.
    A region is one sign, so its pixels vote together: the logarithms of each subclass's
    probability given the root, interpolated at the region's pixels, are averaged and normalised.
    A pixel weighs as much as it is far from the region's border, where the network sees what is
    beside the sign. A region whose subclasses all have too few votes gets the root's id.

    Args:
        segmentation: Labels and node probabilities.
        taxonomy: Its tree.
        min_area: Least area of a region in pixels.
        max_masks: At most this many masks.
        min_probability: Least probability of the root, in [0, 1], at the most certain pixel of a
            region.
        min_vote: Least vote, in [0, 1], that names a subclass.

    Returns:
        The masks; empty where the taxonomy has no subclass root.

    Raises:
        ImageError: The segmentation was made without labels or probabilities.
    """
    if segmentation.labels.size == 0 or segmentation.probabilities.values.size == 0:
        raise ImageError(
            'The segmentation has no labels to take regions from, or no probabilities to vote '
            'with; expected both to be wanted when it was made.'
        )
    root = taxonomy.subclass_root
    if root is None:
        return ()
    is_below = np.zeros(256, np.uint8)
    is_below[list(taxonomy.nodes_below(root))] = 1
    is_below[UNLABELED] = 0
    inside = np.asarray(cv2.LUT(segmentation.labels, is_below), np.uint8)
    masks: list[SubclassMask] = []
    for part in _parts(inside, min_area):
        if len(masks) >= max_masks:
            break
        halves = [
            _vote(segmentation, taxonomy, root, one, min_probability)
            for one in _cut(part, min_area)
        ]
        found = [one for one in halves if one is not None and one.score >= SURE]
        if len(found) < 2 or found[0].node_id == found[1].node_id:
            whole = _vote(segmentation, taxonomy, root, part, min_probability)
            found = [] if whole is None else [whole]
        masks += [_named(one, min_vote) for one in found]
    return tuple(sorted(masks, key=lambda one: (-one.area, one.roi))[:max_masks])


@dataclass(frozen=True)
class _Part:
    """A connected region, or the part of it that is one sign."""

    area: int
    roi: tuple[int, int, int, int]
    """(y, x, height, width)."""
    mask: NDArray[np.bool_]
    """(height, width), true inside the part."""


def _parts(inside: NDArray[np.uint8], min_area: int) -> list[_Part]:
    """Return the parts of all connected regions of at least an area, largest first."""
    # Signs are in a small part of most images; searching all of it took most of the time.
    left, top, width, height = cv2.boundingRect(inside)
    inside = inside[top : top + height, left : left + width]
    if not inside.size:
        return []
    count, regions, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
    parts = []
    for region in np.flatnonzero(stats[1:count, cv2.CC_STAT_AREA] >= min_area) + 1:
        x, y, width, height, area = (int(value) for value in stats[region])
        mask = regions[y : y + height, x : x + width] == region
        x, y = x + left, y + top
        numbers = parts_of_region(mask, min_area)
        if numbers is None:
            parts.append(_Part(area, (y, x, height, width), mask))
            continue
        for number in range(1, int(numbers.max()) + 1):
            parts.append(_part(numbers == number, y, x))
    return sorted(parts, key=lambda part: (-part.area, part.roi))


def parts_of_region(mask: NDArray[np.bool_], min_area: int = 1) -> NDArray[np.int32] | None:
    """Split an elongated region at its narrowest points, where two signs on one pole touch.

    Args:
        mask: (height, width) bool, one connected region.
        min_area: Least area of every part in pixels; else the region is not split.

    Returns:
        (height, width) int32, 0 outside and the number of the part, from 1, inside; None where
        the region is one sign.
    """
    if max(mask.shape) < SPLIT_ASPECT * min(mask.shape):
        return None
    # The region ends at the border of the array.
    framed = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_5)
    cores = (depth > WAIST * depth.max()).astype(np.uint8)
    if cv2.connectedComponents(cores, connectivity=8)[0] <= 2:
        return None
    # Every pixel goes to the nearest core.
    _, nearest = cv2.distanceTransformWithLabels(
        1 - cores, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_CCOMP
    )
    numbers: NDArray[np.int32] = np.where(mask, nearest[1:-1, 1:-1], 0).astype(np.int32)
    areas = np.bincount(numbers[mask])[1:]
    return numbers if (areas >= min_area).all() else None


def _cut(part: _Part, min_area: int) -> list[_Part]:
    """Return both halves of an elongated part, cut where it is narrow near the middle.

    Empty where the part is not elongated, or a half is smaller than the least area.
    """
    height, width = part.mask.shape
    length = max(height, width)
    if length < SPLIT_ASPECT * min(height, width):
        return []
    axis = 0 if height > width else 1
    counts = np.count_nonzero(part.mask, axis=1 - axis)
    first = max(1, round(CUT_RANGE[0] * length))
    last = max(first + 1, round(CUT_RANGE[1] * length))
    narrow = first + np.flatnonzero(counts[first:last] == counts[first:last].min())
    place = int(narrow[np.abs(narrow - length / 2).argmin()])
    y, x = part.roi[:2]
    pieces = np.split(part.mask, [place], axis)
    if min(map(np.count_nonzero, pieces)) < max(1, min_area):
        return []
    moved = (y + place, x) if axis == 0 else (y, x + place)
    return [_part(pieces[0], y, x), _part(pieces[1], *moved)]


def _part(mask: NDArray[np.bool_], y: int, x: int) -> _Part:
    """Return a part without empty rows and columns around it; the mask begins at (y, x)."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = int(rows[0]), int(columns[0])
    tight = mask[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    return _Part(int(tight.sum()), (y + top, x + left, *tight.shape), tight)


def _named(mask: SubclassMask, min_vote: float) -> SubclassMask:
    """Return the mask, of its parent alone where the best vote is below the least."""
    if mask.score >= min_vote:
        return mask
    top = ((mask.parent_id, 1.0), *mask.top[: TOP - 1])
    return replace(mask, node_id=mask.parent_id, score=1.0, top=top)


def _depths(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return each pixel's distance from the nearest one outside, in pixels; 0 outside."""
    framed = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depths = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(depths[1:-1, 1:-1], np.float32)


def _vote(
    segmentation: Segmentation,
    taxonomy: Taxonomy,
    root: int,
    part: _Part,
    min_probability: float,
) -> SubclassMask | None:
    """Return a part's mask with its vote; None where the root's probability is too low."""
    mask, roi, area = part.mask, part.roi, part.area
    leaves = np.array(taxonomy.leaves_below(root))
    values = segmentation.probabilities.values
    image_h, image_w = segmentation.probabilities.image_size
    grid_h, grid_w = values.shape[1:]
    rows, columns = np.nonzero(mask)
    if len(rows) > MAX_VOTERS:
        voters = np.linspace(0, len(rows) - 1, MAX_VOTERS).round().astype(int)
        rows, columns = rows[voters], columns[voters]
    # Where the region's pixels lie on the grid, between cell centres.
    grid_y = ((rows + roi[0] + 0.5) * grid_h / image_h - 0.5).astype(np.float32)
    grid_x = ((columns + roi[1] + 0.5) * grid_w / image_w - 0.5).astype(np.float32)
    y0, y1 = max(int(grid_y.min()), 0), min(int(grid_y.max()) + 2, grid_h)
    x0, x1 = max(int(grid_x.min()), 0), min(int(grid_x.max()) + 2, grid_w)
    y_low = np.clip(np.floor(grid_y).astype(int), 0, grid_h - 1)
    x_low = np.clip(np.floor(grid_x).astype(int), 0, grid_w - 1)
    y_high, x_high = np.minimum(y_low + 1, grid_h - 1), np.minimum(x_low + 1, grid_w - 1)
    wy, wx = np.clip(grid_y - y_low, 0, 1), np.clip(grid_x - x_low, 0, 1)

    def at_voters(nodes: list[int]) -> NDArray[np.float32]:
        part = values[nodes, y0:y1, x0:x1]
        at = np.zeros((len(nodes), len(rows)), np.float32)
        for y, weight_y in ((y_low, 1 - wy), (y_high, wy)):
            for x, weight_x in ((x_low, 1 - wx), (x_high, wx)):
                at += part[:, y.clip(y0, y1 - 1) - y0, x.clip(x0, x1 - 1) - x0] * (
                    weight_y * weight_x
                )
        return at

    # Before the vote, which reads all leaves: a noisy frame has many regions.
    if min_probability > 0 and at_voters([root]).max() < min_probability:
        return None
    at = at_voters(leaves.tolist())
    conditional = at / np.maximum(at.sum(0, keepdims=True), SMALLEST_PROBABILITY)
    weights = _depths(mask)[rows, columns]
    summed = np.log(np.maximum(conditional, SMALLEST_PROBABILITY)) @ (weights / weights.sum())
    votes = np.exp(summed - summed.max())
    votes /= votes.sum()
    if len(votes) > 1 and votes.max() - votes.min() < EVEN:
        return SubclassMask(root, root, 1.0, ((root, 1.0),), roi, mask, area)
    order = np.argsort(-votes, kind='stable')[:TOP]
    top = tuple((int(leaves[index]), float(votes[index])) for index in order)
    return SubclassMask(top[0][0], root, top[0][1], top, roi, mask, area)
