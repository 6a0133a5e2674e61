# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Loader for any folder whose images and label files pair up by name."""

from __future__ import annotations

from pathlib import Path

from hiseg_ros.datasets.dataset_labels import read_dataset_labels
from hiseg_ros.datasets.paired_files import PairedFiles, pair_files


class LabelledFolder(PairedFiles):
    """A folder whose images and one-byte label files pair up by name."""

    def __init__(
        self,
        root: Path | str,
        mapping: str,
        images: str = 'images/*.jpg',
        labels: str = 'labels/*.png',
        limit: int = 0,
    ) -> None:
        """Find and check the files.

        Args:
            root: The folder.
            mapping: Name in config/mappings, or path of a YAML file: what the label ids mean.
            images: Path of the images in the folder; a * stands for any text but a slash.
            labels: Path of the label files, with as many *: an image's label file is the one
                whose stars stand for the same texts.
            limit: How many images to take, evenly spread; 0 takes all.

        Raises:
            DatasetError: A file lacks its partner, is cut short or has another size than its
                partner, or there is none at all.
            MappingError: The mapping cannot be read.
        """
        self.mapping_name = read_dataset_labels(mapping).mapping_name
        super().__init__(pair_files(Path(root), images, labels, 'the folder'), limit)
