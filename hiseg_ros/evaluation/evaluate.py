# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Evaluation of an engine on labelled images, in the labels of the dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError, DatasetError
from hiseg_ros.evaluation.boundary import BoundaryScores
from hiseg_ros.evaluation.confusion import Confusion
from hiseg_ros.evaluation.pixels import PixelScores
from hiseg_ros.evaluation.segmenter import Segmenter
from hiseg_ros.evaluation.sign_scores import ImageOutcome, SignScores
from hiseg_ros.evaluation.signs import TrueSign
from hiseg_ros.regions import MIN_PROBABILITY, MIN_VOTE, subclass_masks
from hiseg_ros.taxonomy import Mapping
from hiseg_ros.types import RgbImage, Segmentation, SubclassMask

Refine = Callable[[RgbImage, Segmentation], Segmentation]
"""Returns better results of an image, given those of the network."""


@dataclass(frozen=True)
class PixelImage:
    """One measured image with dense labels."""

    image: RgbImage
    truth: NDArray[np.uint8]
    """(H, W) label ids."""
    predicted: NDArray[np.uint8]
    """(H, W) label ids decided by summed probability."""
    score: float
    """Mean IoU over the labels that are true in this image, in [0, 1]; NaN without any."""


@dataclass(frozen=True)
class SignImage:
    """One measured image with annotated signs."""

    image: RgbImage
    truth: tuple[TrueSign, ...]
    masks: tuple[SubclassMask, ...]
    outcome: ImageOutcome


def evaluate_pixels(
    engine: Segmenter,
    samples: Iterable[tuple[RgbImage, NDArray[np.uint8]]],
    mapping: Mapping,
    on_image: Callable[[PixelImage], object] | None = None,
    boundary: BoundaryScores | None = None,
    refine: Refine | None = None,
) -> dict[str, Any]:
    """Return the scores of dense labels.

    Args:
        engine: What is measured.
        samples: Images with their label ids at full resolution.
        mapping: Meaning of the label ids.
        on_image: Called after each image, if wanted.
        boundary: Counts the boundaries of the summed decision, if wanted.
        refine: Step after the network, such as a CRF.

    Returns:
        See `PixelScores.summary`: 'nodes', 'summed', 'summed_with_outside', 'hierarchy',
        'calibration'; with `boundary` also 'boundary', see `BoundaryScores.summary`.

    Raises:
        DatasetError: No pixel has a label that is evaluated.
        ImageError: A ground truth differs from its image in size.
    """
    scores = PixelScores(mapping, engine.taxonomy)
    for image, truth in samples:
        result = engine.segment(image)
        if refine is not None:
            result = refine(image, result)
        predicted = scores.add(truth, result.labels, result.probabilities)
        if boundary is not None:
            boundary.add(truth, predicted)
        if on_image is not None:
            one = Confusion(mapping)
            one.add(truth, predicted)
            is_true = one.counts.sum(1) > 0
            score = float(one.iou()[is_true].mean()) if is_true.any() else float('nan')
            on_image(PixelImage(image, truth, predicted, score))
    if not scores.summed.counts.any():
        raise DatasetError(
            f'No pixel of the {scores.images} images has a label that mapping {mapping.name!r} '
            'evaluates; expected labelled images: check split and mapping.'
        )
    of_boundary = {} if boundary is None else {'boundary': boundary.summary()}
    return {**scores.summary(), **of_boundary}


def evaluate_signs(
    engine: Segmenter,
    samples: Iterable[tuple[RgbImage, list[TrueSign]]],
    mapping: Mapping,
    on_image: Callable[[SignImage], object] | None = None,
    min_probability: float = MIN_PROBABILITY,
    min_vote: float = MIN_VOTE,
    refine: Refine | None = None,
) -> dict[str, Any]:
    """Return recall, type accuracy and precision of signs, and how their masks fit.

    Regions are those that the node publishes with its default parameters.

    Args:
        engine: What is measured.
        samples: Images with all their signs of the mapping's types.
        mapping: Names the annotated types.
        on_image: Called after each image, if wanted.
        min_probability: As in `subclass_masks`.
        min_vote: As in `subclass_masks`.
        refine: Step after the network, such as a CRF.

    Returns:
        See `SignScores.summary`.

    Raises:
        ConfigError: The engine's taxonomy has no subclass root.
        DatasetError: There is no image.
    """
    taxonomy = engine.taxonomy
    if taxonomy.subclass_root is None:
        raise ConfigError(
            f'Taxonomy {taxonomy.name!r} of the weights has no subclass_root; expected the node '
            'of traffic signs: measure signs with weights of a tree that has one.'
        )
    scores = SignScores(mapping, taxonomy)
    for image, truth in samples:
        result: Segmentation = engine.segment(image)
        if refine is not None:
            result = refine(image, result)
        masks = subclass_masks(
            result, taxonomy, min_probability=min_probability, min_vote=min_vote
        )
        outcome = scores.add(truth, result.labels, masks)
        if on_image is not None:
            on_image(SignImage(image, tuple(truth), masks, outcome))
    if not scores.images:
        raise DatasetError('There is no image to find signs in; expected at least one.')
    return scores.summary()
