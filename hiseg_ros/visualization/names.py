# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Class names placed inside their regions and drawn onto an image.

OpenCV draws text but does not look for a legible place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ImageError
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import LabelImage, RgbImage
from hiseg_ros.visualization.colorize import check_labels

MIN_SHARE = 0.003
"""Regions on a smaller share of the image get no name."""
MIN_HEIGHT_PX, MAX_HEIGHT_PX = 14, 20
"""Least and largest height of a line of text with its margin in a small image."""
MIN_HEIGHT_SHARE, MAX_HEIGHT_SHARE = 0.022, 0.04
"""The same in large images, as a share of the image's height."""

_KEPT_HEIGHT = 0.6
"""A name moves when its height falls below this share of what its region has room for."""
_KEPT_SHARE = 0.95
"""Share of a name's box that must lie on its region for the name to stay where it is."""
_HALO_ALPHA = 0.75
_FONT, _UNIT, _LEAST_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 1.0, 0.1


@dataclass(frozen=True)
class PlacedName:
    """A name and where it is written."""

    node_id: int
    box: tuple[int, int, int, int]
    """(y, x, height, width) of the line of text with its margin, in pixels."""
    scale: float
    """Size of the font in OpenCV's unit."""

    @property
    def center(self) -> tuple[int, int]:
        """(y, x) of the middle of the box."""
        y, x, height, width = self.box
        return y + height // 2, x + width // 2

    def overlaps(self, other: PlacedName) -> bool:
        """Return whether the two boxes share a pixel."""
        (y, x, height, width), (v, u, rows, columns) = self.box, other.box
        return y < v + rows and v < y + height and x < u + columns and u < x + width


def place_names(
    labels: LabelImage, taxonomy: Taxonomy, previous: Sequence[PlacedName] = ()
) -> tuple[PlacedName, ...]:
    """Find legible places for the names of large regions.

    A name is placed at its region's pole of inaccessibility: the middle of the largest box of the
    name's shape that fits into the region. Regions too small for legible text get none, and no
    two names overlap.

    Args:
        labels: (H, W) uint8 node ids; ids without a node, such as 255 = unlabeled, have no name.
        taxonomy: The tree with the names.
        previous: Names of the frame before in a video; those that still lie on their region stay.

    Returns:
        The names, the largest region's first; the same for the same arguments.

    Raises:
        ImageError: The labels are no label image.
    """
    check_labels(labels)
    height = labels.shape[0]
    least = max(MIN_HEIGHT_PX, MIN_HEIGHT_SHARE * height)
    largest = max(MAX_HEIGHT_PX, MAX_HEIGHT_SHARE * height)
    placed: list[PlacedName] = []
    for node_id, region, origin in _regions(labels, taxonomy):
        name = _best_place(region, origin, node_id, taxonomy.nodes[node_id].name, largest)
        if name is None or name.box[2] < least:
            continue
        for old in previous:
            if old.node_id == node_id and _still_fits(old, name, region, origin):
                name = old
                break
        if not any(name.overlaps(other) for other in placed):
            placed.append(name)
    return tuple(placed)


def _regions(
    labels: LabelImage, taxonomy: Taxonomy
) -> Iterator[tuple[int, NDArray[np.uint8], tuple[int, int]]]:
    """Yield (node id, (h, w) mask of 0 and 1, (y, x) of its corner) of large regions by size."""
    least = max(1, int(MIN_SHARE * labels.size))
    closing = np.ones((2 * (min(labels.shape) // 240) + 1,) * 2, np.uint8)
    counts = np.bincount(labels.ravel(), minlength=256)[: len(taxonomy)]
    found: list[tuple[int, int, NDArray[np.uint8], tuple[int, int]]] = []
    for node_id in np.flatnonzero(counts >= least).tolist():
        # A name may cover specks of another class inside its region.
        mask = cv2.morphologyEx((labels == node_id).astype(np.uint8), cv2.MORPH_CLOSE, closing)
        count, components, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
        for component in range(1, count):
            x, y, width, height, area = stats[component].tolist()
            if area >= least:
                part = components[y : y + height, x : x + width] == component
                found.append((area, node_id, part.astype(np.uint8), (y, x)))
    for _, node_id, region, origin in sorted(found, key=lambda item: -item[0]):
        yield node_id, region, origin


def _best_place(
    region: NDArray[np.uint8], origin: tuple[int, int], node_id: int, text: str, largest: float
) -> PlacedName | None:
    """Return a name at the middle of the largest box of its shape in the region, if any fits."""
    rows, columns = region.shape
    text_height, text_width = _line_size(text, _UNIT)
    aspect = text_width / text_height
    if columns / aspect < 1:
        return None
    # With the text's width as the unit of length a box of its shape is a square, and the largest
    # square around each pixel is the chessboard distance to the outside. A pixel of the narrowed
    # region counts only if all of it lies inside.
    size = (max(1, int(columns / aspect)), rows)
    narrow = cv2.resize(255 * region, size, interpolation=cv2.INTER_AREA)
    inside = np.pad((narrow >= 254).astype(np.uint8), 1)
    distance = cv2.distanceTransform(inside, cv2.DIST_C, 3)[1:-1, 1:-1]
    reach = float(distance.max())
    if reach < 1:
        return None
    # Of several such places, the one nearest to their mean.
    ys, xs = np.nonzero(distance == reach)
    middle = int(np.argmin((ys - ys.mean()) ** 2 + (xs - xs.mean()) ** 2))
    y, x = float(ys[middle]) + 0.5, (float(xs[middle]) + 0.5) * columns / size[0]
    room = 2 * reach - 1, (2 * reach - 1) * columns / size[0]
    scale = _UNIT * min(largest, room[0]) / text_height
    height, width = _line_size(text, scale)
    while (height > room[0] or width > room[1]) and scale > _LEAST_SCALE:
        scale *= 0.95  # margins and strokes are whole pixels, so small text is a little wider
        height, width = _line_size(text, scale)
    box = (round(origin[0] + y - height / 2), round(origin[1] + x - width / 2), height, width)
    return PlacedName(node_id, box, scale)


def _still_fits(
    old: PlacedName, new: PlacedName, region: NDArray[np.uint8], origin: tuple[int, int]
) -> bool:
    """Return whether an earlier name lies on this region and is not much too small for it."""
    y, x, height, width = old.box
    y, x = y - origin[0], x - origin[1]
    covered = region[max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)]
    is_inside = int(covered.sum()) >= _KEPT_SHARE * height * width
    return is_inside and height >= _KEPT_HEIGHT * new.box[2]


def _line_size(text: str, scale: float) -> tuple[int, int]:
    """Return (height, width) of a line of text with its margin, in pixels."""
    (width, height), baseline = cv2.getTextSize(text, _FONT, scale, _thickness(scale))
    margin = _margin(scale)
    return int(height) + int(baseline) + 2 * margin, int(width) + 2 * margin


def _thickness(scale: float) -> int:
    return 1 if scale < 0.4 else max(2, round(1.5 * scale))


def _margin(scale: float) -> int:
    """Return the width of the dark line around letters, in pixels."""
    return max(2, round(4 * scale))


def draw_names(rgb: RgbImage, names: Sequence[PlacedName], taxonomy: Taxonomy) -> RgbImage:
    """Write names onto an image: white letters with a dark line around, legible on any colour.

    Args:
        rgb: (H, W, 3) uint8 RGB; not changed.
        names: From `place_names` for the labels of this image.
        taxonomy: The tree with the names.

    Returns:
        (H, W, 3) uint8 RGB, a new array.

    Raises:
        ImageError: The image is not uint8 RGB.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ImageError(
            f'The image has shape {rgb.shape} and type {rgb.dtype}; expected (H, W, 3) uint8.'
        )
    result = rgb.copy()
    for name in names:
        y, x, height, width = name.box
        part = result[max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)]
        text = taxonomy.nodes[name.node_id].name
        letters = np.zeros((height, width), np.uint8)
        margin, thickness = _margin(name.scale), _thickness(name.scale)
        _, baseline = cv2.getTextSize(text, _FONT, name.scale, thickness)
        foot = (margin, height - margin - baseline)
        cv2.putText(letters, text, foot, _FONT, name.scale, 255, thickness, cv2.LINE_AA)
        letters = letters[max(0, -y) :, max(0, -x) :][: part.shape[0], : part.shape[1]]
        if not part.size:
            continue
        around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1,) * 2)
        # Twice as strong, so that it is as dark around the soft edges of letters.
        halo = cv2.convertScaleAbs(cv2.dilate(letters, around), alpha=2)
        halo, ink = (image[..., np.newaxis] / 255 for image in (halo, letters))
        part[:] = np.rint(part * (1 - _HALO_ALPHA * halo) * (1 - ink) + 255 * ink).astype(np.uint8)
    return result
