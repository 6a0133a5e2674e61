# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Second label images of a dataset, in the label ids of another mapping."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.sample import Sample, read_label_ids
from hiseg_ros.errors import DatasetError


@dataclass(frozen=True)
class SecondLabels:
    """A folder of label images with the names that `hiseg predict --mapping` gives them."""

    root: Path
    mapping_name: str

    def path(self, name: str) -> Path:
        """Return the label file of an image by its name."""
        return self.root / f'{name}_{self.mapping_name}.png'

    def of(self, sample: Sample) -> NDArray[np.uint8]:
        """Return the (H, W) uint8 second label ids of a sample.

        Raises:
            DatasetError: The file is missing, damaged or of another size than the image.
        """
        path = self.path(sample.name)
        if not path.is_file():
            raise DatasetError(
                f'{path} is missing; expected a label image for each image, as hiseg predict '
                f'--mapping {self.mapping_name} --output {self.root} writes them.'
            )
        label_ids = read_label_ids(path)
        if label_ids.shape != sample.label_ids.shape:
            raise DatasetError(
                f'{path} has size {label_ids.shape}; expected {sample.label_ids.shape} as its '
                'image.'
            )
        return label_ids
