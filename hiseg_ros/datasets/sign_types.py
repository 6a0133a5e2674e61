# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The 43 sign types of GTSDB and their outlines, read from config/mappings/gtsdb.yaml."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.dataset_labels import read_dataset_labels
from hiseg_ros.errors import MappingError

__all__ = [
    'OUTSIDE_ALL_BOXES', 'SIGN_TYPES', 'TYPE_COUNT', 'SignTypes', 'read_sign_types', 'sign_shape',
]  # fmt: skip

Points = list[tuple[float, float]]
"""Corners (x, y) of a polygon in pixels."""


def _circle(right: float, bottom: float) -> Points:
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return [
        (right / 2 * (1 + np.cos(angle)), bottom / 2 * (1 + np.sin(angle))) for angle in angles
    ]


def _triangle(right: float, bottom: float) -> Points:
    return [(right / 2, 0.0), (right, bottom), (0.0, bottom)]


def _triangle_down(right: float, bottom: float) -> Points:
    return [(0.0, 0.0), (right, 0.0), (right / 2, bottom)]


def _diamond(right: float, bottom: float) -> Points:
    return [(right / 2, 0.0), (right, bottom / 2), (right / 2, bottom), (0.0, bottom / 2)]


def _octagon(right: float, bottom: float) -> Points:
    cut = 1 - 1 / np.sqrt(2)
    a, b = cut * right, cut * bottom
    points = [(a, 0.0), (right - a, 0.0), (right, b), (right, bottom - b)]
    return points + [(right - a, bottom), (a, bottom), (0.0, bottom - b), (0.0, b)]


_OUTLINES: dict[str, Callable[[float, float], Points]] = {
    'circle': _circle,
    'triangle': _triangle,
    'triangle_down': _triangle_down,
    'diamond': _diamond,
    'octagon': _octagon,
}
"""Outline by the `shape` of a label, from the last column and the last row of its box."""


@dataclass(frozen=True)
class SignTypes:
    """Sign types by label id, which counts from 0."""

    names: tuple[str, ...]
    shapes: tuple[str, ...]
    """Key of _OUTLINES of each type."""
    outside_id: int
    """Label id of a pixel in no box: anything but one of the types."""


def read_sign_types(mapping: str = 'gtsdb') -> SignTypes:
    """Read the sign types of a mapping.

    The evaluated labels are the types, the only other label is for pixels outside all boxes.

    Args:
        mapping: Name in config/mappings, or path of a YAML file.

    Raises:
        MappingError: The file cannot be read, the ids of the types do not count from 0, a type
            has no known shape, or there is not exactly one label for pixels outside all boxes.
    """
    labels = read_dataset_labels(mapping).labels
    types = [label for label in labels if label.evaluated]
    for position, label in enumerate(types):
        if label.label_id != position or label.shape not in _OUTLINES:
            raise MappingError(
                f'Label {label.name!r} of mapping {mapping!r} has id {label.label_id} and shape '
                f'{label.shape!r}; expected id {position} and one of the shapes '
                f'{", ".join(_OUTLINES)}.'
            )
    outside = [label.label_id for label in labels if not label.evaluated]
    if not types or len(outside) != 1:
        raise MappingError(
            f'Mapping {mapping!r} has {len(types)} sign types and the labels {outside} with '
            '"evaluated: false"; expected some types and one label for pixels outside all boxes.'
        )
    return SignTypes(
        tuple(label.name for label in types), tuple(label.shape for label in types), outside[0]
    )


_TYPES = read_sign_types()

SIGN_TYPES: tuple[str, ...] = _TYPES.names
"""Names of the sign types; the position is the label id."""

TYPE_COUNT = len(SIGN_TYPES)

OUTSIDE_ALL_BOXES = _TYPES.outside_id
"""Label id of a pixel in no box: anything but one of the sign types."""


def sign_shape(label_id: int, height: int, width: int) -> NDArray[np.bool_]:
    """Return the (height, width) bool outline of a sign type that fills its box.

    Shapes by type as in the labels published with IV 2018 (area shares 0.79 circle, 0.50
    triangle and diamond, 0.83 to 0.87 octagon).

    Args:
        label_id: Sign type, 0 to TYPE_COUNT - 1.
        height: Height of the box in pixels.
        width: Width of the box in pixels.
    """
    points = _OUTLINES[_TYPES.shapes[label_id]](width - 1.0, height - 1.0)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.round(np.array(points)).astype(np.int32)], 1)
    return mask.astype(bool)
