# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Batches with fixed shares of each data set; a sample depends on its number alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset
from tqdm import tqdm

from hiseg_ros.errors import DatasetError
from hiseg_ros.training.config import DatasetConfig
from hiseg_ros.training.datasets.sample import Box, Sample, SegmentationDataset
from hiseg_ros.training.label_table import UNKNOWN
from hiseg_ros.training.transforms import (
    Rows,
    SignCutout,
    paste_signs,
    random_colors,
    random_crop,
)
from hiseg_ros.types import ImageSize, RgbImage

TrainingItem = tuple[torch.Tensor, torch.Tensor, int]
"""Image (3, H, W) uint8, target rows (H, W) int64, index of the data set."""


@dataclass(frozen=True)
class Source:
    """A data set in memory, its labels already rows of the label table."""

    config: DatasetConfig
    images: tuple[RgbImage, ...]
    rows: tuple[Rows, ...]
    boxes: tuple[tuple[Box, ...], ...]

    @classmethod
    def load(
        cls, config: DatasetConfig, dataset: SegmentationDataset, row_table: NDArray[np.int16]
    ) -> Source:
        """Read a whole data set, with a progress bar.

        Decoding JPEG and WebP again for each epoch would cost more than the augmentation.

        Args:
            config: Its settings.
            dataset: Where the samples come from.
            row_table: (256,) row of the label table by label id.

        Raises:
            DatasetError: A sample cannot be read or has a label id that the mapping lacks.
        """
        samples: list[Sample] = []
        for index in tqdm(range(len(dataset)), f'reading {config.kind}'):
            sample = dataset[index]
            unknown = np.unique(sample.label_ids[row_table[sample.label_ids] == UNKNOWN])
            if unknown.size:
                raise DatasetError(
                    f'Image {sample.name} of data set {config.kind} in {config.root} has the '
                    f'label ids {unknown.tolist()}; expected only those of the mapping '
                    f'{dataset.mapping_name!r}.'
                )
            samples.append(sample)
        return cls(
            config,
            tuple(sample.image for sample in samples),
            tuple(row_table[sample.label_ids] for sample in samples),
            tuple(sample.boxes for sample in samples),
        )


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
        """Lay out one epoch; data sets whose `from_epoch` lies ahead are left out.

        Args:
            sources: Data sets.
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

    @property
    def batch_size(self) -> int:
        """Images in a batch of this epoch."""
        return len(self.slots)

    def __len__(self) -> int:
        """Return the number of samples."""
        return self.steps * self.batch_size

    def __getitem__(self, index: int) -> TrainingItem:
        """Return one augmented sample; it depends on seed, epoch and index alone."""
        batch, slot = divmod(index, self.batch_size)
        dataset_index, place = self.slots[slot]
        source = self.sources[dataset_index]
        rng = np.random.default_rng((self.seed, self.epoch, index))
        chosen = self._position(source, batch, place)
        boxes = source.boxes[chosen]
        centre = None
        if boxes and rng.random() < source.config.box_centred:
            centre = boxes[int(rng.integers(len(boxes)))]
        image, rows = random_crop(
            source.images[chosen], source.rows[chosen], self.crop, source.config.scale, rng, centre
        )
        image, rows = np.array(image), np.array(rows)
        # Signs have no mirror image of the same meaning: pictures of sign types stay as they are.
        if source.config.flips and rng.random() < 0.5:
            image, rows = image[:, ::-1].copy(), rows[:, ::-1].copy()
        if self.library and source.config.pasted_signs:
            count = int(rng.poisson(source.config.pasted_signs))
            paste_signs(image, rows, self.library, count, rng)
        return (
            random_colors(image, rng),
            torch.from_numpy(rows.astype(np.int64)),
            dataset_index,
        )

    def _position(self, source: Source, batch: int, place: int) -> int:
        """Return which image a slot shows: each once per pass, every pass in another order."""
        step = (self.epoch - source.config.from_epoch) * self.steps + batch
        passes, position = divmod(step * source.config.share + place, len(source.images))
        order = np.random.default_rng((self.seed, passes, len(source.images))).permutation(
            len(source.images)
        )
        return int(order[position])
