# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The engine of classical methods: images in, labels and probabilities out, as of a network."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hiseg_ros.classical.crf import LabelCrf
from hiseg_ros.classical.image import resized, working_size
from hiseg_ros.classical.labels import LabelSet
from hiseg_ros.classical.model_file import check_height, load_classical
from hiseg_ros.classical.packages import check_packages
from hiseg_ros.decision import decide_sparse
from hiseg_ros.errors import ConfigError, ImageError
from hiseg_ros.images.header import MAX_PIXELS
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import EVERYTHING, NodeProbabilities, RgbImage, Segmentation, Wanted

MAX_WORKING_PIXELS = 2**21
"""Of a working image: its node probabilities would take more than 1.5 GB."""


class ClassicalEngine:
    """A classical method that is ready to segment images on the CPU; in part as `Engine`."""

    device = 'cpu'
    backend = 'classical'
    precision = 'float32'
    decides_by_file = False
    """As of `Engine`: the tree decides."""

    def __init__(
        self,
        model_path: Path | str,
        *,
        device: str = 'auto',
        input_height: int = 0,
        threshold: float = 0.0,
        backend: str = 'auto',
        precision: str = 'float32',
    ) -> None:
        """Load a method.

        Args:
            model_path: A file that `hiseg train` wrote for a classical method.
            device: 'auto' or 'cpu'.
            input_height: Shorter side of working images in pixels; 0 for the file's.
            threshold: Least conditional probability of a child, in [0, 1]. At 0 the decision goes
                on to a leaf, or to a node that lies within a label.
            backend: 'auto'.
            precision: 'float32' or 'auto'.

        Raises:
            CheckpointError: The file cannot be used.
            ConfigError: An argument cannot be used, or a package is missing.
        """
        self.model_path = Path(model_path)
        for key, value, known in (
            ('device', device, ('auto', 'cpu')),
            ('backend', backend, ('auto',)),
            ('precision', precision, ('float32', 'auto')),
        ):
            if value not in known:
                raise ConfigError(
                    f'{self.model_path} holds a classical method, and the {key} is {value!r}; '
                    f'expected one of {list(known)}.'
                )
        if input_height:
            check_height(input_height)
        if not (math.isfinite(threshold) and 0.0 <= threshold <= 1.0):
            raise ConfigError(
                f'The decision threshold is {threshold}; expected a number from 0 to 1.'
            )
        check_packages()
        self._model = load_classical(self.model_path)
        self.taxonomy: Taxonomy = self._model.labels.taxonomy
        self.threshold = threshold
        self.input_height = input_height
        self._height = input_height or self._model.height
        self._crf = None if self._model.crf is None else LabelCrf(self.labels, self._model.crf)

    @property
    def labels(self) -> LabelSet:
        """The labels that the method tells apart."""
        return self._model.labels

    @property
    def info(self) -> Mapping[str, Any]:
        """The model card of the file."""
        return self._model.card

    @property
    def has_crf(self) -> bool:
        """Whether the file has a CRF of its own as the last step."""
        return self._crf is not None

    @property
    def parameters(self) -> int:
        """How many numbers the method has learned."""
        return sum(int(one.size) for one in self._model.method.arrays().values())

    def segment(self, rgb: RgbImage, wanted: Wanted = EVERYTHING) -> Segmentation:
        """Segment one image.

        Args:
            rgb: (H, W, 3) uint8 in RGB order, of any size.
            wanted: Taken as everything: what a method leaves out would save no time.

        Raises:
            ConfigError: The CRF of the file needs more memory than is free.
            ImageError: The array has another shape or type, no pixels, or too many.
        """
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
            raise ImageError(
                f'The image has shape {rgb.shape} and type {rgb.dtype}; expected '
                '(height, width, 3) uint8 with at least one pixel.'
            )
        size = (rgb.shape[0], rgb.shape[1])
        inner = working_size(size, self._height)
        if size[0] * size[1] > MAX_PIXELS or inner[0] * inner[1] > MAX_WORKING_PIXELS:
            raise ImageError(
                f'The image has {size[0]} x {size[1]} pixels, at work {inner[0]} x {inner[1]}; '
                f'expected at most {MAX_PIXELS}, at work {MAX_WORKING_PIXELS}: reduce or crop it.'
            )
        started = time.perf_counter()
        small = resized(rgb, inner)
        prepared = time.perf_counter()
        values = self.labels.to_nodes(self._model.method.probabilities(small))
        found = time.perf_counter()
        labels, confidence = decide_sparse(values, self.labels.tables, size, self.threshold)
        decided = time.perf_counter()
        result = Segmentation(
            labels,
            confidence,
            NodeProbabilities(values, size),
            {
                'preprocess': 1e3 * (prepared - started),
                'network': 1e3 * (found - prepared),
                'decision': 1e3 * (decided - found),
            },
            inner,
        )
        return result if self._crf is None else self._crf.refine(rgb, result, self.threshold)

    def close(self) -> None:
        """Do nothing: there is no device to free."""
