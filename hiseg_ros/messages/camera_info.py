# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The camera_info of a published image, scaled where the image has another size."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from hiseg_ros.types import ImageSize


def camera_info_for(header: Any, camera_info: Any, image_size: ImageSize | None = None) -> Any:
    """Return a copy of a camera_info for a published image.

    Args:
        header: Of the camera image.
        camera_info: The message that the camera's driver published.
        image_size: (H, W) of that image. Where it differs from the size that the camera_info
            announces, intrinsics and region of interest are scaled; None keeps them.
    """
    message = copy.deepcopy(camera_info)
    message.header = header
    roi = message.roi
    height, width = announced_size(message)
    if image_size is None or image_size == (height, width) or 0 in (height, width):
        return message
    y, x = image_size[0] / height, image_size[1] / width
    message.height, message.width = round(message.height * y), round(message.width * x)
    rows = np.array([x, y, 1.0])[:, np.newaxis]
    message.k = (np.reshape(message.k, (3, 3)) * rows).reshape(-1)
    message.p = (np.reshape(message.p, (3, 4)) * rows).reshape(-1)
    roi.y_offset, roi.height = round(roi.y_offset * y), round(roi.height * y)
    roi.x_offset, roi.width = round(roi.x_offset * x), round(roi.width * x)
    return message


def announced_size(camera_info: Any) -> ImageSize:
    """Return the (H, W) of the images that a camera_info announces; 0 where it is not filled in.

    It is the size of the region of interest on the sensor if set, else of the sensor, binned.
    """
    roi = camera_info.roi
    height = (roi.height or camera_info.height) // max(camera_info.binning_y, 1)
    width = (roi.width or camera_info.width) // max(camera_info.binning_x, 1)
    return height, width
