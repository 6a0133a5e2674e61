# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Layout of metrics.json: everything that a report needs beside the new bag and frames.jsonl."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hiseg_ros.bags.bag_part import OutputTopic
from hiseg_ros.bags.message_stream import Damage
from hiseg_ros.replay.camera_track import CameraTrack
from hiseg_ros.replay.replay_folder import BAG, FRAMES
from hiseg_ros.replay.truth_scores import TruthScores
from hiseg_ros.taxonomy import Taxonomy

FORMAT = 1
"""Version of metrics.json and frames.jsonl."""

MAX_DAMAGES = 100
"""Most damages that are listed; all are counted."""


def metrics_of(
    facts: Mapping[str, Any],
    taxonomy: Taxonomy,
    tracks: Sequence[CameraTrack],
    topics: Sequence[OutputTopic],
    scores: TruthScores | None,
    truth_topic: str | None,
    damages: Sequence[Damage],
    *,
    unlisted: int = 0,
    live: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return the content of metrics.json; docs/replay.md describes each key.

    Args:
        facts: The inputs of the replay.
        taxonomy: The label tree.
        tracks: The cameras, counted to the end.
        topics: Topics of the new bag.
        scores: Scores of the first camera against ground truth, None without it.
        truth_topic: Topic of the ground truth in the new bag, None without it.
        damages: Damages of the recordings and of single messages.
        unlisted: Number of damages that are not in the list.
        live: Latency and drops of the recorded node, see `LiveRun.summary`.
    """
    return {
        'format': FORMAT,
        'run': dict(facts),
        'taxonomy': {
            'name': taxonomy.name,
            'version': taxonomy.version,
            'digest': taxonomy.digest,
            'depth': taxonomy.depth,
            'nodes': [
                {
                    'node_id': node.node_id,
                    'name': node.name,
                    'parent': node.parent,
                    'level': node.level,
                    'color': list(node.color),
                }
                for node in taxonomy.nodes
            ],
        },
        'bag': {
            'path': BAG,
            'topics': {topic.name: topic.message_type for topic in topics},
            'truth_topic': truth_topic,
        },
        'frames': FRAMES,
        'cameras': [track.summary() for track in tracks],
        'live': None if live is None else [dict(row) for row in live],
        'scores': None if scores is None else scores.summary(),
        'damages': len(damages) + unlisted,
        'damage': [damage.as_json() for damage in damages[:MAX_DAMAGES]],
    }
