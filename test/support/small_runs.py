# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Small images for whole runs, and what is compared of the runs."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from drawn_camvid import CAR, COLORS, ROAD, SIZE, SKY, TREE, UNLABELLED, draw_camvid, picture

from hiseg_ros.model.checkpoint import load_checkpoint
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.training.config.dataset import DatasetConfig
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.run.module import SegmentationModule

__all__ = [
    'CAR',
    'COLORS',
    'ROAD',
    'SIZE',
    'SKY',
    'TREE',
    'UNLABELLED',
    'assert_same_weights',
    'draw_camvid',
    'losses',
    'picture',
    'small_config',
    'stop_after',
    'tensors',
]


def small_config(camvid: Path) -> TrainingConfig:
    """Return a run of a few short epochs of a small network."""
    return TrainingConfig(
        name='small',
        taxonomy='street',
        network=NetworkConfig(
            'mobilenetv4_conv_small_050', channels=16, branch_channels=8, decoder='fusion'
        ),
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
