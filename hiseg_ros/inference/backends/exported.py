# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What backends of exported files have in common: the size and the bytes of their input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.inference.backends.camera_image import network_bytes
from hiseg_ros.inference.exported_input import ExportedInput
from hiseg_ros.types import ImageSize, RgbImage


class ExportedBackend:
    """Takes (1, h, w, 3) uint8, since normalisation is part of an exported network."""

    _inputs: ExportedInput

    def input_size(self, image_size: ImageSize) -> ImageSize:
        """Return the network's input size for an image size."""
        return self._inputs.size(image_size)

    def reduce(self, is_reduced: bool) -> bool:
        """Use a smaller input from the next image on, or no longer; False where it is fixed."""
        self._inputs = replace(self._inputs, is_reduced=is_reduced)
        return self._inputs.fixed is None

    def prepare(self, rgb: RgbImage) -> NDArray[np.uint8]:
        """Return (1, h, w, 3) uint8."""
        return network_bytes(rgb, self.input_size((rgb.shape[0], rgb.shape[1])))
