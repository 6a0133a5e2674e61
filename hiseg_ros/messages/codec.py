# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Codec of our messages: probability maps and masks to bytes and back, label trees back.

The decoders take messages of rclpy as well as those that rosbags reads from a bag; ROS is not
needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError, ImageError
from hiseg_ros.images.image_message import bytes_of
from hiseg_ros.taxonomy import Node, Taxonomy
from hiseg_ros.threads import run_in_parallel
from hiseg_ros.types import ImageSize

PROBABILITY_TYPES = {'uint8': '|u1', 'float16': '<f2'}
"""Type of the values in each encoding of a ProbabilityMap."""

PROBABILITY_ENCODINGS = tuple(PROBABILITY_TYPES)

MASK_ENCODINGS = ('packbits', 'raw')
"""Encodings of a SubclassMask."""


def map_size(grid: ImageSize, image_size: ImageSize, stride: int) -> ImageSize:
    """Return the (h, w) cells of a map over an image.

    Args:
        grid: (h, w) of the network's grid.
        image_size: (H, W) of the image in pixels.
        stride: Image pixels per cell of the map along both axes; 0 keeps the grid.
    """
    if stride == 0:
        return grid
    return math.ceil(image_size[0] / stride), math.ceil(image_size[1] / stride)


def encode_probabilities(
    values: NDArray[np.float32],
    encoding: str,
    *,
    node_ids: Sequence[int] | None = None,
    size: ImageSize | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Encode the probabilities of some nodes, on a grid of any size over the same image.

    They are interpolated linearly between the cells. A cell of the result holds the probabilities
    at its centre, not a mean over its area: these are the values that the decision uses there,
    and a parent remains the sum of its children.

    Args:
        values: (V, h, w) float32 in [0, 1], C-contiguous.
        encoding: 'uint8' (255 times the probability, rounded) or 'float16' (little endian).
        node_ids: The planes to encode; None for all.
        size: (h, w) of the result; None for that of the values.
        out: Array to write into instead of a new one: C-contiguous, with as many bytes as the
            result.

    Returns:
        (C, h, w) uint8 or float16.

    Raises:
        ConfigError: The encoding is another.
    """
    check_probability_encoding(encoding)
    planes = range(len(values)) if node_ids is None else node_ids
    cells = (values.shape[1], values.shape[2]) if size is None else size
    dtype = np.dtype(PROBABILITY_TYPES[encoding])
    shape = (len(planes), *cells)
    result = np.empty(shape, dtype) if out is None else out.view(dtype).reshape(shape)
    encode_selections(values, [(planes, result)])
    return result


def check_probability_encoding(encoding: str) -> None:
    """Check the name of an encoding.

    Raises:
        ConfigError: It is none of `PROBABILITY_ENCODINGS`.
    """
    if encoding not in PROBABILITY_ENCODINGS:
        raise ConfigError(
            f'Probabilities were asked for in the encoding {encoding!r}; expected one of '
            f'{", ".join(PROBABILITY_ENCODINGS)}.'
        )


Selection = tuple[Sequence[int], NDArray[Any]]
"""Node ids, and the array for their planes: (C, h, w) uint8 or float16, each plane contiguous."""


def encode_selections(values: NDArray[np.float32], selections: Sequence[Selection]) -> None:
    """Encode several selections of nodes at once, such as all levels of a tree.

    A leaf is a node of its own level and of all below: each plane is read, interpolated and
    rounded once, and copied from the cache to the other places.

    Args:
        values: (V, h, w) float32 in [0, 1], C-contiguous.
        selections: Nodes and arrays to write; type and cells of the arrays are the same in all.
    """
    places: dict[int, list[NDArray[Any]]] = {}
    for node_ids, result in selections:
        for node_id, target in zip(node_ids, result, strict=True):
            places.setdefault(node_id, []).append(target)
    planes = list(places.items())

    def encode(worker: int, workers: int) -> None:
        for node_id, (first, *others) in planes[worker::workers]:
            _encode_plane(values[node_id], first)
            for other in others:
                other[:] = first

    run_in_parallel(encode)


def _encode_plane(plane: NDArray[np.float32], target: NDArray[Any]) -> None:
    if plane.shape != target.shape:
        size = (target.shape[1], target.shape[0])
        plane = cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    if target.dtype == np.uint8:
        cv2.convertScaleAbs(plane, dst=target, alpha=255.0)
    else:
        target[:] = plane


def decode_probability_map(message: Any) -> tuple[tuple[int, ...], NDArray[np.float32]]:
    """Read a hiseg_ros/msg/ProbabilityMap.

    Returns:
        The node id of each channel, and the probabilities as (C, h, w) float32.

    Raises:
        ImageError: The encoding is unknown or the data has another size than announced.
    """
    stored = _stored_probabilities(message)
    values = stored.astype(np.float32)
    if stored.dtype == np.uint8:
        values /= 255.0
    return tuple(int(node_id) for node_id in message.node_ids), values


def decode_probability_bytes(message: Any) -> NDArray[np.uint8]:
    """Read a hiseg_ros/msg/ProbabilityMap as (C, h, w) uint8, 255 times the probability.

    Raises:
        ImageError: The encoding is unknown or the data has another size than announced.
    """
    stored = _stored_probabilities(message)
    if stored.dtype == np.uint8:
        return stored
    return np.rint(stored.astype(np.float32) * 255).astype(np.uint8)


def _stored_probabilities(message: Any) -> NDArray[Any]:
    """Return the data of a probability map as (C, h, w) uint8 or float16."""
    if message.encoding not in PROBABILITY_ENCODINGS:
        raise ImageError(
            f'A probability map has the encoding {message.encoding!r}; expected one of '
            f'{", ".join(PROBABILITY_ENCODINGS)}: it was written by another version.'
        )
    dtype = np.dtype(PROBABILITY_TYPES[message.encoding])
    shape = (len(message.node_ids), message.height, message.width)
    if not math.prod(shape):
        raise ImageError(
            f'A probability map has {shape[0]} node ids and {shape[1]}x{shape[2]} cells; expected '
            'one id for each channel, and at least one cell: the message is damaged.'
        )
    data = bytes_of(message.data)
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ImageError(
            f'A probability map of {shape[0]} channels, {shape[1]}x{shape[2]} cells and '
            f'encoding {message.encoding!r} has {len(data)} bytes; expected '
            f'{math.prod(shape) * dtype.itemsize}: the message is damaged.'
        )
    return data.view(dtype).reshape(shape)


def encode_mask(mask: NDArray[np.bool_], encoding: str) -> NDArray[np.uint8]:
    """Encode a mask, row by row.

    Args:
        mask: (height, width) bool.
        encoding: 'packbits' (eight pixels per byte) or 'raw' (one byte per pixel).

    Returns:
        (N,) uint8, the data of the message.

    Raises:
        ConfigError: The encoding is another.
    """
    if encoding == 'packbits':
        return np.packbits(mask, axis=None)
    if encoding == 'raw':
        return np.ascontiguousarray(mask, np.uint8).reshape(-1)
    raise ConfigError(
        f'Masks were asked for in the encoding {encoding!r}; expected one of '
        f'{", ".join(MASK_ENCODINGS)}.'
    )


def decode_mask(message: Any) -> NDArray[np.bool_]:
    """Read the mask of a hiseg_ros/msg/SubclassMask.

    Returns:
        (roi.height, roi.width) bool, true inside the region.

    Raises:
        ImageError: The encoding is unknown or the data has another size than announced.
    """
    if message.encoding not in MASK_ENCODINGS:
        raise ImageError(
            f'A mask has the encoding {message.encoding!r}; expected one of '
            f'{", ".join(MASK_ENCODINGS)}: it was written by another version.'
        )
    shape = (message.roi.height, message.roi.width)
    pixels = math.prod(shape)
    expected = math.ceil(pixels / 8) if message.encoding == 'packbits' else pixels
    data = bytes_of(message.data)
    if len(data) != expected:
        raise ImageError(
            f'A mask of {shape[0]}x{shape[1]} pixels and encoding {message.encoding!r} has '
            f'{len(data)} bytes; expected {expected}: the message is damaged.'
        )
    if message.encoding == 'packbits':
        data = np.unpackbits(data, count=pixels)
    return data.astype(np.bool_).reshape(shape)


def decode_taxonomy(message: Any) -> Taxonomy:
    """Read a hiseg_ros/msg/Taxonomy.

    Raises:
        TaxonomyError: It is no valid tree.
    """
    nodes = tuple(
        Node(
            entry.id,
            entry.name,
            None if entry.id == 0 else int(entry.parent_id),
            entry.level,
            (entry.r, entry.g, entry.b),
        )
        for entry in message.nodes
    )
    root = int(message.subclass_root)
    return Taxonomy(message.name, message.version, nodes, None if root >= len(nodes) else root)
