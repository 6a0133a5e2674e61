# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Objects removed from images: in-painted, with a margin and with the shadow below them.

After Shetty, Schiele and Fritz, "Not using the car to see the sidewalk", CVPR 2019
(arXiv 1812.06707), who dilate the mask of the object and in-paint it with a network of their own;
here OpenCV does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError
from hiseg_ros.nearest_name import expected_name
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy
from hiseg_ros.types import RgbImage

OBJECT_NODES = (
    'Animal', 'Human', 'Object', 'Vehicle',
    # Of trees without those.
    'Person', 'Rider', 'Bicycle', 'Motorcycle', 'Bus', 'Car', 'Caravan', 'Other Vehicle',
    'Trailer', 'Truck', 'Pole', 'Street Light', 'Traffic Light', 'Traffic Sign',
    'Traffic Sign Frame', 'Utility Pole',
)  # fmt: skip
"""Nodes of things that can be taken away, with all below them."""

MARGIN, BELOW = 5, 10
"""Pixels by which a mask grows to all sides, and downwards, where contact shadows lie; in an image
of REFERENCE_HEIGHT rows."""

REFERENCE_HEIGHT = 360

LARGEST_INPAINTED, LARGEST_REDRAWN = 0.1, 0.3
"""Share of the image above which objects stay: in-painting smears large areas."""

SMALLEST = 0.001
"""Share of the image below which objects stay: nobody sees that they are gone."""

METHODS = {'telea': cv2.INPAINT_TELEA, 'navier_stokes': cv2.INPAINT_NS}

RADIUS = 3.0
"""Pixels around a removed one that its colour is made of."""

Mask = NDArray[np.bool_]
"""(H, W)."""


def object_labels(
    mapping: Mapping, taxonomy: Taxonomy, names: Sequence[str] = ()
) -> tuple[Label, ...]:
    """Return the evaluated labels whose objects can be removed.

    Args:
        mapping: Labels of the dataset.
        taxonomy: Their tree.
        names: The only ones that are wanted; by default all whose leaves lie below OBJECT_NODES.

    Raises:
        ConfigError: There is no such label, or none at all.
    """
    known = {label.name: label for label in mapping.evaluated_labels}
    for name in names:
        if name not in known:
            raise ConfigError(
                f'Objects of label {name!r} are to be removed, and mapping {mapping.name!r} has '
                f'no such label; expected {expected_name(name, known)}: correct its name.'
            )
    if names:
        return tuple(known[name] for name in dict.fromkeys(names))
    below = {
        leaf
        for node in taxonomy.nodes
        if node.name in OBJECT_NODES
        for leaf in taxonomy.leaves_below(node.node_id)
    }
    found = tuple(label for label in known.values() if below.issuperset(label.leaves))
    if not found:
        raise ConfigError(
            f'No label of mapping {mapping.name!r} lies below {", ".join(OBJECT_NODES[:4])} '
            f'in taxonomy {taxonomy.name!r}; expected labels of objects: name those to remove.'
        )
    return found


def grown(mask: Mask, height: int | None = None) -> Mask:
    """Return a mask with a margin around it, twice as wide below.

    Args:
        mask: (H, W).
        height: Rows of the image that sets the scale; by default those of the mask.
    """
    scale = (height or mask.shape[0]) / REFERENCE_HEIGHT
    margin, below = max(1, round(MARGIN * scale)), max(1, round(BELOW * scale))
    round_kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    wide = cv2.dilate(mask.astype(np.uint8), round_kernel)
    # Of a pixel the rows above it count: what is marked runs down.
    down = np.ones((below - margin + 1, 1), np.uint8)
    return np.asarray(cv2.dilate(wide, down, anchor=(0, below - margin)), np.bool_)


def inpainted(
    image: RgbImage, mask: Mask, method: str = 'telea', radius: float = RADIUS
) -> RgbImage:
    """Return an image whose masked pixels have colours from around them; the others are equal.

    Args:
        image: (H, W, 3) uint8.
        mask: (H, W), pixels to replace.
        method: One of METHODS.
        radius: Pixels around a removed one that its colour is made of.
    """
    if not mask.any():
        return image.copy()
    filled = cv2.inpaint(
        np.ascontiguousarray(image), mask.astype(np.uint8), radius, METHODS[method]
    )
    return np.asarray(filled, np.uint8)


def instances(mask: Mask) -> Iterator[Mask]:
    """Yield the connected parts of a mask, each as (H, W)."""
    count, numbers = cv2.connectedComponents(mask.astype(np.uint8))
    for number in range(1, count):
        yield numbers == number


def moved_elsewhere(mask: Mask, occupied: Mask, rng: np.random.Generator) -> Mask | None:
    """Return the shape of a mask where no object is, None where a part of it fits nowhere.

    Each connected part moves on its own, to the free places that are nearest to its own rows: on
    the same height an image shows the same kinds of surface.

    Args:
        mask: (H, W) pixels of removed objects with their margin.
        occupied: (H, W) pixels on which nothing may come to lie.
        rng: Chooses between equal places.
    """
    taken = occupied | mask
    result = np.zeros_like(mask)
    for part in instances(mask):
        ys, xs = np.nonzero(part)
        top, left = int(ys.min()), int(xs.min())
        shape = part[top : ys.max() + 1, left : xs.max() + 1]
        # At every place: how many pixels of the part would lie on something.
        hits = cv2.matchTemplate(taken.astype(np.float32), shape.astype(np.float32), cv2.TM_CCORR)
        free_y, free_x = np.nonzero(hits < 0.5)
        if not len(free_y):
            return None
        away = np.abs(free_y - top)
        nearest = np.flatnonzero(away == away.min())
        choice = int(nearest[rng.integers(len(nearest))])
        y, x = int(free_y[choice]), int(free_x[choice])
        area = np.s_[y : y + shape.shape[0], x : x + shape.shape[1]]
        result[area] |= shape
        taken[area] |= shape
    return result
