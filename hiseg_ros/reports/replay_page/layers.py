# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Image layers of a frame for the page, scaled down and encoded as data URIs.

They are WebP, which is a third smaller than JPEG for camera images and than PNG for labels. Labels
are lossless, since the page finds the name of a pixel by its colour.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.evaluation.album import label_color, label_palette
from hiseg_ros.reports.replay_page.frame_source import Shot
from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.types import ImageSize

LONGEST = 640
"""Longer side of an image in pixels, at most."""

QUALITY, CONFIDENCE_QUALITY, LOSSLESS = 74, 60, 101
"""WebP qualities; above 100 is lossless."""

WRONG = (255, 90, 31)
"""Colour of wrong pixels, as (red, green, blue)."""

MIN_SHARE = 0.002
"""Least share of the image for a node or label to be in its legend."""


@dataclass(frozen=True)
class Painter:
    """Draws the layers of frames in the colours of a taxonomy and a mapping."""

    taxonomy: Taxonomy
    mapping: Mapping | None

    def nodes(self) -> list[tuple[str, str]]:
        """Return (name, color) of each node, in order of the ids."""
        return [(node.name, hex_color(node.color)) for node in self.taxonomy.nodes]

    def labels(self) -> list[tuple[str, str]]:
        """Return (name, color) of each evaluated label of the ground truth."""
        labels = self.mapping.evaluated_labels if self.mapping else ()
        return [(label.name, hex_color(label_color(label, self.taxonomy))) for label in labels]

    def layers(self, shot: Shot) -> dict[str, str]:
        """Return the data URIs of a frame by layer name, for the images that the frame has."""
        found = {}
        if shot.rgb is not None:
            found['image'] = webp(shrunk(shot.rgb, LONGEST)[..., ::-1], QUALITY)
        if shot.labels is not None:
            colors = self.taxonomy.palette[nearest(shot.labels, LONGEST)]
            found['prediction'] = webp(colors[..., ::-1], LOSSLESS)
        if shot.truth is not None and self.mapping is not None:
            truth = nearest(shot.truth, LONGEST)
            found['truth'] = webp(self._palette[truth][..., ::-1], LOSSLESS)
            if shot.labels is not None and shot.labels.shape == shot.truth.shape:
                wrong = self._is_wrong[truth, nearest(shot.labels, LONGEST)]
                found['wrong'] = webp(_marked(wrong, WRONG), LOSSLESS)
        if shot.confidence is not None:
            found['confidence'] = webp(shrunk(shot.confidence, LONGEST // 2), CONFIDENCE_QUALITY)
        return found

    @cached_property
    def _palette(self) -> NDArray[np.uint8]:
        """(256, 3) RGB by label id."""
        assert self.mapping is not None  # used with ground truth only
        return label_palette(self.mapping, self.taxonomy)

    @cached_property
    def _is_wrong(self) -> NDArray[np.bool_]:
        """(256, 256) by label id and node id: whether the node counts as another label."""
        assert self.mapping is not None  # used with ground truth only
        label_ids = np.arange(256)
        evaluated = [label.label_id for label in self.mapping.evaluated_labels]
        counted = self.mapping.label_id_of_node_id(self.taxonomy)
        return np.isin(label_ids, evaluated)[:, None] & (counted[None] != label_ids[:, None])

    def legend(self, shot: Shot) -> dict[str, list[list[float]]]:
        """Return [node id or index of the label, share of the image] of a frame, largest first."""
        found = {}
        if shot.labels is not None:
            found['prediction'] = _shares(shot.labels, np.arange(256))
        if shot.truth is not None and self.mapping is not None:
            rows = np.full(256, -1)
            for row, label in enumerate(self.mapping.evaluated_labels):
                rows[label.label_id] = row
            found['truth'] = _shares(shot.truth, rows)
        return found


def hex_color(color: Sequence[int]) -> str:
    """Return (red, green, blue) as '#rrggbb'."""
    return '#{:02x}{:02x}{:02x}'.format(*color)


def webp(image: NDArray[np.uint8], quality: int) -> str:
    """Return a grey, BGR or BGRA image, uint8, as a data URI."""
    options = [cv2.IMWRITE_WEBP_QUALITY, quality]
    _, data = cv2.imencode('.webp', np.ascontiguousarray(image), options)
    return 'data:image/webp;base64,' + base64.b64encode(data.tobytes()).decode()


def shrunk(image: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Return an image scaled down so that no side is longer than `longest`."""
    height, width = fitted(image, longest)
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def nearest(ids: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Return ids scaled down so that no side is longer than `longest`, by nearest neighbour."""
    height, width = fitted(ids, longest)
    rows = ((np.arange(height) + 0.5) * ids.shape[0] / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * ids.shape[1] / width).astype(np.int64)
    return np.ascontiguousarray(ids[rows[:, None], columns[None]])


def fitted(image: NDArray[np.uint8], longest: int) -> ImageSize:
    """Return the (height, width) of an image scaled down to sides of at most `longest`."""
    height, width = image.shape[:2]
    scale = min(1.0, longest / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _marked(mask: NDArray[np.bool_], color: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return a BGRA image that is transparent outside the mask."""
    bgra = np.zeros((*mask.shape, 4), np.uint8)
    bgra[mask] = (*color[::-1], 255)
    return bgra


def _shares(ids: NDArray[np.uint8], number_of_id: NDArray[Any]) -> list[list[float]]:
    counts = np.bincount(ids.ravel(), minlength=256)
    shares = [
        [int(number_of_id[i]), round(int(counts[i]) / ids.size, 4)]
        for i in np.flatnonzero(counts).tolist()
        if number_of_id[i] >= 0 and counts[i] >= MIN_SHARE * ids.size
    ]
    return sorted(shares, key=lambda row: (-row[1], row[0]))
