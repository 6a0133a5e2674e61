# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What is kept of each drive for the figures over all, and these figures: one metrics.json."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from hiseg_ros import __version__
from hiseg_ros.replay.confidence import ConfidenceShares
from hiseg_ros.replay.replay_folder import WORK
from hiseg_ros.replay.stability import Stability
from hiseg_ros.replay.truth_scores import TruthScores
from hiseg_ros.taxonomy import Mapping as LabelMapping
from hiseg_ros.taxonomy import Taxonomy

SUMMARIES = 'summaries'
"""Folder in the output folder with one file for each drive."""

FORMAT = 1
"""Version of the fleet's metrics.json."""

WORST = 5
"""Number of frames of each drive that are listed by each measure."""

MEASURES = ('miou', 'confidence', 'flicker')
"""Measures of a frame: the worst have the lowest of the first two, the highest of the third."""


def drive_summary(
    folder: str,
    robot: str,
    metrics: Mapping[str, Any],
    state: Mapping[str, Any],
    path: Path,
) -> dict[str, Any]:
    """Return what is kept of a drive.

    Args:
        folder: Name of the folder with its replay.
        robot: Name of its robot.
        metrics: Content of its metrics.json.
        state: Counters of its tracks and scores, as `Replay.run` gives them.
        path: Its folder, with the records of the frames before they are joined.
    """
    first_ns, last_ns, worst = _frames(sorted((path / WORK).glob('frames_*.jsonl'), key=_number))
    start = datetime.fromtimestamp(first_ns / 1e9, timezone.utc)
    scores = metrics['scores']
    has_scores = bool(scores and scores['frames_with_truth'])
    tracks = [
        {key: track['figures'][key] for key in ('confidence', 'stability')}
        for track in state['tracks']
    ]
    return {
        'replay_folder': folder,
        'recordings': [row['name'] for row in metrics['run']['recordings']],
        'robot': robot,
        'day': f'{start:%Y-%m-%d}',
        'seconds': round((last_ns - first_ns) / 1e9, 3),
        'frames': sum(camera['frames'] for camera in metrics['cameras']),
        'unreadable': sum(camera['unreadable'] for camera in metrics['cameras']),
        'signs': sum(len(camera['sign_tracks']) for camera in metrics['cameras']),
        'damages': metrics['damages'],
        'miou': scores['nodes']['miou'] if has_scores else None,
        'worst': worst,
        'state': {'tracks': tracks, 'scores': state['scores']},
    }


def _number(path: Path) -> int:
    return int(path.stem.rpartition('_')[2])


def _frames(files: Iterable[Path]) -> tuple[int, int, dict[str, list[dict[str, Any]]]]:
    """Return the recording times of the first and the last frame, and the worst frames."""
    first_ns = last_ns = -1
    worst: dict[str, list[tuple[float, int, dict[str, Any]]]] = {name: [] for name in MEASURES}
    for path in files:
        with path.open() as file:
            for line in file:
                record = json.loads(line)
                last_ns = record['time_ns']
                first_ns = last_ns if first_ns < 0 else first_ns
                for name, value in _measures(record).items():
                    row = {'frame': record['frame'], 'time_ns': last_ns, 'value': value}
                    sign = 1 if name == 'flicker' else -1
                    _keep(worst[name], (sign * value, -record['frame'], row))
    return first_ns, last_ns, {
        name: [row for _, _, row in sorted(kept, reverse=True)] for name, kept in worst.items()
    }  # fmt: skip


def _measures(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the measures that a frame has."""
    scores, confidence = record.get('scores'), record.get('confidence')
    stability = record.get('stability')
    found = {
        'miou': scores['nodes']['miou'] if scores else None,
        'confidence': confidence['mean'] if confidence else None,
        'flicker': stability['flicker'] if stability else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _keep(heap: list[Any], item: tuple[float, int, dict[str, Any]]) -> None:
    # The frame's number differs, so that rows are never compared.
    (heapq.heappush if len(heap) < WORST else heapq.heappushpop)(heap, item)


class Totals:
    """Figures over several drives."""

    def __init__(self, taxonomy: Taxonomy, mapping: LabelMapping | None) -> None:
        """Start at zero."""
        self._confidence, self._stability = ConfidenceShares(), Stability(taxonomy)
        self._scores = TruthScores(mapping, taxonomy) if mapping else None
        self._sums = dict.fromkeys(('seconds', 'frames', 'unreadable', 'signs', 'damages'), 0)
        self._drives, self._has_truth = 0, False

    def add(self, drive: Mapping[str, Any]) -> None:
        """Add a drive, always in the same order: sums of floats depend on it."""
        self._drives += 1
        for name in self._sums:
            self._sums[name] += drive[name]
        for track in drive['state']['tracks']:
            self._confidence.histogram += track['confidence']['histogram']
            self._stability.pairs += track['stability']['pairs']
            self._stability.steady += track['stability']['steady']
            self._stability.changed += track['stability']['changed']
            self._stability.changed_at_level += track['stability']['changed_at_level']
        scores = drive['state']['scores']
        if self._scores is not None and scores:
            self._scores.add_state(scores)
            self._has_truth = self._has_truth or scores['frames'] > 0

    def _summed_scores(self) -> dict[str, Any] | None:
        return self._scores.summary() if self._scores and self._has_truth else None

    def short(self) -> dict[str, Any]:
        """Return the main figures; None where there is nothing to measure."""
        confidence, stability = self._confidence.summary(), self._stability.summary()
        scores = self._summed_scores()
        return {
            'drives': self._drives,
            **self._sums,
            'seconds': round(self._sums['seconds'], 3),
            'mean_confidence': confidence['mean'],
            'low_share': confidence['low_share'],
            'flicker': stability['flicker'],
            'miou': scores['nodes']['miou'] if scores else None,
        }

    def whole(self) -> dict[str, Any]:
        """Return the main figures, and all of confidence, stability and scores."""
        return {
            **self.short(),
            'confidence': self._confidence.summary(),
            'stability': self._stability.summary(),
            'scores': self._summed_scores(),
        }


def fleet_metrics(
    facts: Mapping[str, Any],
    drives: Sequence[Mapping[str, Any]],
    failed: Sequence[Mapping[str, Any]],
    taxonomy: Taxonomy,
    mapping: LabelMapping | None,
) -> dict[str, Any]:
    """Return the content of the fleet's metrics.json; docs/fleet.md describes each key.

    Args:
        facts: What all replays have in common.
        drives: What `drive_summary` returned for each.
        failed: Recordings without a result: 'recording', 'robot' and 'reason'.
        taxonomy: The label tree.
        mapping: Mapping of the ground truth, None without any.
    """
    ordered = sorted(drives, key=lambda drive: str(drive['replay_folder']))

    def totals(chosen: Iterable[Mapping[str, Any]]) -> Totals:
        found = Totals(taxonomy, mapping)
        for drive in chosen:
            found.add(drive)
        return found

    def by(key: Callable[[Mapping[str, Any]], str]) -> list[dict[str, Any]]:
        names = sorted({key(drive) for drive in ordered})
        return [
            {'name': name, **totals(d for d in ordered if key(d) == name).short()}
            for name in names
        ]

    return {
        'format': FORMAT,
        'run': {'hiseg_ros': __version__, **facts},
        'all': totals(ordered).whole(),
        'by_day': by(lambda drive: str(drive['day'])),
        'by_robot': by(lambda drive: str(drive['robot'])),
        'drives': [
            {
                **{key: value for key, value in drive.items() if key != 'state'},
                **{
                    key: value
                    for key, value in totals([drive]).short().items()
                    if key in ('mean_confidence', 'low_share', 'flicker')
                },
            }
            for drive in ordered
        ],
        'failed': sorted(failed, key=lambda row: str(row['recording'])),
    }
