# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Collection of the best and the worst images of an evaluation, as small JPEGs."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from hiseg_ros.types import RgbImage

WIDTH, QUALITY = 480, 80


@dataclass(frozen=True)
class Image:
    """One image beside its truth and its prediction, each a data URI of a JPEG."""

    name: str
    score: float
    """In [0, 1]."""
    image: str
    truth: str
    prediction: str


class BestAndWorst:
    """Best and worst of many images."""

    def __init__(self, count: int = 6) -> None:
        """Start empty.

        Args:
            count: Number of best and of worst images kept.
        """
        self.count = count
        self._kept: list[tuple[float, int, Image]] = []
        self._seen = 0

    def add(
        self, name: str, score: float, draw: Callable[[], tuple[RgbImage, RgbImage, RgbImage]]
    ) -> None:
        """Keep an image if it is among the best or the worst so far.

        Args:
            name: Of the image.
            score: In [0, 1]; an image without a score (NaN) is not kept.
            draw: Returns the image, its truth and its prediction; called only if it is kept.
        """
        if math.isnan(score):
            return
        self._seen += 1
        ordered = [entry[:2] for entry in self._kept]
        # Ties keep the order of the images, so that equal runs keep the same images.
        key = (score, self._seen)
        if (
            len(ordered) < 2 * self.count
            or key < ordered[self.count - 1]
            or key > ordered[-self.count]
        ):
            image, truth, prediction = (jpeg_uri(rgb) for rgb in draw())
            self._kept.append((*key, Image(name, score, image, truth, prediction)))
            self._kept.sort(key=lambda entry: entry[:2])
            if len(self._kept) > 2 * self.count:
                del self._kept[self.count]

    def worst(self) -> list[Image]:
        """Return the worst images, the worst first; at most half of all."""
        half = min(self.count, (len(self._kept) + 1) // 2)
        return [image for _, _, image in self._kept[:half]]

    def best(self) -> list[Image]:
        """Return the best images, the best first; none of them is among the worst."""
        half = min(self.count, len(self._kept) // 2)
        return [image for _, _, image in self._kept[len(self._kept) - half :]][::-1]


def jpeg_uri(rgb: RgbImage) -> str:
    """Return an image as the data URI of a JPEG at most WIDTH wide."""
    height, width = rgb.shape[:2]
    if width > WIDTH:
        size = (WIDTH, max(1, round(height * WIDTH / width)))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return 'data:image/jpeg;base64,' + base64.b64encode(data.tobytes()).decode()
