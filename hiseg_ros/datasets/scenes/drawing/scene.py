# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A drawn scene: image, labels by leaf (config/mappings/drawn.yaml) and boxes of signs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.dataset_labels import read_dataset_labels
from hiseg_ros.datasets.sign_types import SIGN_TYPES
from hiseg_ros.errors import MappingError
from hiseg_ros.types import UNLABELED, LabelImage, RgbImage

OTHER_SIGN = 'other sign'
"""Leaf of the signs that are none of SIGN_TYPES."""


def read_leaf_names(mapping: str = 'drawn') -> tuple[str, ...]:
    """Read the leaf names of drawn labels; the position is the label id.

    Args:
        mapping: Name in config/mappings, or path of a YAML file.

    Raises:
        MappingError: The file cannot be read, ids do not count from 0, or a sign type or
            OTHER_SIGN is missing.
    """
    labels = read_dataset_labels(mapping).labels
    names = tuple(label.name for label in labels)
    if [label.label_id for label in labels] != list(range(len(labels))):
        raise MappingError(
            f'Mapping {mapping!r} has the ids {[label.label_id for label in labels]}; expected '
            'ids in order from 0, since a drawn label is a position in its list.'
        )
    missing = sorted({*SIGN_TYPES, OTHER_SIGN} - set(names))
    if missing:
        raise MappingError(
            f'Mapping {mapping!r} lacks the labels {missing}; expected every sign type of '
            f'config/mappings/gtsdb.yaml and {OTHER_SIGN!r}.'
        )
    return names


LEAF_NAMES: tuple[str, ...] = read_leaf_names()
"""Leaf names; a drawn label is a position in this tuple."""

LEAF: dict[str, int] = {name: index for index, name in enumerate(LEAF_NAMES)}

Colour = tuple[float, float, float]
"""Red, green, blue in [0, 255]."""

Floats = NDArray[np.float64]
"""Any array of float64: points, vectors, textures."""

Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class SignBox:
    """Tight box around the visible pixels of one sign, right and lower edge exclusive."""

    x1: int
    y1: int
    x2: int
    y2: int
    name: str
    """One of SIGN_TYPES."""


@dataclass(frozen=True)
class DrawnScene:
    """One drawn image with exact labels."""

    rgb: RgbImage
    """(H, W, 3) uint8."""

    labels: LabelImage
    """(H, W) uint8 positions in `leaf_names`; 255 = unlabeled."""

    boxes: tuple[SignBox, ...]
    """Visible signs of the 43 types."""

    leaf_names: tuple[str, ...] = LEAF_NAMES


__all__ = [
    'LEAF', 'LEAF_NAMES', 'OTHER_SIGN', 'SIGN_TYPES', 'UNLABELED', 'Colour',
    'DrawnScene', 'Floats', 'Floats32', 'SignBox', 'read_leaf_names',
]  # fmt: skip
