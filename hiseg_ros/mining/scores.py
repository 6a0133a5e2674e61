# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What speaks for labelling a frame: doubt, flicker and classes, of every frame once and on disk.

Scores are appended to a file, a line for each frame, so that whoever is stopped goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError
from hiseg_ros.mining.doubt import TreeDoubt
from hiseg_ros.mining.labels import LabelSet, PreLabels
from hiseg_ros.mining.pool import Pool, SegmentedFrame
from hiseg_ros.replay.motion import motion_between, reduced_grey, reduced_labels
from hiseg_ros.replay.stability import Stability
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.tracking import MAX_PAUSE_S
from hiseg_ros.types import LabelImage, NodeProbabilities

VERSION = 2
"""Changes when scores of the same frame change: those on disk are computed again."""

FLUSH = 20
"""Frames after which the file is flushed."""


@dataclass(frozen=True)
class FrameScore:
    """Scores of one frame."""

    number: int
    """Position in its source."""
    name: str
    time_ns: int | None
    """Stamp; None for files."""
    entropy: float
    """Mean of the tree's entropy over the image, in [0, 1]."""
    margin: float
    """Mean of the tree's doubt by margin, in [0, 1]."""
    flicker: float | None
    """Share of steady pixels whose label changed since the frame before, levels weighted as in
    `TreeDoubt`; None where there is no frame before, or nothing is steady."""
    shares: Mapping[int, float]
    """Share of the image by label id, of the labels that it has."""

    @property
    def uncertainty(self) -> float:
        """Mean of entropy and margin."""
        return (self.entropy + self.margin) / 2


class FrameScorer:
    """Computes scores; frames of one source come in order."""

    def __init__(self, taxonomy: Taxonomy, labels: LabelSet, pre_labels: PreLabels) -> None:
        """Prepare.

        Args:
            taxonomy: The tree.
            labels: The labels whose shares are counted.
            pre_labels: Decides them.
        """
        self._doubt, self._labels, self._pre_labels = TreeDoubt(taxonomy), labels, pre_labels
        self._taxonomy = taxonomy
        weights = np.array([2.0**-level for level in range(taxonomy.depth)])
        self._level_weights = weights / weights.sum()
        self._before: tuple[int, NDArray[np.uint8], LabelImage] | None = None

    def score(self, segmented: SegmentedFrame) -> FrameScore | None:
        """Return the scores of a frame, None where its image is damaged."""
        frame, probabilities = segmented.frame, segmented.probabilities
        if frame.rgb is None or probabilities is None:
            return None
        flicker = self._flicker(segmented)
        values = probabilities.values
        # On the network's grid: shares of cells are those of pixels.
        grid = NodeProbabilities(values, (values.shape[1], values.shape[2]))
        counts = np.bincount(self._pre_labels(grid).ravel(), minlength=256)
        total = int(counts.sum())
        return FrameScore(
            frame.number,
            frame.name,
            frame.time_ns,
            round(float(self._doubt.entropy(values).mean()), 6),
            round(float(self._doubt.margin(values).mean()), 6),
            flicker,
            {
                label_id: round(int(counts[label_id]) / total, 6)
                for label_id in self._labels.label_of_id
                if counts[label_id]
            },
        )

    def _flicker(self, segmented: SegmentedFrame) -> float | None:
        by_level = segmented.flicker
        if segmented.labels is not None:
            by_level = self._compared(segmented)
        if by_level is None:
            return None
        return round(float(self._level_weights @ np.array(by_level)), 6)

    def _compared(self, segmented: SegmentedFrame) -> tuple[float, ...] | None:
        """Return the flicker by level since the frame before, which this one becomes."""
        frame, labels = segmented.frame, segmented.labels
        assert frame.rgb is not None and labels is not None and frame.time_ns is not None
        grey, small = reduced_grey(frame.rgb), reduced_labels(labels)
        before, self._before = self._before, (frame.time_ns, grey, small)
        if before is None or before[1].shape != grey.shape:
            return None
        if not 0 < frame.time_ns - before[0] <= MAX_PAUSE_S * 1e9:
            return None
        motion = motion_between(before[1], grey)
        if motion is None:
            return None
        record = Stability(self._taxonomy).add(before[2], small, motion)
        levels = record['flicker_by_level']
        return None if any(level is None for level in levels) else tuple(levels)


def scores_of(
    pool: Pool,
    scorer: FrameScorer,
    labels_identity: str,
    folder: Path,
    every: int = 1,
    on_frame: Callable[[], object] = lambda: None,
) -> list[FrameScore]:
    """Return the scores of a pool's frames: those on disk, and the others computed and written.

    Args:
        pool: The frames.
        scorer: Computes what is missing; new for each pool.
        labels_identity: Text that differs where labels or their meaning do.
        folder: Where scores are kept, for all pools.
        every: Take every so many frames.
        on_frame: Called for each frame that is looked at.

    Raises:
        BagError: A bag is damaged.
        ConfigError: The folder cannot be written, or no image can be decoded.
    """
    key = f'{VERSION}\n{every}\n{labels_identity}\n{pool.identity}'
    path = folder / f'{hashlib.sha256(key.encode()).hexdigest()[:32]}.jsonl'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known, size = _on_disk(path)
        for _ in known:
            on_frame()
        found = [score for score in known if score is not None]
        # The last one again, so that the next has a frame before it.
        begin = len(known) - 1 if known else 0
        wanted = set(range(begin * every, pool.source.count, every))
        with path.open('r+b' if size else 'wb') as file:
            file.truncate(size)
            file.seek(size)
            for place, segmented in enumerate(pool.segmented(begin * every, wanted)):
                score = scorer.score(segmented)
                if known and place == 0:
                    continue
                file.write((json.dumps(None if score is None else asdict(score)) + '\n').encode())
                if place % FLUSH == 0:
                    file.flush()
                found += [] if score is None else [score]
                on_frame()
    except OSError as problem:
        raise ConfigError(
            f'Scores cannot be written to {folder} ({problem}); expected a folder with the right '
            'to write and room on its disk.'
        ) from problem
    if not found:
        raise ConfigError(
            f'No image of {pool.source.path} can be decoded; expected at least one: copy it again.'
        )
    return found


def _on_disk(path: Path) -> tuple[list[FrameScore | None], int]:
    """Return the scores of a file up to its first damaged line, and where that begins."""
    scores: list[FrameScore | None] = []
    size = 0
    for line in _lines(path):
        try:
            scores.append(_score(json.loads(line)))
        except (ValueError, TypeError, KeyError):
            break
        size += len(line)
    return scores, size


def _lines(path: Path) -> Iterator[bytes]:
    if path.is_file():
        with path.open('rb') as file:
            yield from (line for line in file if line.endswith(b'\n'))


def _score(row: Mapping[str, object] | None) -> FrameScore | None:
    if row is None:
        return None
    shares = row['shares']
    if not isinstance(shares, dict):
        raise ValueError
    whole = {**row, 'shares': {int(key): float(share) for key, share in shares.items()}}
    return FrameScore(**whole)  # type: ignore[arg-type]  # a wrong key is a TypeError
