# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Frames of a video file, read with OpenCV."""

from __future__ import annotations

from collections.abc import Iterator, Set
from pathlib import Path

import cv2
import numpy as np

from hiseg_ros.errors import DatasetError
from hiseg_ros.types import RgbImage

VIDEO_ENDINGS = ('.mp4', '.mkv', '.avi', '.mov', '.webm', '.m4v')


def _open(path: Path) -> cv2.VideoCapture:
    if not path.is_file():
        raise DatasetError(f'The video {path} does not exist; expected a file.')
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise DatasetError(
            f'The video {path} cannot be read; expected a file that OpenCV decodes, such as MP4 '
            'with H.264: convert it.'
        )
    return video


def video_frames(path: Path) -> int:
    """Return the number of frames that can be read; announced numbers are often wrong.

    Raises:
        DatasetError: The file cannot be read.
    """
    video, count = _open(path), 0
    while video.grab():
        count += 1
    video.release()
    if not count:
        raise DatasetError(f'The video {path} has no frame that can be read; expected some.')
    return count


def read_video(path: Path, wanted: Set[int]) -> Iterator[RgbImage | None]:
    """Yield the frames of some positions, counted from 0; None for a damaged one.

    Raises:
        DatasetError: The file cannot be read.
    """
    video = _open(path)
    number = 0
    while number <= max(wanted, default=-1) and video.grab():
        if number in wanted:
            good, bgr = video.retrieve()
            yield np.ascontiguousarray(bgr[..., ::-1]) if good else None
        number += 1
    video.release()
