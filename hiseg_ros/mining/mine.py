# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""From pools of frames to the chosen ones, and to their images and labels on disk."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.mining.labels import LabelSet, PreLabels
from hiseg_ros.mining.pool import Pool
from hiseg_ros.mining.project import ProjectFolder, file_stems
from hiseg_ros.mining.scores import FrameScore, FrameScorer, scores_of
from hiseg_ros.mining.selection import Candidate, Pick, Weights, select
from hiseg_ros.retrieval.store import Computes, features_of
from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.types import NodeProbabilities, RgbImage


@dataclass(frozen=True)
class Request:
    """What is mined, and how."""

    pools: Sequence[Pool]
    count: int
    taxonomy: Taxonomy
    mapping: Mapping
    labels: LabelSet
    labels_identity: str
    """Text that differs where the labels or their meaning do."""
    weights: Weights = field(default_factory=Weights)
    every: int = 1
    """Take every so many frames of each pool."""
    apart_s: float = 2.0
    """Least seconds between two frames of a bag."""


@dataclass(frozen=True)
class Result:
    """What was chosen out of what."""

    picks: tuple[Pick, ...]
    """In the order in which they were chosen."""
    candidates: tuple[Candidate, ...]
    stems: tuple[str, ...]
    """Name of each pick's files, without ending."""

    def drives(self) -> list[tuple[str, int, int]]:
        """Return the name, the frames and the picks of each drive."""
        frames = Counter(candidate.drive for candidate in self.candidates)
        picked = Counter(pick.candidate.drive for pick in self.picks)
        return [(drive, count, picked[drive]) for drive, count in frames.items()]

    def means(self) -> dict[str, tuple[float | None, float | None]]:
        """Return the mean of each score over the pool and over the picks; None without any."""
        every = [candidate.score for candidate in self.candidates]
        chosen = [pick.candidate.score for pick in self.picks]
        kinds: dict[str, Callable[[FrameScore], float | None]] = {
            'entropy': lambda score: score.entropy,
            'margin': lambda score: score.margin,
            'flicker': lambda score: score.flicker,
        }
        return {name: (_mean(every, of), _mean(chosen, of)) for name, of in kinds.items()}

    def label_shares(self, labels: LabelSet) -> list[tuple[str, float, float]]:
        """Return the name of each label, its share of the pool and of the picks."""
        every = [candidate.score.shares for candidate in self.candidates]
        chosen = [pick.candidate.score.shares for pick in self.picks]
        return [
            (
                label.name,
                sum(shares.get(label.label_id, 0.0) for shares in every) / len(every),
                sum(shares.get(label.label_id, 0.0) for shares in chosen) / len(chosen),
            )
            for label in labels.labels
        ]

    def as_json(self, request: Request, model: str) -> dict[str, Any]:
        """Return the choice as plain values."""
        return {
            'model': model,
            'taxonomy': request.taxonomy.name,
            'mapping': request.mapping.name,
            'weights': asdict(request.weights),
            'every': request.every,
            'apart_s': request.apart_s,
            'pool': len(self.candidates),
            'drives': [
                {'drive': drive, 'frames': frames, 'picked': picked}
                for drive, frames, picked in self.drives()
            ],
            'picks': [
                {
                    'image': f'{stem}.jpg',
                    'source': str(request.pools[pick.candidate.source].source.path),
                    'drive': pick.candidate.drive,
                    'frame': pick.candidate.score.number,
                    'name': pick.candidate.score.name,
                    'stamp_ns': pick.candidate.score.time_ns,
                    'value': round(pick.value, 4),
                    'ranks': {name: round(rank, 4) for name, rank in pick.ranks.items()},
                    'entropy': pick.candidate.score.entropy,
                    'margin': pick.candidate.score.margin,
                    'flicker': pick.candidate.score.flicker,
                    'rarity': round(pick.rarity, 4),
                    'distance': round(pick.distance, 4),
                    'nearest': pick.nearest,
                    'close_in_time': pick.is_close_in_time,
                    'rare_labels': {
                        request.labels.label_of_id[label_id].name: round(times, 2)
                        for label_id, times in pick.rare_labels
                    },
                }
                for stem, pick in zip(self.stems, self.picks, strict=True)
            ],
        }


def _mean(scores: Sequence[FrameScore], of: Callable[[FrameScore], float | None]) -> float | None:
    known = [value for value in map(of, scores) if value is not None]
    return sum(known) / len(known) if known else None


def mine(
    request: Request,
    network: Computes,
    cache: Path,
    on_frame: Callable[[], object] = lambda: None,
) -> Result:
    """Score all frames, compute their features, and choose.

    Args:
        request: What is mined.
        network: Computes features.
        cache: Where scores and features are kept.
        on_frame: Called twice for each frame: when it is scored, and when it has its feature.

    Raises:
        BagError: A bag is damaged.
        ConfigError: There are fewer frames than asked for, the cache cannot be written, or no
            image of a pool can be decoded.
    """
    candidates: list[Candidate] = []
    vectors: list[NDArray[np.float32]] = []
    names = _pool_names(request.pools)
    for place, (pool, pool_name) in enumerate(zip(request.pools, names, strict=True)):
        scorer = FrameScorer(
            request.taxonomy, request.labels, PreLabels(request.mapping, request.taxonomy)
        )
        scores = scores_of(
            pool, scorer, request.labels_identity, cache / 'scores', request.every, on_frame
        )
        features = features_of(pool.source, network, cache / 'features', request.every, on_frame)
        row_of = {int(number): row for row, number in enumerate(features.numbers)}
        scores = [score for score in scores if score.number in row_of]
        drives = drives_of(pool_name, scores)
        candidates += [
            Candidate(place, drive, score) for drive, score in zip(drives, scores, strict=True)
        ]
        vectors.append(features.vectors[[row_of[score.number] for score in scores]])
    picks = select(
        candidates, np.concatenate(vectors), request.count, request.weights, request.apart_s
    )
    chosen = [pick.candidate for pick in picks]
    stems = file_stems(
        [one.drive for one in chosen],
        [one.score.name for one in chosen],
        [one.score.time_ns for one in chosen],
    )
    return Result(tuple(picks), tuple(candidates), tuple(stems))


def _pool_names(pools: Sequence[Pool]) -> list[str]:
    """Return a name for each pool that no other has."""
    names = [pool.source.path.resolve().name for pool in pools]
    return [
        name if names.count(name) == 1 else f'{name}_{place + 1}'
        for place, name in enumerate(names)
    ]


def drives_of(pool_name: str, scores: Sequence[FrameScore]) -> list[str]:
    """Return the drive of each frame of one pool.

    A recording is a drive. Files are told apart by their folder, or by what stands in front of the
    first underscore or hyphen of their names, as in CamVid and Cityscapes; where that parts hardly
    any two images, all are one drive.
    """
    if any(score.time_ns is not None for score in scores):
        return [pool_name] * len(scores)
    paths = [PurePosixPath(score.name) for score in scores]
    folders = {path.parent for path in paths}
    if len(folders) > 1:
        found = [path.parent.as_posix() for path in paths]
    else:
        found = [path.stem.replace('-', '_').partition('_')[0] for path in paths]
    if not 1 < len(set(found)) <= len(found) / 2:
        return [pool_name] * len(scores)
    return [f'{pool_name}/{drive}' for drive in found]


@dataclass(frozen=True)
class WrittenFrame:
    """A chosen frame as it was written."""

    number: int
    """Position among the picks."""
    rgb: RgbImage
    label_ids: NDArray[np.uint8]
    probabilities: NodeProbabilities


def write_picks(
    request: Request,
    result: Result,
    folder: ProjectFolder,
    on_frame: Callable[[WrittenFrame], object] = lambda frame: None,
) -> int:
    """Segment the chosen frames again and write images and labels, in the order of the pools.

    Args:
        request: As for `mine`.
        result: What `mine` returned.
        folder: Where they are written.
        on_frame: Called for each frame.

    Returns:
        Number of frames that were written.

    Raises:
        BagError: A bag is damaged.
        ImageError: A file cannot be written.
    """
    pre_labels = PreLabels(request.mapping, request.taxonomy)
    wanted: dict[int, dict[int, int]] = defaultdict(dict)
    for number, pick in enumerate(result.picks):
        wanted[pick.candidate.source][pick.candidate.score.number] = number
    written = 0
    for place in sorted(wanted):
        numbers = wanted[place]
        for segmented in request.pools[place].segmented(min(numbers), set(numbers)):
            frame, probabilities = segmented.frame, segmented.probabilities
            if frame.rgb is None or probabilities is None:
                continue
            number = numbers[frame.number]
            label_ids = pre_labels(probabilities)
            folder.add(result.stems[number], frame.rgb, label_ids)
            on_frame(WrittenFrame(number, frame.rgb, label_ids, probabilities))
            written += 1
    return written
