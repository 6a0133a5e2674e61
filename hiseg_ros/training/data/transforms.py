# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Random crops at a random scale, and signs pasted with their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.sample import Box
from hiseg_ros.training.data.label_table import IGNORED
from hiseg_ros.training.data.mirroring import LabelSetIds
from hiseg_ros.types import ImageSize, RgbImage


def random_crop(
    image: RgbImage,
    label_set_ids: LabelSetIds,
    size: ImageSize,
    scale: tuple[float, float],
    rng: np.random.Generator,
    centre: Box | None = None,
) -> tuple[RgbImage, LabelSetIds]:
    """Resize by a random factor and cut out a window, padded where the image ends.

    Args:
        image: (H, W, 3).
        label_set_ids: (H, W) label set of each pixel.
        size: (height, width) of the result.
        scale: Smallest and largest factor; its logarithm is uniform.
        rng: Random generator.
        centre: A box that should lie inside the window, or None for any window.
    """
    factor = float(np.exp(rng.uniform(*np.log(scale))))
    height, width = size
    # The window in the original image; only this part is resized.
    window_h, window_w = round(height / factor), round(width / factor)
    image_h, image_w = label_set_ids.shape
    if centre is None:
        top = rng.integers(min(0, image_h - window_h), max(0, image_h - window_h) + 1)
        left = rng.integers(min(0, image_w - window_w), max(0, image_w - window_w) + 1)
    else:
        middle_y, middle_x = (centre.y1 + centre.y2) / 2, (centre.x1 + centre.x2) / 2
        top = round(middle_y - window_h * rng.uniform(0.2, 0.8))
        left = round(middle_x - window_w * rng.uniform(0.2, 0.8))
        top = int(np.clip(top, min(0, image_h - window_h), max(0, image_h - window_h)))
        left = int(np.clip(left, min(0, image_w - window_w), max(0, image_w - window_w)))
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + window_h, image_h), min(left + window_w, image_w)
    pad = (y0 - top, top + window_h - y1, x0 - left, left + window_w - x1)
    part: NDArray[Any] = image[y0:y1, x0:x1]
    part_ids: NDArray[Any] = label_set_ids[y0:y1, x0:x1]
    if any(pad):
        part = cv2.copyMakeBorder(part, *pad, cv2.BORDER_CONSTANT, value=(124, 116, 104))
        part_ids = cv2.copyMakeBorder(part_ids, *pad, cv2.BORDER_CONSTANT, value=IGNORED)
    if part.shape[:2] != size:
        shrink = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        part = cv2.resize(part, (width, height), interpolation=shrink)
        # INTER_NEAREST takes the pixel above and to the left, which shifts labels by half a pixel.
        part_ids = cv2.resize(part_ids, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(part, np.uint8), np.asarray(part_ids, np.int16)


def cover_factor(image: ImageSize, size: ImageSize) -> float:
    """Return the factor at which an image of (height, width) just covers a crop of a size."""
    return max(size[0] / image[0], size[1] / image[1])


@dataclass(frozen=True)
class SignCutout:
    """A sign to paste: its pixels, its outline and the label set of its type."""

    rgb: RgbImage
    mask: NDArray[np.bool_]
    label_set_id: int


def paste_sign(
    image: RgbImage,
    label_set_ids: LabelSetIds,
    sign: SignCutout,
    side: int,
    rng: np.random.Generator,
) -> None:
    """Paste a sign in place, turned and lit at random, and label its pixels.

    Args:
        image: (H, W, 3), changed.
        label_set_ids: (H, W) label set of each pixel, changed.
        sign: The sign.
        side: Longer side of the result in pixels.
        rng: Random generator.
    """
    source_h, source_w = sign.mask.shape
    factor = side / max(source_h, source_w)
    height = max(4, round(source_h * factor))
    width = max(4, round(source_w * factor * rng.uniform(0.75, 1.0)))
    jitter = rng.uniform(-0.06, 0.06, (4, 2)) * (width, height)
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)])
    source = np.array([(0, 0), (source_w, 0), (source_w, source_h), (0, source_h)])
    warp = cv2.getPerspectiveTransform(
        source.astype(np.float32), (corners + jitter).astype(np.float32)
    )
    soft = rng.uniform(0.3, 0.8) / max(factor, 1e-3) if factor < 1 else 0.0
    rgb = cv2.GaussianBlur(sign.rgb, (0, 0), soft) if soft > 0.5 else sign.rgb
    rgb = cv2.warpPerspective(rgb, warp, (width, height), borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpPerspective(sign.mask.astype(np.float32), warp, (width, height))
    # Softness of the camera, limited so that a small cutout keeps its shape.
    softness = min(rng.uniform(0, 1.0), 0.05 * side)
    if softness > 0.3:
        rgb, alpha = (cv2.GaussianBlur(part, (0, 0), softness) for part in (rgb, alpha))
    image_h, image_w = label_set_ids.shape
    top = int(rng.integers(0, max(1, int(0.75 * image_h) - height)))
    left = int(rng.integers(0, max(1, image_w - width)))
    target = image[top : top + height, left : left + width]
    target_ids = label_set_ids[top : top + height, left : left + width]
    rgb = rgb[: target.shape[0], : target.shape[1]]
    alpha = alpha[: target.shape[0], : target.shape[1]]
    # Brightness follows that of the image, and a little that of the surroundings: dark signs at
    # dusk, darker ones under trees.
    around = 0.75 * image.mean() + 0.25 * target.mean()
    light = float(np.clip((around + 30) / 150 * rng.uniform(0.6, 1.3), 0.25, 1.2))
    tint = rng.uniform(0.92, 1.08, 3)
    lit = np.clip(rgb.astype(np.float32) * light * tint + rng.uniform(-10, 15), 0, 255)
    # Dust and distance reduce contrast.
    lit = lit.mean() + (lit - lit.mean()) * rng.uniform(0.7, 1.0)
    blended = alpha[..., None] * lit + (1 - alpha[..., None]) * target
    blended = blended + rng.normal(0, rng.uniform(0, 5), blended.shape)
    target[:] = np.clip(blended, 0, 255).astype(np.uint8)
    target_ids[alpha > 0.6] = sign.label_set_id
    target_ids[(alpha > 0.2) & (alpha <= 0.6)] = IGNORED


def paste_signs(
    image: RgbImage,
    label_set_ids: LabelSetIds,
    library: Sequence[Sequence[SignCutout]],
    count: int,
    rng: np.random.Generator,
    sides: tuple[int, int] = (14, 72),
) -> None:
    """Paste signs in place, every type with equal probability.

    Args:
        image: (H, W, 3), changed.
        label_set_ids: (H, W) label set of each pixel, changed.
        library: Cutouts by type, at least one of each.
        count: Number of signs.
        rng: Random generator.
        sides: Smallest and largest longer side in pixels; its logarithm is uniform.
    """
    for _ in range(count):
        cutouts = library[int(rng.integers(len(library)))]
        sign = cutouts[int(rng.integers(len(cutouts)))]
        side = round(np.exp(rng.uniform(*np.log(sides))))
        paste_sign(image, label_set_ids, sign, side, rng)
