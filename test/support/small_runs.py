# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Small images for whole runs, and what is compared of the runs."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from hiseg_ros.model.checkpoint import load_checkpoint
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.training.config.experiment import DatasetConfig, TrainingConfig
from hiseg_ros.training.run.module import SegmentationModule

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


def small_config(camvid: Path) -> TrainingConfig:
    """Return a run of a few short epochs of a small network."""
    return TrainingConfig(
        name='small',
        taxonomy='street',
        network=NetworkConfig('mobilenetv4_conv_small_050', channels=16, branch_channels=8),
        datasets={'camvid': DatasetConfig('camvid', str(camvid), 3, flips=True)},
        crop=SIZE,
        steps=8,
        steps_per_epoch=2,
        warmup_steps=1,
        ema_decay=0.5,
        workers=0,
        validation_every_epochs=2,
        licences={'camvid': 'CC BY-NC 4.0'},
    )


def stop_after(monkeypatch: pytest.MonkeyPatch, epochs: int, steps: int = 0) -> None:
    """Make training fail hard in the step after some epochs and steps."""
    original = SegmentationModule.training_step

    def step(self: SegmentationModule, batch: object, batch_idx: int) -> torch.Tensor:
        if self.current_epoch == epochs and batch_idx == steps:
            raise RuntimeError('the power went out')
        return original(self, batch, batch_idx)  # type: ignore[arg-type]

    monkeypatch.setattr(SegmentationModule, 'training_step', step)


def tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a weights file."""
    return dict(load_checkpoint(path).state)


def assert_same_weights(first: Path, second: Path) -> None:
    """Compare two weights files tensor by tensor, bit by bit."""
    one, other = tensors(first), tensors(second)
    assert list(one) == list(other)
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert different == []


def losses(run_dir: Path) -> list[float]:
    """Return the logged losses of a run."""
    found: list[float] = []
    for path in sorted((run_dir / 'metrics').glob('*/metrics.csv')):
        with path.open() as file:
            found += [float(row['loss']) for row in csv.DictReader(file) if row.get('loss')]
    return found
