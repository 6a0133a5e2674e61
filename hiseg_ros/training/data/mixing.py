# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Batches with a fixed share of each dataset; a sample depends on its index alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from hiseg_ros.datasets.sample import Box
from hiseg_ros.training.data.augmentation import random_colors
from hiseg_ros.training.data.mirroring import mirror_crop
from hiseg_ros.training.data.repeats import pass_length, pass_order
from hiseg_ros.training.data.training_set import LabelledImage, TrainingSet
from hiseg_ros.training.data.transforms import SignCutout, cover_factor, paste_signs, random_crop
from hiseg_ros.types import ImageSize, RgbImage

TrainingItem = tuple[torch.Tensor, torch.Tensor, int]
"""Image (3, H, W) uint8, ids of label sets (H, W) int64, index of the dataset."""

Restyle = Callable[[RgbImage, np.random.Generator], RgbImage]
"""Changes the look of a crop (H, W, 3), not what is in it."""

RESTYLE_STREAM = 1
"""Last part of the seed of the draws of `restyle`."""


class MixedSamples(Dataset[TrainingItem]):
    """All samples of an epoch in order; each batch has the configured share of each dataset."""

    def __init__(
        self,
        training_sets: Sequence[TrainingSet],
        crop: ImageSize,
        steps: int,
        epoch: int,
        seed: int,
        library: Sequence[Sequence[SignCutout]] = (),
        restyle: Restyle | None = None,
    ) -> None:
        """Plan one epoch; datasets that join in a later epoch are left out.

        Args:
            training_sets: The datasets, in the order of the configuration.
            crop: (height, width) of every sample.
            steps: Number of batches in an epoch.
            epoch: Number of the epoch within the run, from 0.
            seed: Seed of the run.
            library: Signs to paste by type; empty pastes none.
            restyle: Changes the look of crops before their colours are jittered.
        """
        self.training_sets = list(training_sets)
        self.crop = crop
        self.steps = steps
        self.epoch = epoch
        self.seed = seed
        self.library = library
        self.restyle = restyle
        self.slots = [
            (index, place)
            for index, training_set in enumerate(training_sets)
            if training_set.config.from_epoch <= epoch
            for place in range(training_set.config.share)
        ]
        self._lengths = [pass_length(one.repeats.of_image) for one in training_sets]
        self._pass: dict[int, tuple[int, NDArray[np.int64]]] = {}

    @property
    def batch_size(self) -> int:
        """Images in a batch of this epoch."""
        return len(self.slots)

    def __len__(self) -> int:
        """Return the number of samples."""
        return self.steps * self.batch_size

    def __getitem__(self, index: int) -> TrainingItem:
        """Return an augmented sample, which depends only on seed, epoch and index.

        Raises:
            DatasetError: An image that is not kept in memory cannot be read.
        """
        batch, slot = divmod(index, self.batch_size)
        dataset_index, place = self.slots[slot]
        training_set = self.training_sets[dataset_index]
        config = training_set.config
        rng = np.random.default_rng((self.seed, self.epoch, index))
        position = self._position(dataset_index, batch, place)
        entry = training_set.images[position]
        removal = training_set.removal
        if removal is not None:
            entry = removal.another_image(position, entry.label_set_ids, rng) or entry
        centre = None
        if entry.boxes and rng.random() < config.box_centred:
            centre = _chosen_box(entry.boxes, training_set.repeats.of_label_id, rng)
        scale = self._scale(training_set, entry, centre)
        image, label_set_ids = random_crop(
            entry.image, entry.label_set_ids, self.crop, scale, rng, centre
        )
        image, label_set_ids = np.array(image), np.array(label_set_ids)
        # A crop around a box shows that box.
        if removal is not None and centre is None:
            image, label_set_ids = removal.inpainted_crop(image, label_set_ids, rng)
        if training_set.mirror is not None and rng.random() < 0.5:
            image, label_set_ids = mirror_crop(image, label_set_ids, training_set.mirror) or (
                image,
                label_set_ids,
            )
        # After mirroring: pasted signs are not mirrored.
        if self.library and config.pasted_signs:
            count = int(rng.poisson(config.pasted_signs))
            paste_signs(image, label_set_ids, self.library, count, rng, config.pasted_size)
        if self.restyle is not None:
            # A stream of its own: the other draws are those without it.
            own = np.random.default_rng((self.seed, self.epoch, index, RESTYLE_STREAM))
            image = self.restyle(image, own)
        return (
            random_colors(image, rng, config.augmentation),
            torch.from_numpy(label_set_ids.astype(np.int64)),
            dataset_index,
        )

    def _scale(
        self, training_set: TrainingSet, entry: LabelledImage, centre: Box | None
    ) -> tuple[float, float]:
        """Return the range of the resize factor."""
        config = training_set.config
        if centre is not None and config.box_scale is not None:
            return config.box_scale
        if config.scale_from == 'native':
            return config.scale
        least = cover_factor(
            (entry.label_set_ids.shape[0], entry.label_set_ids.shape[1]), self.crop
        )
        return least * config.scale[0], least * config.scale[1]

    def _position(self, dataset_index: int, batch: int, place: int) -> int:
        """Return the index of the image for a slot of a batch."""
        training_set = self.training_sets[dataset_index]
        step = (self.epoch - training_set.config.from_epoch) * self.steps + batch
        number, position = divmod(
            step * training_set.config.share + place, self._lengths[dataset_index]
        )
        kept_number, order = self._pass.get(dataset_index, (-1, None))
        if order is None or kept_number != number:
            order = pass_order(training_set.repeats.of_image, self.seed, number)
            self._pass[dataset_index] = number, order
        return int(order[position])


def _chosen_box(
    boxes: Sequence[Box], of_label_id: NDArray[np.float64], rng: np.random.Generator
) -> Box:
    """Return a random box; boxes of rare labels are more likely."""
    weights = np.array([of_label_id[box.label_id] for box in boxes])
    if (weights == weights[0]).all():
        return boxes[int(rng.integers(len(boxes)))]
    return boxes[int(rng.choice(len(boxes), p=weights / weights.sum()))]
