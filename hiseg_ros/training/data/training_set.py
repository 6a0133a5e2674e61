# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A dataset prepared for training: images with ids of label sets, in memory or read on demand."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hiseg_ros.datasets.counterfactuals import Redraws
from hiseg_ros.datasets.sample import Box, Sample, SegmentationDataset
from hiseg_ros.errors import ConfigError, DatasetError
from hiseg_ros.taxonomy import Label
from hiseg_ros.training.config.dataset import DatasetConfig
from hiseg_ros.training.data.label_table import UNKNOWN, LabelTable
from hiseg_ros.training.data.mirroring import LabelSetIds, mirrored_label_sets
from hiseg_ros.training.data.removing import ObjectRemoval, RemovableLabel
from hiseg_ros.training.data.repeats import Repeats, repeat_factors
from hiseg_ros.training.data.second_labels import SecondLabels
from hiseg_ros.types import RgbImage

LARGEST_IN_MEMORY = 4 * 2**30
"""Largest dataset, in bytes of decoded images and labels, that is kept in memory by default."""

READERS = 8
"""Largest number of threads that read a dataset; image decoders release Python's lock."""


@dataclass(frozen=True)
class LabelledImage:
    """An image with the label set of each pixel."""

    image: RgbImage
    label_set_ids: LabelSetIds
    boxes: tuple[Box, ...] = ()


class LabelledImages(Protocol):
    """Images by index, in memory or read on demand."""

    def __len__(self) -> int:
        """Return the number of images."""

    def __getitem__(self, index: int) -> LabelledImage:
        """Return an image; raises a DatasetError if it cannot be read."""


@runtime_checkable
class KnowsMixtures(Protocol):
    """A dataset that knows the mixtures of labels in its images without reading them."""

    def mixtures(self, index: int) -> Mapping[int, Mapping[int, float]]:
        """Return the mixtures of an image, as in its Sample."""


@dataclass(frozen=True)
class TrainingSet:
    """A dataset from which training samples are drawn."""

    config: DatasetConfig
    images: LabelledImages
    repeats: Repeats
    mirror: NDArray[np.int16] | None = None
    """(S,) mirror image of each label set, or NO_MIRROR; None where crops are not mirrored."""
    removal: ObjectRemoval[LabelledImage] | None = None
    """Removes objects; None where all stay."""

    @classmethod
    def load(
        cls,
        config: DatasetConfig,
        dataset: SegmentationDataset,
        table: LabelTable,
        mirror_of_leaf: NDArray[np.int64] | None = None,
        second_labels: SecondLabels | None = None,
        removed: Sequence[Label] = (),
    ) -> TrainingSet:
        """Read a dataset, or what must be known of it before training, with a progress bar.

        In memory JPEG and WebP images are decoded once: decoding them in every epoch would cost
        more than the augmentation. A large dataset is read image by image when it is shown; a
        damaged image then stops the run only when its turn comes. All labels are read once
        before training where rare labels are repeated, and where the first image has mixtures of
        labels, unless the dataset knows its mixtures.

        Args:
            config: Settings of the dataset.
            dataset: The samples.
            table: Gets a label set for each mixture of labels that occurs.
            mirror_of_leaf: (L,) mirror images of leaves; needed where crops are mirrored.
            second_labels: Narrow the labels of the images; the table has been built with them.
            removed: Labels whose objects are removed, where the settings ask for it.

        Raises:
            ConfigError: Crops are mirrored and the mirror images of the leaves are not given, or
                objects cannot be removed as the settings ask for.
            DatasetError: A sample cannot be read or has a label id that the mapping lacks.
        """
        if config.flips and mirror_of_leaf is None:
            raise ConfigError(
                f'Dataset {config.kind} in {config.root} has flips, but nothing says what its '
                'labels become; expected the mirror images of the leaves.'
            )
        reader = _Reader(config, dataset, table, second_labels)
        first = dataset[0]
        # Ids of label sets have two bytes a pixel.
        size = (first.image.nbytes + 2 * first.label_ids.size) * len(dataset)
        in_memory = size <= LARGEST_IN_MEMORY if config.in_memory is None else config.in_memory
        images: LabelledImages = reader
        repeats = Repeats.none(len(dataset))
        if in_memory or config.repeat_threshold or not reader.knows_mixtures(first):
            kept, present = reader.read_all(in_memory)
            images = kept if in_memory else reader
            if config.repeat_threshold:
                repeats = repeat_factors(present, config.repeat_threshold)
        mirror = None
        if mirror_of_leaf is not None and config.flips:
            mirror = mirrored_label_sets(
                table.allowed.numpy(), reader.label_sets(), mirror_of_leaf
            )
        return cls(config, images, repeats, mirror, reader.removal(removed))


class _Reader:
    """Images that are read when they are asked for."""

    def __init__(
        self,
        config: DatasetConfig,
        dataset: SegmentationDataset,
        table: LabelTable,
        second_labels: SecondLabels | None,
    ) -> None:
        self._second_labels = second_labels
        self._narrowed_label_sets = table.narrowed_label_sets(dataset.mapping_name)
        self._config = config
        self._dataset = dataset
        self._table = table
        self._label_set_of_label_id = table.label_set_of_label_id(dataset.mapping_name)
        self._label_set_of_mixture: dict[tuple[tuple[int, float], ...], int] = {}

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> LabelledImage:
        sample = self._dataset[index]
        return LabelledImage(sample.image, self._label_set_ids(sample), sample.boxes)

    def knows_mixtures(self, first: Sample) -> bool:
        """Add the mixtures that the dataset knows to the table.

        Args:
            first: First sample of the dataset.

        Returns:
            Whether all mixtures are known: the dataset says so, or the first sample has none.
        """
        if not isinstance(self._dataset, KnowsMixtures):
            return not first.mixtures
        for index in range(len(self)):
            self._add_mixtures(self._dataset.mixtures(index))
        return True

    def _add_mixtures(self, mixtures: Mapping[int, Mapping[int, float]]) -> None:
        for shares in mixtures.values():
            key = _key(shares)
            if key not in self._label_set_of_mixture:
                self._label_set_of_mixture[key] = self._table.add_mixture(
                    self._dataset.mapping_name, shares
                )

    def removal(self, labels: Sequence[Label]) -> ObjectRemoval[LabelledImage] | None:
        """Return what removes the objects of these labels, None where the settings do not ask.

        Raises:
            ConfigError: Scenes that are drawn again have second labels, or not all objects of a
                label are to go.
        """
        config, dataset = self._config.removal, self._dataset
        if config is None:
            return None
        redraws = dataset if config.redraw and isinstance(dataset, Redraws) else None
        if redraws is not None and (config.objects != 'all' or self._second_labels is not None):
            raise ConfigError(
                f'Dataset {self._config.kind} in {self._config.root} is drawn again without '
                f'objects, and has removal.objects {config.objects!r} or second labels; expected '
                "'all' and none: change them, or set removal.redraw to false."
            )
        tables = [self._label_set_of_label_id[:, None]]
        if self._narrowed_label_sets is not None:
            tables.append(self._narrowed_label_sets)
        sets = {one.label_id: np.unique(np.hstack(tables)[one.label_id]) for one in labels}
        return ObjectRemoval(
            config,
            tuple(RemovableLabel(key, tuple(own[own >= 0].tolist())) for key, own in sets.items()),
            None if redraws is None else partial(self._redrawn_without, redraws),
        )

    def _redrawn_without(self, redraws: Redraws, index: int, label_id: int) -> LabelledImage:
        sample, _ = redraws.redrawn_without(index, label_id)
        return LabelledImage(sample.image, self._label_set_ids(sample), sample.boxes)

    def label_sets(self) -> list[int]:
        """Return the ids of the dataset's label sets, without mixtures, ascending."""
        tables = [self._label_set_of_label_id]
        if self._narrowed_label_sets is not None:
            tables.append(self._narrowed_label_sets.ravel())
        return sorted({set_id for table in tables for set_id in table[table >= 0].tolist()})

    def read_all(self, keeps: bool) -> tuple[list[LabelledImage], NDArray[np.bool_]]:
        """Read all images and add their mixtures to the table.

        Args:
            keeps: Whether the images are returned; the list is empty otherwise.

        Returns:
            The images, and the (N, 256) table: does image i have label id c.
        """
        count = len(self)
        present = np.zeros((count, 256), np.bool_)
        kept: list[LabelledImage] = []
        doing = 'reading' if keeps else 'reading the labels of'
        for index, sample in enumerate(
            tqdm(self._samples(), f'{doing} {self._config.kind}', count)
        ):
            self._add_mixtures(sample.mixtures)
            label_set_ids = self._label_set_ids(sample)
            present[index] = _label_ids_in(sample)
            if keeps:
                kept.append(LabelledImage(sample.image, label_set_ids, sample.boxes))
        return kept, present

    def _samples(self) -> Iterator[Sample]:
        """Yield all samples in order; threads read some of them ahead."""
        workers = min(READERS, os.cpu_count() or 1)
        with ThreadPoolExecutor(workers) as pool:
            waiting = [
                pool.submit(self._dataset.__getitem__, i)
                for i in range(2 * workers)
                if i < len(self)
            ]
            for index in range(len(self)):
                sample = waiting.pop(0).result()
                if index + 2 * workers < len(self):
                    waiting.append(pool.submit(self._dataset.__getitem__, index + 2 * workers))
                yield sample

    def _label_set_ids(self, sample: Sample) -> LabelSetIds:
        """Return the (H, W) ids of the label sets of a sample's pixels.

        Raises:
            DatasetError: A label id is not in the mapping, or a mixture is not in the table.
        """
        table = self._label_set_of_label_id
        for value, shares in sample.mixtures.items():
            set_id = self._label_set_of_mixture.get(_key(shares))
            if set_id is None:
                raise DatasetError(
                    f'Image {sample.name} of dataset {self._config.kind} in {self._config.root} '
                    f'has the mixture of labels {dict(shares)}, and the first image has none; '
                    'expected mixtures to be known before training: set in_memory to true.'
                )
            table = table.copy() if table is self._label_set_of_label_id else table
            table[value] = set_id
        label_set_ids = table[sample.label_ids]
        if (label_set_ids == UNKNOWN).any():
            unknown = np.unique(sample.label_ids[label_set_ids == UNKNOWN]).tolist()
            raise DatasetError(
                f'Image {sample.name} of dataset {self._config.kind} in {self._config.root} has '
                f'the label ids {unknown}; expected only those of the mapping '
                f'{self._dataset.mapping_name!r}.'
            )
        if self._second_labels is None:
            return label_set_ids
        return self._narrowed(label_set_ids, sample)

    def _narrowed(self, label_set_ids: LabelSetIds, sample: Sample) -> LabelSetIds:
        """Return the label sets of a sample, plain labels narrowed by its second labels.

        Raises:
            DatasetError: The second labels are missing or have a label id their mapping lacks.
        """
        assert self._second_labels is not None and self._narrowed_label_sets is not None
        second_ids = self._second_labels.of(sample)
        narrowed = self._narrowed_label_sets[sample.label_ids, second_ids]
        if (narrowed == UNKNOWN).any():
            unknown = np.unique(second_ids[narrowed == UNKNOWN]).tolist()
            raise DatasetError(
                f'{self._second_labels.path(sample.name)} has the label ids {unknown}; expected '
                f'only those of the mapping {self._second_labels.mapping_name!r}.'
            )
        is_mixture = np.isin(sample.label_ids, list(sample.mixtures))
        return np.where(is_mixture, label_set_ids, narrowed)


def _key(shares: Mapping[int, float]) -> tuple[tuple[int, float], ...]:
    return tuple(sorted(shares.items()))


def _label_ids_in(sample: Sample) -> NDArray[np.bool_]:
    """Return the (256,) bool table of the label ids in a sample's pixels, mixtures and boxes."""
    present = np.bincount(sample.label_ids.ravel(), minlength=256) > 0
    for value, shares in sample.mixtures.items():
        present[list(shares)] |= present[value]
        present[value] = False
    present[[box.label_id for box in sample.boxes]] = True
    return present
