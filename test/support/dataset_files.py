# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Small image and label files for tests of loaders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (24, 40)
"""(height, width) of the images, where a test asks for no other."""


def write_image(path: Path, value: int = 90, size: tuple[int, int] = SIZE) -> None:
    """Write an image of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), value, np.uint8)).save(path)


def write_labels(path: Path, ids: object = 7, size: tuple[int, int] = SIZE) -> None:
    """Write a label file of one byte a pixel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.broadcast_to(np.uint8(ids), size).copy()).save(path)


def cut(path: Path) -> None:
    """Cut a file to two thirds of its bytes."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
