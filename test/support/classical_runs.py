# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Classical methods on small drawn images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hiseg_ros.classical.engine import ClassicalEngine
from hiseg_ros.datasets import open_dataset
from hiseg_ros.decision.mapped import LabelDecision
from hiseg_ros.taxonomy import load_mapping
from hiseg_ros.training.classical.train import train_classical
from hiseg_ros.training.config.classical import ClassicalConfig, ClassicalDataset

SMALL: dict[str, dict[str, Any]] = {
    'prior': {'rows': 16, 'columns': 16},
    'otsu': {'rows': 16, 'columns': 16},
    'watershed': {'window': 16},
    'hog': {'window': 16},
    'superpixel': {'segments': 120, 'trees': 15, 'leaves': 100},
}
"""Options for images of 64x64 pixels, by the name of the method."""


def small_classical(method: str, camvid: Path, **changes: Any) -> ClassicalConfig:
    """Return the settings of a method on a folder as CamVid's."""
    settings: dict[str, Any] = {
        'name': method,
        'classical': method,
        'taxonomy': 'street',
        'datasets': {'camvid': ClassicalDataset('camvid', str(camvid), {'split': 'train'})},
        'options': SMALL[method],
        'height': 64,
        'licences': {'camvid': 'CC BY-NC 4.0'},
    }
    return ClassicalConfig(**{**settings, **changes})


def trained(method: str, camvid: Path, folder: Path, **changes: Any) -> Path:
    """Train a method and return its file."""
    return train_classical(small_classical(method, camvid, **changes), folder)


def accuracy(engine: ClassicalEngine, camvid: Path, split: str = 'val') -> float:
    """Return the mean IoU of the labels that occur, by summed probability."""
    mapping = load_mapping('camvid', engine.taxonomy)
    decide = LabelDecision(mapping, engine.taxonomy)
    both = np.zeros((12, 12), np.int64)
    dataset = open_dataset('camvid', camvid, {'split': split})
    for index in range(len(dataset)):
        sample = dataset[index]
        found = decide(engine.segment(sample.image).probabilities).label_ids
        np.add.at(both, (sample.label_ids.ravel(), found.ravel()), 1)
    both = both[:11, :11]
    hits, union = np.diag(both), both.sum(0) + both.sum(1) - np.diag(both)
    return float((hits / union.clip(1))[both.sum(1) > 0].mean())
