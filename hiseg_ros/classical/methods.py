# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The classical methods by name."""

from __future__ import annotations

from typing import Any, Protocol

from hiseg_ros.classical.arrays import Arrays
from hiseg_ros.classical.hog import Hog
from hiseg_ros.classical.labels import Planes
from hiseg_ros.classical.options import Options
from hiseg_ros.classical.otsu import Otsu
from hiseg_ros.classical.prior import Prior
from hiseg_ros.classical.superpixel import Superpixel
from hiseg_ros.classical.watershed import Watershed
from hiseg_ros.types import RgbImage


class Method(Protocol):
    """What has learned to tell labels apart."""

    def arrays(self) -> Arrays:
        """Return all that it has learned, to be written."""

    def probabilities(self, rgb: RgbImage) -> Planes:
        """Return (K, h, w) probabilities of a working image, on a grid that covers it."""


METHODS: dict[str, Any] = {
    'prior': Prior,
    'otsu': Otsu,
    'watershed': Watershed,
    'hog': Hog,
    'superpixel': Superpixel,
}
"""Classes by the name of the method; the names are those of `options.OPTIONS`."""


def read_method(name: str, arrays: Arrays, options: Options, labels: int) -> Method:
    """Return a method from the arrays of its file.

    Raises:
        ValueError: The arrays cannot be used.
    """
    method: Method = METHODS[name].read(arrays, options, labels)
    return method
