# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Augmentation: crops at jittered scale, colour, blur, and signs pasted with their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.transforms import v2

from hiseg_ros.training.datasets.sample import Box
from hiseg_ros.training.label_table import IGNORED
from hiseg_ros.types import ImageSize, RgbImage

Rows = NDArray[np.int16]
"""(H, W) int16 rows of the label table; -1 = unlabeled."""


def random_crop(
    image: RgbImage,
    rows: Rows,
    size: ImageSize,
    scale: tuple[float, float],
    rng: np.random.Generator,
    centre: Box | None = None,
) -> tuple[RgbImage, Rows]:
    """Resize by a random factor and cut out a window, padded where the image ends.

    Args:
        image: (H, W, 3).
        rows: (H, W).
        size: (height, width) of the result.
        scale: Least and largest factor, drawn evenly in its logarithm.
        rng: Source of chance.
        centre: A box that should lie inside the window, or None for any window.
    """
    factor = float(np.exp(rng.uniform(*np.log(scale))))
    height, width = size
    # The window in the original image; only that part is resized.
    window_h, window_w = round(height / factor), round(width / factor)
    image_h, image_w = rows.shape
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
    part_rows: NDArray[Any] = rows[y0:y1, x0:x1]
    if any(pad):
        part = cv2.copyMakeBorder(part, *pad, cv2.BORDER_CONSTANT, value=(124, 116, 104))
        part_rows = cv2.copyMakeBorder(part_rows, *pad, cv2.BORDER_CONSTANT, value=IGNORED)
    if part.shape[:2] != size:
        shrink = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        part = cv2.resize(part, (width, height), interpolation=shrink)
        # Plain INTER_NEAREST takes the pixel above and left: labels half a pixel off their image.
        part_rows = cv2.resize(part_rows, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(part, np.uint8), np.asarray(part_rows, np.int16)


@dataclass(frozen=True)
class SignCutout:
    """A sign to paste: its pixels, its outline and its row in the label table."""

    rgb: RgbImage
    mask: NDArray[np.bool_]
    row: int


def paste_sign(
    image: RgbImage, rows: Rows, sign: SignCutout, side: int, rng: np.random.Generator
) -> None:
    """Paste a sign in place, turned and lit at random, and label its pixels.

    Args:
        image: (H, W, 3), changed.
        rows: (H, W), changed.
        sign: What to paste.
        side: Longer side of the result in pixels.
        rng: Source of chance.
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
    image_h, image_w = rows.shape
    top = int(rng.integers(0, max(1, int(0.75 * image_h) - height)))
    left = int(rng.integers(0, max(1, image_w - width)))
    target = image[top : top + height, left : left + width]
    target_rows = rows[top : top + height, left : left + width]
    rgb = rgb[: target.shape[0], : target.shape[1]]
    alpha = alpha[: target.shape[0], : target.shape[1]]
    # Signs follow the light of the picture: dusk signs on dusk streets.
    light = float(np.clip((image.mean() + 30) / 150 * rng.uniform(0.6, 1.3), 0.25, 1.2))
    tint = rng.uniform(0.92, 1.08, 3)
    lit = np.clip(rgb.astype(np.float32) * light * tint + rng.uniform(-10, 15), 0, 255)
    blended = alpha[..., None] * lit + (1 - alpha[..., None]) * target
    blended = blended + rng.normal(0, rng.uniform(0, 5), blended.shape)
    target[:] = np.clip(blended, 0, 255).astype(np.uint8)
    target_rows[alpha > 0.6] = sign.row
    target_rows[(alpha > 0.2) & (alpha <= 0.6)] = IGNORED


def paste_signs(
    image: RgbImage,
    rows: Rows,
    library: Sequence[Sequence[SignCutout]],
    count: int,
    rng: np.random.Generator,
) -> None:
    """Paste signs in place, every type equally likely.

    Args:
        image: (H, W, 3), changed.
        rows: (H, W), changed.
        library: Cutouts by type, none empty.
        count: How many to paste.
        rng: Source of chance.
    """
    for _ in range(count):
        cutouts = library[int(rng.integers(len(library)))]
        sign = cutouts[int(rng.integers(len(cutouts)))]
        side = int(np.exp(rng.uniform(np.log(14), np.log(72))))
        paste_sign(image, rows, sign, side, rng)


_COLOR = v2.ColorJitter(brightness=0.35, contrast=0.35, saturation=0.35, hue=0.03)


def random_colors(image: RgbImage, rng: np.random.Generator) -> torch.Tensor:
    """Return the image as (3, H, W) uint8 with jittered colour, blur and noise."""
    # torchvision draws from torch's own generator; seeding it here makes a sample depend on its
    # index alone, so that a resumed run sees the same pictures.
    torch.manual_seed(int(rng.integers(2**31)))
    tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    if rng.random() < 0.8:
        tensor = _COLOR(tensor)
    if rng.random() < 0.25:
        tensor = v2.functional.gaussian_blur(tensor, [3, 3], [float(rng.uniform(0.3, 1.2))])
    if rng.random() < 0.25:
        noise = torch.randn(tensor.shape) * float(rng.uniform(1, 8))
        tensor = (tensor.float() + noise).clamp(0, 255).to(torch.uint8)
    return tensor
