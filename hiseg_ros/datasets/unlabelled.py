# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A folder of images without labels, which only a teacher can say something about."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hiseg_ros.datasets.file_checks import check_each, spread
from hiseg_ros.datasets.image_files import IMAGE_ENDINGS, image_size
from hiseg_ros.datasets.sample import Sample, read_image
from hiseg_ros.errors import DatasetError
from hiseg_ros.images.file import visible
from hiseg_ros.types import UNLABELED


class UnlabelledImages:
    """Images whose pixels are all unlabeled."""

    mapping_name = 'cityscapes_labelids'

    def __init__(
        self,
        root: Path | str,
        images: str = '*',
        mapping: str = 'cityscapes_labelids',
        limit: int = 0,
    ) -> None:
        """Find and check the images.

        Args:
            root: The folder.
            images: Path of the images in it; a * stands for any text but a slash.
            mapping: Name in config/mappings in which 255 is unlabeled; no other id is used.
            limit: How many images to take, evenly spread; 0 takes all.

        Raises:
            DatasetError: There is no image, or one is cut short.
        """
        self.root = Path(root)
        self.mapping_name = mapping
        found = sorted(
            path
            for path in visible(self.root.glob(images))
            if path.suffix.lower() in IMAGE_ENDINGS
        )
        if not found:
            raise DatasetError(
                f'{self.root} has no image {images}; expected a folder with files that end in '
                f'{", ".join(IMAGE_ENDINGS)}.'
            )
        self._paths = spread(found, limit)
        check_each(self._paths, _check)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._paths)

    def __getitem__(self, index: int) -> Sample:
        """Return an image with label ids that are all 255.

        Raises:
            DatasetError: The image is missing or damaged.
        """
        path = self._paths[index]
        image = read_image(path)
        return Sample(path.stem, image, np.full(image.shape[:2], UNLABELED, np.uint8))


def _check(path: Path) -> None:
    image_size(path)  # raises for an image that is cut short
