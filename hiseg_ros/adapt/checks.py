# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What can be said about weights on images without labels, and on a set with labels.

None of it is accuracy on the target, which takes labels. A network whose labels change when the
image is mirrored, resized or darkened, or from one frame to the next, is wrong at least once; a
network that got worse on the source has forgotten; and one that relabels what it was sure of has
become another network. A network that says one thing everywhere is steady and sure: the last two
find it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import CheckpointError
from hiseg_ros.evaluation.evaluate import evaluate_pixels
from hiseg_ros.evaluation.segmenter import Segmenter
from hiseg_ros.replay.confidence import ConfidenceShares
from hiseg_ros.replay.motion import motion_between, reduced_grey, reduced_labels
from hiseg_ros.replay.stability import Stability
from hiseg_ros.taxonomy import Mapping
from hiseg_ros.types import UNLABELED, LabelImage, RgbImage, Wanted

SMALLER = 0.85
"""Factor on both sides of the image that is made smaller."""

DARKER = 0.75
"""Factor on the grey levels of the image that is darkened."""

SURE = 230
"""Confidence (255 times the probability, so 0.9) from which a pixel was sure before."""

_LABELS = Wanted(probabilities=False)
_LABELS_ONLY = Wanted(confidence=False, probabilities=False)


@dataclass(frozen=True)
class HeldFrame:
    """A frame that training never sees, and the one after it in its recording."""

    name: str
    rgb: RgbImage
    following: RgbImage | None = None
    """None where the images are files, or the next one is damaged or of another size."""


@dataclass(frozen=True)
class Answer:
    """What a network says about a held-back frame."""

    labels: LabelImage
    confidence: NDArray[np.uint8]


@dataclass(frozen=True)
class Check:
    """The figures of one network; shares in [0, 1]."""

    stability: float
    """Share of pixels with the same label when the image is mirrored, made smaller or darker."""
    over_time: float | None
    """Share of steady pixels with the same label in the next frame; None without a recording."""
    confidence: float
    """Mean probability of the chosen label."""
    unsure: float
    """Share of pixels with a probability below one half."""
    source: float
    """Mean IoU on the source set, by summed probability."""
    source_images: int
    kept: float | None = None
    """Share of the pixels that the old weights were sure of (0.9) with the same label as theirs;
    None for the old weights."""

    def as_json(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Check:
        """Return the figures of `as_json`.

        Raises:
            CheckpointError: They are none.
        """
        names = {item.name for item in fields(cls)}
        if not isinstance(values, dict) or set(values) != names:
            raise CheckpointError(
                f'The figures {sorted(values)} of an earlier start cannot be read; expected '
                f'{sorted(names)}: remove the folder of the adaptation and start again.'
            )
        return cls(**values)


def check_target(
    network: Segmenter,
    frames: Sequence[HeldFrame],
    on_image: Callable[[], object] = lambda: None,
) -> tuple[list[Answer], dict[str, Any]]:
    """Return the answers of a network on held-back frames, and what they say about it.

    Args:
        network: What is checked.
        frames: At least one.
        on_image: Called after each frame.

    Returns:
        The answers, and the parts of a `Check` that need no labels.
    """
    answers, agreement = list[Answer](), list[float]()
    shares, stability = ConfidenceShares(), Stability(network.taxonomy)
    for frame in frames:
        found = network.segment(frame.rgb, _LABELS)
        answers.append(Answer(found.labels, found.confidence))
        shares.add(found.confidence)
        agreement.append(_agreement(network, frame.rgb, found.labels))
        if frame.following is not None:
            _add_pair(stability, network, frame.rgb, found.labels, frame.following)
        on_image()
    summary, flicker = shares.summary(), stability.summary()['flicker']
    return answers, {
        'stability': float(np.mean(agreement)),
        'over_time': None if flicker is None else 1 - flicker,
        'confidence': summary['mean'],
        'unsure': summary['low_share'],
    }


def _agreement(network: Segmenter, rgb: RgbImage, labels: LabelImage) -> float:
    """Return the share of pixels that keep their label in three other views of an image."""
    height, width = labels.shape
    smaller = (max(1, round(width * SMALLER)), max(1, round(height * SMALLER)))
    reduced = np.asarray(cv2.resize(rgb, smaller, interpolation=cv2.INTER_AREA), np.uint8)
    there = network.segment(reduced, _LABELS_ONLY).labels
    enlarged = cv2.resize(there, (width, height), interpolation=cv2.INTER_NEAREST)
    mirrored = network.segment(np.ascontiguousarray(rgb[:, ::-1]), _LABELS_ONLY).labels[:, ::-1]
    dark = network.segment((rgb * DARKER).astype(np.uint8), _LABELS_ONLY).labels
    return float(np.mean([(other == labels).mean() for other in (mirrored, enlarged, dark)]))


def _add_pair(
    stability: Stability, network: Segmenter, rgb: RgbImage, labels: LabelImage, after: RgbImage
) -> None:
    """Count the steady pixels of two neighbouring frames."""
    motion = motion_between(reduced_grey(rgb), reduced_grey(after))
    if motion is not None:
        next_labels = network.segment(after, _LABELS_ONLY).labels
        stability.add(reduced_labels(labels), reduced_labels(next_labels), motion)


def kept_share(before: Sequence[Answer], after: Sequence[Answer]) -> float | None:
    """Return the share of pixels, sure before, whose label is still the same; None of none."""
    sure = same = 0
    for old, new in zip(before, after, strict=True):
        counted = (old.confidence >= SURE) & (old.labels != UNLABELED)
        sure += int(counted.sum())
        same += int((counted & (old.labels == new.labels)).sum())
    return same / sure if sure else None


def source_score(
    network: Segmenter,
    samples: Iterable[tuple[RgbImage, NDArray[np.uint8]]],
    mapping: Mapping,
) -> float:
    """Return the mean IoU on labelled images, in [0, 1], by summed probability.

    Raises:
        DatasetError: No pixel has a label that is evaluated.
    """
    return float(str(evaluate_pixels(network, samples, mapping)['summed']['miou']))
