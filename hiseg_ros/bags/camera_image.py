# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Camera messages of a bag as RGB images, decoded as the node decodes them."""

from __future__ import annotations

from typing import Any

from hiseg_ros.images.image_message import ENCODINGS, decode_compressed, decode_image
from hiseg_ros.types import RgbImage

__all__ = ['ENCODINGS', 'rgb_of']


def rgb_of(message: Any) -> RgbImage:
    """Return the image of a sensor_msgs Image or CompressedImage.

    Returns:
        (H, W, 3) uint8, red first, contiguous.

    Raises:
        ImageError: The image is cut off or damaged, has no pixels or too many, or an encoding
            that is no image's.
    """
    return decode_compressed(message) if hasattr(message, 'format') else decode_image(message)
