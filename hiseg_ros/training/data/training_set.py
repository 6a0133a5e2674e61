# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A dataset with rows of the label table for labels: in memory, or read when it is shown."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hiseg_ros.datasets.sample import Box, Sample, SegmentationDataset
from hiseg_ros.errors import ConfigError, DatasetError
from hiseg_ros.training.config.experiment import DatasetConfig
from hiseg_ros.training.data.label_table import UNKNOWN, LabelTable
from hiseg_ros.training.data.mirroring import Rows, mirrored_rows
from hiseg_ros.training.data.repeats import Repeats, repeat_factors
from hiseg_ros.training.data.second_labels import SecondLabels
from hiseg_ros.types import RgbImage

LARGEST_IN_MEMORY = 4 * 2**30
"""Bytes of decoded images and labels up to which a dataset is kept in memory by default."""

READERS = 8
"""Most threads that read a dataset; decoders leave Python's lock."""


@dataclass(frozen=True)
class Image:
    """An image with its labels as rows of the label table."""

    image: RgbImage
    rows: Rows
    boxes: tuple[Box, ...] = ()


class Images(Protocol):
    """Images by number, in memory or not."""

    def __len__(self) -> int:
        """Return the number of images."""

    def __getitem__(self, index: int) -> Image:
        """Return one; raises a DatasetError if it cannot be read."""


@runtime_checkable
class KnowsMixtures(Protocol):
    """A dataset that knows the mixtures of labels in its images without reading them."""

    def mixtures(self, index: int) -> Mapping[int, Mapping[int, float]]:
        """Return those of one image, as in its Sample."""


@dataclass(frozen=True)
class Source:
    """A dataset as training draws from it."""

    config: DatasetConfig
    images: Images
    repeats: Repeats
    mirror: NDArray[np.int16] | None = None
    """Row of each row's mirror image, or NO_MIRROR; None where crops are not mirrored."""

    @classmethod
    def load(
        cls,
        config: DatasetConfig,
        dataset: SegmentationDataset,
        table: LabelTable,
        mirror_of_leaf: NDArray[np.int64] | None = None,
        second_labels: SecondLabels | None = None,
    ) -> Source:
        """Read a dataset, or only what must be known of it beforehand, with a progress bar.

        In memory JPEG and WebP are decoded once: again for each epoch would cost more than the
        augmentation. A large set is read image by image when it is shown. Then an image that
        is damaged stops the run only there. Where rare labels are repeated all are read once
        beforehand, and where the first has mixtures of labels, unless the dataset knows them.

        Args:
            config: Its settings.
            dataset: Where the samples come from.
            table: Gets a row for each mixture of labels that occurs.
            mirror_of_leaf: (L,) mirror images of leaves; needed where crops are mirrored.
            second_labels: Narrow the labels of the images; the table knows how.

        Raises:
            ConfigError: Crops are mirrored and nothing says what leaves become.
            DatasetError: A sample cannot be read or has a label id that the mapping lacks.
        """
        if config.flips and mirror_of_leaf is None:
            raise ConfigError(
                f'Dataset {config.kind} in {config.root} has flips, but nothing says what its '
                'labels become; expected the mirror images of the leaves.'
            )
        reader = _Reader(config, dataset, table, second_labels)
        first = dataset[0]
        # Rows have two bytes a pixel.
        size = (first.image.nbytes + 2 * first.label_ids.size) * len(dataset)
        in_memory = size <= LARGEST_IN_MEMORY if config.in_memory is None else config.in_memory
        images: Images = reader
        repeats = Repeats.none(len(dataset))
        if in_memory or config.repeat_threshold or not reader.knows_mixtures(first):
            kept, present = reader.read_all(in_memory)
            images = kept if in_memory else reader
            if config.repeat_threshold:
                repeats = repeat_factors(present, config.repeat_threshold)
        mirror = None
        if mirror_of_leaf is not None and config.flips:
            mirror = mirrored_rows(table.allowed.numpy(), reader.rows_of_labels(), mirror_of_leaf)
        return cls(config, images, repeats, mirror)


class _Reader:
    """Images read whenever they are asked for."""

    def __init__(
        self,
        config: DatasetConfig,
        dataset: SegmentationDataset,
        table: LabelTable,
        second_labels: SecondLabels | None,
    ) -> None:
        self._second_labels = second_labels
        self._narrowed_rows = table.narrowed_rows(dataset.mapping_name)
        self._config = config
        self._dataset = dataset
        self._table = table
        self._row_of_label_id = table.row_of_label_id(dataset.mapping_name)
        self._row_of_mixture: dict[tuple[tuple[int, float], ...], int] = {}

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Image:
        sample = self._dataset[index]
        return Image(sample.image, self._rows(sample), sample.boxes)

    def knows_mixtures(self, first: Sample) -> bool:
        """Give the mixtures that the dataset knows rows; return whether these seem to be all."""
        if not isinstance(self._dataset, KnowsMixtures):
            return not first.mixtures
        for index in range(len(self)):
            self._add_mixtures(self._dataset.mixtures(index))
        return True

    def _add_mixtures(self, mixtures: Mapping[int, Mapping[int, float]]) -> None:
        for shares in mixtures.values():
            key = _key(shares)
            if key not in self._row_of_mixture:
                row = self._table.add_mixture(self._dataset.mapping_name, shares)
                self._row_of_mixture[key] = row

    def rows_of_labels(self) -> list[int]:
        """Return the rows of the dataset's labels."""
        tables = [self._row_of_label_id]
        if self._narrowed_rows is not None:
            tables.append(self._narrowed_rows.ravel())
        return sorted({row for table in tables for row in table[table >= 0].tolist()})

    def read_all(self, keeps: bool) -> tuple[list[Image], NDArray[np.bool_]]:
        """Return all images, or none of them, and the (N, 256) table of their label ids."""
        count = len(self)
        present = np.zeros((count, 256), np.bool_)
        kept: list[Image] = []
        doing = 'reading' if keeps else 'reading the labels of'
        for index, sample in enumerate(
            tqdm(self._samples(), f'{doing} {self._config.kind}', count)
        ):
            self._add_mixtures(sample.mixtures)
            rows = self._rows(sample)
            present[index] = _label_ids_in(sample)
            if keeps:
                kept.append(Image(sample.image, rows, sample.boxes))
        return kept, present

    def _samples(self) -> Iterator[Sample]:
        """Yield all samples in order, read some ahead of time in threads."""
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

    def _rows(self, sample: Sample) -> Rows:
        """Return the (H, W) rows of a sample's labels.

        Raises:
            DatasetError: A label id is not in the mapping, or a mixture came up too late.
        """
        table = self._row_of_label_id
        for value, shares in sample.mixtures.items():
            row = self._row_of_mixture.get(_key(shares))
            if row is None:
                raise DatasetError(
                    f'Image {sample.name} of dataset {self._config.kind} in {self._config.root} '
                    f'has the mixture of labels {dict(shares)}, and the first image has none; '
                    'expected mixtures to be known before training: set in_memory to true.'
                )
            table = table.copy() if table is self._row_of_label_id else table
            table[value] = row
        rows = table[sample.label_ids]
        if (rows == UNKNOWN).any():
            unknown = np.unique(sample.label_ids[rows == UNKNOWN]).tolist()
            raise DatasetError(
                f'Image {sample.name} of dataset {self._config.kind} in {self._config.root} has '
                f'the label ids {unknown}; expected only those of the mapping '
                f'{self._dataset.mapping_name!r}.'
            )
        return rows if self._second_labels is None else self._narrowed(rows, sample)

    def _narrowed(self, rows: Rows, sample: Sample) -> Rows:
        """Return a sample's rows, those of plain labels narrowed by its second labels.

        Raises:
            DatasetError: The second labels are missing or have a label id their mapping lacks.
        """
        assert self._second_labels is not None and self._narrowed_rows is not None
        second_ids = self._second_labels.of(sample)
        narrowed = self._narrowed_rows[sample.label_ids, second_ids]
        if (narrowed == UNKNOWN).any():
            unknown = np.unique(second_ids[narrowed == UNKNOWN]).tolist()
            raise DatasetError(
                f'{self._second_labels.path(sample.name)} has the label ids {unknown}; expected '
                f'only those of the mapping {self._second_labels.mapping_name!r}.'
            )
        is_mixture = np.isin(sample.label_ids, list(sample.mixtures))
        return np.where(is_mixture, rows, narrowed)


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
