# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The training run of an adaptation: self-training on pseudo labels, at low rates.

Forgetting is the danger, so everything is slow: rates of 5e-5, statistics of the batch norms as
they are, a teacher that does not change, averaged weights, and labelled images in every batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hiseg_ros.adapt.source_set import DRAWN, SourceSet
from hiseg_ros.model.checkpoint import Checkpoint
from hiseg_ros.training.config.dataset import DatasetConfig
from hiseg_ros.training.config.experiment import TrainingConfig, ValidationConfig
from hiseg_ros.training.config.loss import LossConfig
from hiseg_ros.training.config.recipe import AugmentationConfig
from hiseg_ros.types import ImageSize

Precision = Literal['32-true', 'bf16-mixed']
"""Lightning's names of what a CPU or GPU computes in."""

NAME = 'adapted'
"""Name of the run, and of its weights file."""

TARGET = 'recordings'
"""Name of the target among the datasets of the run."""

LEARNING_RATE = 5e-5
EMA_DECAY = 0.99

MOST_STEPS = 400
"""More steps wear the old knowledge away and add nothing: see docs/adapt_your_robot.md."""

LEAST_STEPS = 20
"""Fewer are no adaptation."""

STEPS_PER_EPOCH = 20
"""Steps between two checkpoints: what a killed run does again."""

TARGET_SHARE, SOURCE_SHARE = 4, 1
"""Images of the target, and of the source, in each batch."""

LARGEST_CROP: ImageSize = (384, 512)

SCALES = (0.8, 1.25)
"""Range of the random resize factor around the size at which the network sees whole images."""

STRONG = AugmentationConfig(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.03)


@dataclass(frozen=True)
class Place:
    """Where things of a run lie, and what its images are like."""

    model: Path
    target: Path
    """Folder with images/ and labels/ of the target."""
    mapping: Path
    """What the pseudo labels mean."""
    taxonomy: str
    """Name in config/taxonomies, or path of a file."""
    target_size: ImageSize
    """(H, W) of the target's images."""
    source_size: ImageSize
    """(H, W) of the source's images."""
    flips: bool
    """Whether the tree's mirror images are known."""


def training_config(
    checkpoint: Checkpoint,
    source: SourceSet,
    place: Place,
    steps: int,
    *,
    seed: int = 1,
    precision: Precision = '32-true',
) -> TrainingConfig:
    """Return the settings of the run.

    Args:
        checkpoint: The weights to start from.
        source: Labelled images.
        place: Where things lie.
        steps: Optimiser steps.
        seed: Of all draws.
        precision: Lightning's name.

    Raises:
        ConfigError: The network cannot be trained with these settings.
    """
    preprocessing = checkpoint.preprocessing
    heights = {
        name: preprocessing.input_size(size)[0] / size[0]
        for name, size in (('target', place.target_size), ('source', place.source_size))
    }
    seen = preprocessing.input_size(place.target_size)
    crop = tuple(
        min(side, largest) // preprocessing.multiple * preprocessing.multiple
        for side, largest in zip(seen, LARGEST_CROP, strict=True)
    )
    return TrainingConfig(
        name=NAME,
        taxonomy=place.taxonomy,
        network=checkpoint.network,
        preprocessing=preprocessing,
        initial_weights=str(place.model),
        datasets={
            TARGET: DatasetConfig(
                kind='folder',
                root=str(place.target),
                share=TARGET_SHARE,
                scale=_scale(heights['target']),
                flips=place.flips,
                augmentation=STRONG,
                options={'mapping': str(place.mapping)},
            ),
            source.kind: DatasetConfig(
                kind=source.kind,
                root=source.root,
                share=SOURCE_SHARE,
                weight=source.weight,
                scale=_scale(heights['source']),
                options=source.learnt,
            ),
        },
        loss=LossConfig('hssn' if checkpoint.network.head == 'nodes' else 'set'),
        crop=(crop[0], crop[1]),
        steps=steps,
        steps_per_epoch=min(STEPS_PER_EPOCH, steps),
        learning_rate=LEARNING_RATE,
        weight_decay=0.01,
        warmup_steps=min(20, steps // 4),
        ema_decay=EMA_DECAY,
        frozen_norms=('backbone', 'decoder', 'head'),
        precision=precision,
        validation=ValidationConfig(''),
        seed=seed,
        workers=1,
        recipe=(
            'Adapted without labels: pseudo labels drawn from the probabilities of the old '
            'weights over several views of each image; AdamW at 5e-5, batch norms frozen, EMA.'
        ),
        licences={TARGET: 'that of the recordings', DRAWN: 'Apache-2.0, drawn by this project'},
    )


def _scale(seen: float) -> tuple[float, float]:
    """Return the range of resize factors around that of whole images."""
    return round(SCALES[0] * seen, 3), round(SCALES[1] * seen, 3)
