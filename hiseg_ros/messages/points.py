# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Labelled points: depth images and organised clouds to coordinates, and points to bytes.

Works with messages of rclpy and of rosbags; ROS is not needed.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ImageError
from hiseg_ros.images.header import check_size
from hiseg_ros.images.image_message import bytes_of
from hiseg_ros.types import ImageSize, LabelImage, RgbImage

POINT = np.dtype(
    [
        ('x', '<f4'),
        ('y', '<f4'),
        ('z', '<f4'),
        ('rgb', '<u4'),
        ('label', '<u4'),
        ('confidence', '<f4'),
    ]
)
"""One point: metres, packed colour, node id, probability in [0, 1]."""

OFFSETS = {name: 4 * index for index, name in enumerate(POINT.names or ())}
"""Byte of each field in a point; all have four bytes."""

UINT32, FLOAT32, FLOAT64 = 6, 7, 8
"""Datatypes of sensor_msgs/PointField."""

DATATYPES = {'label': UINT32}
"""Datatype of each field that is not FLOAT32. So is rgb, by the convention of PCL and rviz2."""

DEPTH_ENCODINGS = {'16UC1': ('u2', 1e-3), 'mono16': ('u2', 1e-3), '32FC1': ('f4', 1.0)}
"""Type of a value, and metres per unit."""

FARTHEST_M = 1e6
"""Depth from here on is none, as infinity is."""

_PROBABILITY = (np.arange(256) / 255).astype(np.float32)
_NO_ALPHA = np.uint32(0x00FFFFFF)


def depth_in_metres(message: Any) -> NDArray[np.float32]:
    """Return a depth image: 16UC1 or mono16 in millimetres, 32FC1 in metres.

    Returns:
        (H, W) float32; NaN where there is no depth: what is not above 0 and below `FARTHEST_M`.

    Raises:
        ImageError: It has another encoding, or its fields do not fit together.
    """
    name = message.encoding
    if name not in DEPTH_ENCODINGS:
        raise ImageError(
            f'A depth image has the encoding {name!r}; expected one of '
            f'{", ".join(DEPTH_ENCODINGS)}: choose the topic with plain depth.'
        )
    kind, scale = DEPTH_ENCODINGS[name]
    check_size(message.height, message.width, f'A depth image in {name}')
    dtype = np.dtype(f'{">" if message.is_bigendian else "<"}{kind}')
    values = _strided(message, dtype, message.step, dtype.itemsize, 0, f'A depth image in {name}')
    depth = np.multiply(values, np.float32(scale), dtype=np.float32, casting='unsafe')
    depth[~((depth > 0) & (depth < FARTHEST_M))] = np.nan
    return depth


def rays(camera_info: Any, size: ImageSize) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return x / z of each column and y / z of each row of an image.

    The projection P is used, as by depth_image_proc, or K where P is not filled in; binning, the
    region of interest and another size of the image are taken into account.

    Args:
        camera_info: Of the image.
        size: (H, W) of the image in pixels.

    Returns:
        (W,) and (H,) float32.

    Raises:
        ImageError: The camera_info is not filled in.
    """
    has_projection = camera_info.p[0] > 0 and camera_info.p[5] > 0
    values = camera_info.p if has_projection else camera_info.k
    row = 4 if has_projection else 3
    fx, cx, fy, cy = values[0], values[2], values[row + 1], values[row + 2]
    if not (fx > 0 and fy > 0 and np.isfinite([fx, fy, cx, cy]).all()):
        raise ImageError(
            f'The camera_info has the focal lengths {fx:g} and {fy:g}; expected positive ones in '
            'p or k: calibrate the camera, or set its camera_info_url.'
        )
    roi = camera_info.roi
    along = []
    for focal, centre, offset, extent, whole, binning, pixels in (
        (fx, cx, roi.x_offset, roi.width, camera_info.width, camera_info.binning_x, size[1]),
        (fy, cy, roi.y_offset, roi.height, camera_info.height, camera_info.binning_y, size[0]),
    ):
        binned = max(binning, 1)
        announced = (extent or whole) // binned
        scale = pixels / announced if announced else 1.0
        places = (np.arange(pixels) + 0.5) / scale - 0.5
        with np.errstate(over='ignore'):
            found = ((places * binned + offset - centre) / focal).astype(np.float32)
        if not np.isfinite(found).all():
            raise ImageError(
                f'The camera_info has the focal length {focal:g} and the centre {centre:g}; '
                'expected pixels: calibrate the camera.'
            )
        along.append(found)
    return along[0], along[1]


def points_of_depth(
    depth: NDArray[np.float32], along: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return the (3, H, W) x, y, z in metres of a depth image in the optical frame.

    Args:
        depth: (H, W) z in metres; NaN becomes NaN in all three.
        along: From `rays`, of the same pixels.
    """
    found = np.empty((3, *depth.shape), np.float32)
    np.multiply(depth, along[0][np.newaxis, :], out=found[0])
    np.multiply(depth, along[1][:, np.newaxis], out=found[1])
    found[2] = depth
    return found


def points_of_cloud(message: Any) -> NDArray[np.float32]:
    """Return the coordinates of an organised sensor_msgs/PointCloud2.

    Returns:
        (3, H, W) float32 x, y, z; NaN in all three where one is not finite, or all are 0.

    Raises:
        ImageError: It has no x, y, z as float32 or float64, or its fields do not fit together.
    """
    check_size(message.height, message.width, 'A point cloud')
    fields = {field.name: field for field in message.fields}
    found = np.empty((3, message.height, message.width), np.float32)
    order = '>' if message.is_bigendian else '<'
    for index, name in enumerate('xyz'):
        field = fields.get(name)
        kind = {FLOAT32: 'f4', FLOAT64: 'f8'}.get(field.datatype) if field is not None else None
        if field is None or kind is None or field.offset + int(kind[1]) > message.point_step:
            raise ImageError(
                f'A point cloud has the fields {", ".join(fields) or "none"}; expected x, y and z '
                'as float32 or float64 within each point: choose another topic.'
            )
        values = _strided(
            message,
            np.dtype(order + kind),
            message.row_step,
            message.point_step,
            field.offset,
            'A point cloud',
        )
        with np.errstate(over='ignore', invalid='ignore'):
            found[index] = values
    is_there = np.isfinite(found).all(0) & (found != 0).any(0)
    found[:, ~is_there] = np.nan
    return found


def _strided(
    message: Any, dtype: np.dtype[Any], step: int, pixel_step: int, offset: int, what: str
) -> NDArray[Any]:
    """Return one value of each pixel or point, as a view of the message's data.

    Raises:
        ImageError: The rows overlap, or the data ends early.
    """
    height, width = message.height, message.width
    data = bytes_of(message.data)
    row, rows = width * pixel_step, step * (height - 1)
    if step < row or len(data) < rows + row:
        raise ImageError(
            f'{what} of {width}x{height} has rows of {step} bytes and {len(data)} bytes of data; '
            f'expected rows of at least {row} and as many of them as announced: it was cut off '
            'on its way, skip it.'
        )
    return np.ndarray(
        (height, width), dtype, buffer=data, offset=offset, strides=(step, pixel_step)
    )


def packed_colors(rgb: RgbImage) -> NDArray[np.uint32]:
    """Return (H, W) colours as 0x00RRGGBB of an (H, W, 3) uint8 image."""
    bgra = np.ascontiguousarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA))
    packed: NDArray[np.uint32] = bgra.view('<u4')[..., 0]
    return packed & _NO_ALPHA


def labelled_points(
    xyz: NDArray[np.float32],
    colors: NDArray[np.uint32],
    labels: LabelImage,
    confidence: NDArray[np.uint8],
    *,
    dense: bool,
) -> NDArray[Any]:
    """Return points with colour, label and confidence.

    Args:
        xyz: (3, H, W) coordinates; NaN where there is no point.
        colors: (H, W) packed colours.
        labels: (H, W) uint8 node ids.
        confidence: (H, W) uint8, 255 times the probability.
        dense: Leave out what is NaN.

    Returns:
        (H, W) of `POINT`; if dense (1, N).
    """
    points = np.empty(labels.shape, POINT)
    for index, name in enumerate('xyz'):
        points[name] = xyz[index]
    points['rgb'] = colors
    points['label'] = labels
    points['confidence'] = _PROBABILITY[confidence]
    return points[np.isfinite(xyz[2])][np.newaxis] if dense else points
