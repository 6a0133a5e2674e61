# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Overlays of truth and prediction, kept for the best and the worst images."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.evaluation.best_and_worst import WIDTH, BestAndWorst
from hiseg_ros.evaluation.evaluate import PixelImage, SignImage
from hiseg_ros.evaluation.hierarchy import cover
from hiseg_ros.evaluation.signs import TrueSign
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy
from hiseg_ros.types import RgbImage, SubclassMask

ALPHA = 0.6
"""Opacity of the colours of labels."""

YELLOW, GREEN, RED = (255, 225, 0), (60, 220, 90), (255, 70, 60)


class PixelAlbum:
    """Best and worst images of an evaluation of dense labels."""

    def __init__(self, mapping: Mapping, taxonomy: Taxonomy) -> None:
        """Start empty, with a colour for every evaluated label."""
        self.palette = label_palette(mapping, taxonomy)
        self.book = BestAndWorst()
        self.colors = {
            label.name: '#{:02x}{:02x}{:02x}'.format(*self.palette[label.label_id])
            for label in mapping.evaluated_labels
        }
        """'#rrggbb' by label name."""

    def add(self, name: str, one: PixelImage) -> None:
        """Keep an image if it is among the best or the worst so far."""
        self.book.add(
            name,
            one.score,
            lambda: (
                one.image,
                paint_labels(one.image, one.truth, self.palette),
                paint_labels(one.image, one.predicted, self.palette),
            ),
        )


class SignAlbum:
    """Best and worst images of an evaluation of signs."""

    def __init__(self, mapping: Mapping, taxonomy: Taxonomy) -> None:
        """Start empty."""
        self.taxonomy = taxonomy
        self.types = frozenset(leaf for label in mapping.evaluated_labels for leaf in label.leaves)
        self.book = BestAndWorst()

    def add(self, name: str, one: SignImage) -> None:
        """Keep an image if it is among the best or the worst so far."""
        self.book.add(
            name,
            one.outcome.score,
            lambda: (
                one.image,
                paint_true_signs(one.image, one.truth, self.taxonomy),
                paint_regions(
                    one.image,
                    [mask for mask in one.masks if mask.node_id in self.types],
                    [region.is_on_sign for region in one.outcome.regions],
                    self.taxonomy,
                ),
            ),
        )


def label_color(label: Label, taxonomy: Taxonomy) -> tuple[int, int, int]:
    """Return the (red, green, blue) of the node that stands for a label.

    It is the node with the name of the label if the label includes it, else the largest of the
    nodes that cover the label.
    """
    leaves = set(label.leaves)
    for node in taxonomy.nodes:
        if node.name.lower() == label.name.lower() and leaves.issuperset(
            taxonomy.leaves_below(node.node_id)
        ):
            return node.color
    largest = max(cover(label, taxonomy), key=lambda n: len(taxonomy.leaves_below(n)))
    return taxonomy.nodes[largest].color


def label_palette(mapping: Mapping, taxonomy: Taxonomy) -> NDArray[np.uint8]:
    """Return (256, 3) uint8 RGB by label id; black where nothing is evaluated."""
    palette = np.zeros((256, 3), np.uint8)
    for label in mapping.evaluated_labels:
        palette[label.label_id] = label_color(label, taxonomy)
    return palette


def paint_labels(
    image: RgbImage, label_ids: NDArray[np.uint8], palette: NDArray[np.uint8]
) -> RgbImage:
    """Return the image overlaid with the colours of its labels."""
    colors = palette[label_ids]
    return np.asarray(cv2.addWeighted(image, 1 - ALPHA, colors, ALPHA, 0), np.uint8)


def paint_true_signs(image: RgbImage, truth: Sequence[TrueSign], taxonomy: Taxonomy) -> RgbImage:
    """Return the image with the annotated signs' boxes and types."""
    canvas = image.copy()
    for sign in truth:
        height, width = sign.shape.shape
        name = taxonomy.nodes[sign.node_id].name
        _frame(canvas, (sign.y, sign.x, height, width), YELLOW, name)
    return canvas


def paint_regions(
    image: RgbImage,
    masks: Sequence[SubclassMask],
    is_on_sign: Sequence[bool],
    taxonomy: Taxonomy,
) -> RgbImage:
    """Return the image with regions: green with their type on a sign, else red."""
    canvas = image.copy()
    for mask, on_sign in zip(masks, is_on_sign, strict=True):
        color = GREEN if on_sign else RED
        y, x, height, width = mask.roi
        canvas[y : y + height, x : x + width][mask.mask] = color
        # Names of many false alarms would hide the image.
        _frame(canvas, mask.roi, color, taxonomy.nodes[mask.node_id].name if on_sign else '')
    return canvas


def _frame(
    canvas: RgbImage, roi: tuple[int, int, int, int], color: tuple[int, int, int], text: str
) -> None:
    y, x, height, width = roi
    # Line width and text size that are legible after the image is reduced.
    scale = max(1, round(canvas.shape[1] / WIDTH))
    cv2.rectangle(canvas, (x - 2, y - 2), (x + width + 1, y + height + 1), color, scale)
    cv2.putText(
        canvas,
        text,
        (max(0, x - 2), max(12 * scale, y - 4)),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.4 * scale,
        color,
        scale,
        cv2.LINE_AA,
    )
