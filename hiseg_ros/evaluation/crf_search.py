# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Random search for the parameters of a dense CRF, on labelled images of training drives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.decision.mapped import LabelDecision
from hiseg_ros.errors import DatasetError
from hiseg_ros.evaluation.confusion import Confusion
from hiseg_ros.inference.segmentation_engine import SegmentationEngine
from hiseg_ros.postprocessing.crf import DenseCrf
from hiseg_ros.postprocessing.parameters import COMPATIBILITIES, CrfParameters
from hiseg_ros.taxonomy import Mapping
from hiseg_ros.types import RgbImage

CHOICES = {
    'color_weight': (0.5, 1.0, 2.0, 4.0, 10.0),
    'position_std': (15.0, 30.0, 50.0, 80.0, 120.0),
    'color_std': (3.0, 5.0, 8.0, 13.0, 20.0),
    'smooth_weight': (0.0, 0.5, 1.0, 3.0),
    'smooth_std': (1.0, 2.0, 3.0),
    'compatibility': COMPATIBILITIES,
}
"""Values that are drawn from, around the published ones."""


def draws(count: int, start: CrfParameters, seed: int = 0) -> list[CrfParameters]:
    """Return `start` and random parameters, `count` in all; the same ones for a seed."""
    generator = np.random.default_rng(seed)
    drawn = [start]
    for _ in range(count - 1):
        values: dict[str, Any] = {
            name: choices[generator.integers(len(choices))] for name, choices in CHOICES.items()
        }
        drawn.append(replace(start, **values))
    return drawn


def search_crf(
    engine: SegmentationEngine,
    samples: Iterable[tuple[RgbImage, NDArray[np.uint8]]],
    mapping: Mapping,
    candidates: Sequence[CrfParameters],
    crf_of: Callable[[CrfParameters], DenseCrf] | None = None,
) -> list[dict[str, Any]]:
    """Return the scores of the network without and with each CRF, best first.

    Args:
        engine: The network.
        samples: Images with their label ids at full resolution.
        mapping: Meaning of the label ids.
        candidates: Parameters to try.
        crf_of: Makes a CRF; None for that of the engine's tree.

    Returns:
        Rows with 'miou' and 'pixel_accuracy' of the labels by summed probability, in [0, 1], and
        'crf': the parameters, None for the network alone.

    Raises:
        DatasetError: No pixel has a label that is evaluated.
        ImageError: A ground truth differs from its image in size.
    """
    decide = LabelDecision(mapping, engine.taxonomy)
    make = crf_of or (lambda parameters: DenseCrf(engine.taxonomy, parameters))
    crfs = [None, *map(make, candidates)]
    confusions = [Confusion(mapping) for _ in crfs]
    for image, truth in samples:
        network = engine.segment(image)
        for crf, confusion in zip(crfs, confusions, strict=True):
            result = network if crf is None else crf.refine(image, network, engine.threshold)
            confusion.add(truth, decide(result.probabilities).label_ids)
    if not confusions[0].counts.any():
        raise DatasetError(
            f'No pixel of the images has a label that mapping {mapping.name!r} evaluates; '
            'expected labelled images: check split and mapping.'
        )
    rows = []
    for crf, confusion in zip(crfs, confusions, strict=True):
        summary = confusion.summary()
        rows.append(
            {
                'miou': summary['miou'],
                'pixel_accuracy': summary['pixel_accuracy'],
                'crf': None if crf is None else asdict(crf.parameters),
            }
        )
    return sorted(rows, key=lambda row: -row['miou'])
