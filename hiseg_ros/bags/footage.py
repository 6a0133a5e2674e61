# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Images as the rosbag2 of a camera, with the truth where it is known; and their cache."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from hiseg_ros.errors import BagError
from hiseg_ros.types import LabelImage, RgbImage

CAMERA_TOPIC = '/camera/image_raw'
TRUTH_TOPIC = '/ground_truth/node_ids'
"""Node ids of the taxonomy the images were drawn with; /compressed (PNG) is appended."""

EPOCH_NS = 1_600_000_000_000_000_000
"""Stamp of the first frame: the same images give the same bag."""

JPEG_QUALITY = 95


@dataclass(frozen=True)
class Frame:
    """One image of a drive."""

    rgb: RgbImage
    labels: LabelImage | None = None
    """Node ids of every pixel, where they are known."""


def write_camera_bag(
    path: Path,
    frames: Iterable[Frame],
    rate_hz: float,
    *,
    compressed: bool = True,
    storage: str = 'mcap',
    frame_id: str = 'camera_optical_frame',
) -> int:
    """Write pictures as a rosbag2, one every 1 / rate_hz seconds.

    Args:
        path: The bag's folder; must not exist yet.
        frames: The pictures, all of one size.
        rate_hz: Frames per second.
        compressed: JPEG (CompressedImage on <topic>/compressed) or rgb8 (Image).
        storage: 'mcap' or 'sqlite3'.
        frame_id: Of all headers.

    Returns:
        The number of pictures written.

    Raises:
        BagError: The folder exists or cannot be written.
    """
    if path.exists():
        raise BagError(f'{path} exists already; expected a new folder: remove it or name another.')
    types = get_typestore(Stores.ROS2_JAZZY)
    plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
    count = 0
    try:
        with Writer(path, version=8, storage_plugin=plugin) as writer:
            connections: dict[str, Connection] = {}
            for count, frame in enumerate(frames, start=1):
                stamp_ns = EPOCH_NS + round((count - 1) * 1e9 / rate_hz)
                parts = [(CAMERA_TOPIC, frame.rgb, compressed)]
                if frame.labels is not None:
                    parts.append((TRUTH_TOPIC, frame.labels, True))
                for topic, pixels, as_compressed in parts:
                    name = f'{topic}/compressed' if as_compressed else topic
                    kind = 'CompressedImage' if as_compressed else 'Image'
                    message_type = f'sensor_msgs/msg/{kind}'
                    if name not in connections:
                        connections[name] = writer.add_connection(
                            name, message_type, typestore=types
                        )
                    message = _message(pixels, stamp_ns, frame_id, compressed=as_compressed)
                    data = types.serialize_cdr(message, message_type)
                    writer.write(connections[name], stamp_ns, data)
    except OSError as error:
        raise BagError(
            f'The bag {path} cannot be written ({error}); expected a writable folder with room '
            'for it: name another.'
        ) from error
    return count


def _message(
    pixels: NDArray[np.uint8], stamp_ns: int, frame_id: str, *, compressed: bool
) -> object:
    kinds = get_typestore(Stores.ROS2_JAZZY).types
    stamp = kinds['builtin_interfaces/msg/Time'](
        sec=stamp_ns // 1_000_000_000, nanosec=stamp_ns % 1_000_000_000
    )
    header = kinds['std_msgs/msg/Header'](stamp=stamp, frame_id=frame_id)
    if not compressed:
        return kinds['sensor_msgs/msg/Image'](
            header=header,
            height=pixels.shape[0],
            width=pixels.shape[1],
            encoding='rgb8' if pixels.ndim == 3 else 'mono8',
            is_bigendian=0,
            step=pixels.shape[1] * (3 if pixels.ndim == 3 else 1),
            data=np.ascontiguousarray(pixels).reshape(-1),
        )
    if pixels.ndim == 3:
        form = 'rgb8; jpeg compressed bgr8'
        bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        _, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    else:
        form = 'mono8; png compressed mono8'
        _, data = cv2.imencode('.png', pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return kinds['sensor_msgs/msg/CompressedImage'](
        header=header, format=form, data=data.reshape(-1)
    )


def cached_bag(folder: Path, key: str, write: Callable[[Path], object]) -> Path:
    """Return the bag folder/key, written on the first call only.

    It is written beside its place and moved there when complete, so a run that was broken off
    leaves no half bag.

    Args:
        folder: The cache, made if missing.
        key: Names the images and how they were made, e.g. a digest.
        write: Writes the bag at the path it is given.

    Raises:
        BagError: The folder cannot be written.
    """
    place = folder / key
    if (place / 'metadata.yaml').is_file():
        return place
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix='.writing-') as scratch:
            write(Path(scratch) / key)
            (Path(scratch) / key).rename(place)
    except OSError as error:
        if (place / 'metadata.yaml').is_file():
            return place  # another process was faster
        raise BagError(
            f'The drive cannot be kept in {folder} ({error}); expected a writable folder with '
            'room for it: set XDG_CACHE_HOME to another.'
        ) from error
    return place
