# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Small drawn images with CamVid's labels, in a folder as CamVid's."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIZE = (64, 64)
SKY, ROAD, TREE, CAR, UNLABELLED = 0, 3, 5, 8, 11
COLORS = {SKY: (150, 190, 230), ROAD: (110, 105, 110), TREE: (60, 120, 50), CAR: (190, 40, 40)}


def picture(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return an image of sky, road, trees and a car with CamVid's label ids."""
    label_ids = np.full(SIZE, SKY, np.uint8)
    horizon = int(rng.integers(24, 36))
    label_ids[horizon:] = ROAD
    x = int(rng.integers(0, 40))
    label_ids[horizon - 18 : horizon, x : x + 24] = TREE
    x, y = int(rng.integers(0, 40)), int(rng.integers(horizon, 44))
    label_ids[y : y + 16, x : x + 24] = CAR
    image = np.zeros((*SIZE, 3))
    for label_id, color in COLORS.items():
        image[label_ids == label_id] = color
    label_ids[:, :2] = UNLABELLED
    noisy = image + rng.normal(0, 8, image.shape) + rng.uniform(-15, 15)
    return np.clip(noisy, 0, 255).astype(np.uint8), label_ids


def draw_camvid(root: Path) -> Path:
    """Write a folder in CamVid's layout with 12 train and 4 val images."""
    rng = np.random.default_rng(0)
    for split, count in (('train', 12), ('val', 4)):
        lines = []
        for index in range(count):
            image, label_ids = picture(rng)
            names = [f'images/{split}/{index}.png', f'labels/{split}/{index}.png']
            for name, array in zip(names, (image[..., ::-1], label_ids), strict=True):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(root / name), array)
            lines.append(' '.join(names))
        (root / f'{split}.txt').write_text('\n'.join(lines) + '\n')
    return root
