# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Batches with fixed shares of each dataset; a sample depends on its number alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from hiseg_ros.datasets.sample import Box
from hiseg_ros.training.data.augmentation import random_colors
from hiseg_ros.training.data.mirroring import mirror_crop
from hiseg_ros.training.data.repeats import pass_length, pass_order
from hiseg_ros.training.data.training_set import Image, Source
from hiseg_ros.training.data.transforms import SignCutout, cover_factor, paste_signs, random_crop
from hiseg_ros.types import ImageSize

TrainingItem = tuple[torch.Tensor, torch.Tensor, int]
"""Image (3, H, W) uint8, target rows (H, W) int64, index of the dataset."""


class MixedSamples(Dataset[TrainingItem]):
    """All samples of an epoch in order; each batch holds the configured shares."""

    def __init__(
        self,
        sources: Sequence[Source],
        crop: ImageSize,
        steps: int,
        epoch: int,
        seed: int,
        library: Sequence[Sequence[SignCutout]] = (),
    ) -> None:
        """Lay out one epoch; datasets whose `from_epoch` lies ahead are left out.

        Args:
            sources: Datasets.
            crop: (height, width) of every sample.
            steps: Batches in an epoch.
            epoch: Number of the epoch within the run, from 0.
            seed: Seed of the run.
            library: Signs to paste by type; empty pastes none.
        """
        self.sources = list(sources)
        self.crop = crop
        self.steps = steps
        self.epoch = epoch
        self.seed = seed
        self.library = library
        self.slots = [
            (index, place)
            for index, source in enumerate(sources)
            if source.config.from_epoch <= epoch
            for place in range(source.config.share)
        ]
        self._lengths = [pass_length(source.repeats.of_image) for source in sources]
        self._pass: dict[int, tuple[int, NDArray[np.int64]]] = {}

    @property
    def batch_size(self) -> int:
        """Images in a batch of this epoch."""
        return len(self.slots)

    def __len__(self) -> int:
        """Return the number of samples."""
        return self.steps * self.batch_size

    def __getitem__(self, index: int) -> TrainingItem:
        """Return one augmented sample; it depends on seed, epoch and index alone.

        Raises:
            DatasetError: An image that is not kept in memory cannot be used.
        """
        batch, slot = divmod(index, self.batch_size)
        dataset_index, place = self.slots[slot]
        source = self.sources[dataset_index]
        config = source.config
        rng = np.random.default_rng((self.seed, self.epoch, index))
        entry = source.images[self._position(dataset_index, batch, place)]
        centre = None
        if entry.boxes and rng.random() < config.box_centred:
            centre = _chosen_box(entry.boxes, source.repeats.of_label_id, rng)
        scale = self._scale(source, entry, centre)
        image, rows = random_crop(entry.image, entry.rows, self.crop, scale, rng, centre)
        image, rows = np.array(image), np.array(rows)
        if source.mirror is not None and rng.random() < 0.5:
            image, rows = mirror_crop(image, rows, source.mirror) or (image, rows)
        # After mirroring: pasted signs are as they stand in the street.
        if self.library and config.pasted_signs:
            count = int(rng.poisson(config.pasted_signs))
            paste_signs(image, rows, self.library, count, rng, config.pasted_size)
        return (
            random_colors(image, rng, config.augmentation),
            torch.from_numpy(rows.astype(np.int64)),
            dataset_index,
        )

    def _scale(self, source: Source, entry: Image, centre: Box | None) -> tuple[float, float]:
        """Return the range of the resize factor."""
        config = source.config
        if centre is not None and config.box_scale is not None:
            return config.box_scale
        if config.scale_from == 'native':
            return config.scale
        least = cover_factor((entry.rows.shape[0], entry.rows.shape[1]), self.crop)
        return least * config.scale[0], least * config.scale[1]

    def _position(self, dataset_index: int, batch: int, place: int) -> int:
        """Return which image a slot shows: each at least once per pass, always in new order."""
        source = self.sources[dataset_index]
        step = (self.epoch - source.config.from_epoch) * self.steps + batch
        number, position = divmod(step * source.config.share + place, self._lengths[dataset_index])
        kept_number, order = self._pass.get(dataset_index, (-1, None))
        if order is None or kept_number != number:
            order = pass_order(source.repeats.of_image, self.seed, number)
            self._pass[dataset_index] = number, order
        return int(order[position])


def _chosen_box(
    boxes: Sequence[Box], of_label_id: NDArray[np.float64], rng: np.random.Generator
) -> Box:
    """Return a box, one of a rare label likelier: for its sake the image is shown again."""
    weights = np.array([of_label_id[box.label_id] for box in boxes])
    if (weights == weights[0]).all():
        return boxes[int(rng.integers(len(boxes)))]
    return boxes[int(rng.choice(len(boxes), p=weights / weights.sum()))]
