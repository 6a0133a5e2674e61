# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Measurement of context dependence: images without objects are segmented and compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappushpop
from itertools import count

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.decision.mapped import LabelDecision
from hiseg_ros.evaluation.album import label_palette, paint_labels
from hiseg_ros.evaluation.best_and_worst import jpeg_uri
from hiseg_ros.evaluation.context import ContextScores, LeftOut, Removal
from hiseg_ros.evaluation.evaluate import PixelImage, Refine
from hiseg_ros.evaluation.segmenter import Segmenter
from hiseg_ros.taxonomy import Mapping
from hiseg_ros.types import RgbImage

EXAMPLES = 6
"""Removals whose images are kept: those that change most."""


@dataclass(frozen=True)
class ContextImage:
    """A removal as images, each a data URI of a JPEG."""

    name: str
    label: str
    """What was removed."""
    score: float
    """Share of the other pixels that turned wrong, less that of the control."""
    image: str
    before: str
    """The image with the labels that the network predicts."""
    without: str
    after: str
    """The image without the objects, with its predicted labels."""


class ContextRun:
    """Segments what removal makes of images, and counts."""

    def __init__(
        self,
        engine: Segmenter,
        mapping: Mapping,
        scores: ContextScores,
        refine: Refine | None = None,
        examples: int = 0,
    ) -> None:
        """Start without images.

        Args:
            engine: What is measured.
            mapping: Meaning of the label ids.
            scores: Counts.
            refine: Step after the network, such as a CRF.
            examples: Removals that are kept as images.
        """
        self._engine, self._refine, self.scores = engine, refine, scores
        self._decide = LabelDecision(mapping, engine.taxonomy)
        self._names = {label.label_id: label.name for label in scores.removed}
        self._palette = label_palette(mapping, engine.taxonomy)
        self._kept: list[tuple[float, int, ContextImage | None]] = [(0.0, 0, None)] * examples
        self._numbers = count(1)

    def add(self, name: str, one: PixelImage, removals: Iterable[Removal | LeftOut]) -> None:
        """Measure the removals of one image that has been segmented as a whole.

        Raises:
            ImageError: An image without objects has another size.
        """
        for removal in removals:
            if isinstance(removal, LeftOut):
                self.scores.leave_out(removal)
                continue
            after = self._predicted(removal.without.image)
            other = removal.control
            control = None if other is None else self._predicted(other.image)
            changed = self.scores.add(one.truth, one.predicted, removal, after, control)
            self._keep(name, one, removal, after, changed)

    def _predicted(self, image: RgbImage) -> NDArray[np.uint8]:
        result = self._engine.segment(image)
        if self._refine is not None:
            result = self._refine(image, result)
        return self._decide(result.probabilities).label_ids

    def _keep(
        self, name: str, one: PixelImage, removal: Removal, after: NDArray[np.uint8], score: float
    ) -> None:
        if not self._kept or score <= self._kept[0][0]:
            return
        without = removal.without.image
        images = (
            one.image,
            paint_labels(one.image, one.predicted, self._palette),
            without,
            paint_labels(without, after, self._palette),
        )
        kept = ContextImage(
            name, self._names[removal.label_id], score, *(jpeg_uri(image) for image in images)
        )
        # Of equal ones the first stays.
        heappushpop(self._kept, (score, -next(self._numbers), kept))

    def examples(self) -> list[ContextImage]:
        """Return the removals that changed most, the largest change first."""
        return [kept for *_, kept in sorted(self._kept, reverse=True, key=_order) if kept]


def _order(entry: tuple[float, int, ContextImage | None]) -> tuple[float, int]:
    return entry[:2]
