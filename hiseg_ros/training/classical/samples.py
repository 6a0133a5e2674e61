# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Training images of a classical method: at working size, with positions of labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hiseg_ros.classical.image import resized, working_size
from hiseg_ros.classical.labels import LabelSet
from hiseg_ros.datasets import mapping_of, open_dataset
from hiseg_ros.errors import DatasetError
from hiseg_ros.evaluation.confusion import row_of_label_id
from hiseg_ros.taxonomy import Mapping, Taxonomy, load_mapping
from hiseg_ros.training.config.classical import ClassicalConfig, ClassicalDataset
from hiseg_ros.types import RgbImage

Rows = NDArray[np.int64]
"""(h, w) int64: position of a pixel's label in the label set; -1 without one."""


@dataclass(frozen=True)
class TrainingImages:
    """All images of a run, read anew each time that they are gone through."""

    dataset: Any
    mapping: Mapping
    labels: LabelSet
    height: int
    """Shorter side of working images in pixels."""

    @staticmethod
    def open(config: ClassicalConfig, taxonomy: Taxonomy) -> TrainingImages:
        """Open the dataset of a run.

        Raises:
            HisegError: Folder, options or mapping cannot be used.
        """
        _, one = config.dataset
        mapping = _mapping(one, taxonomy)
        labels = LabelSet.of(mapping, taxonomy)
        dataset = open_dataset(one.kind, one.root, one.options)
        return TrainingImages(dataset, mapping, labels, config.height)

    def __iter__(self) -> Iterator[tuple[RgbImage, Rows]]:
        """Yield working images with the positions of their labels, with a progress bar.

        Raises:
            DatasetError: No pixel of any image has a label that the method tells apart.
        """
        table = row_of_label_id(self.mapping)
        is_labelled = False
        for index in tqdm(range(len(self.dataset)), 'learning', unit='image', leave=False):
            sample = self.dataset[index]
            size = working_size(sample.image.shape[:2], self.height)
            ids = cv2.resize(sample.label_ids, size[::-1], interpolation=cv2.INTER_NEAREST)
            rows = table[ids]
            is_labelled |= bool((rows >= 0).any())
            yield resized(sample.image, size), rows
        if not is_labelled:
            raise DatasetError(
                f'No pixel of the {len(self.dataset)} images has a label that mapping '
                f'{self.mapping.name!r} evaluates; expected labelled images: check split and '
                'mapping.'
            )


def _mapping(dataset: ClassicalDataset, taxonomy: Taxonomy) -> Mapping:
    if dataset.mapping:
        return load_mapping(dataset.mapping, taxonomy)
    return mapping_of(dataset.kind, taxonomy, dataset.options)
