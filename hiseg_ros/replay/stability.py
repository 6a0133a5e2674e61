# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Label flicker, without ground truth: steady pixels whose label changes from frame to frame."""

from __future__ import annotations

from typing import Any

import numpy as np

from hiseg_ros.replay.motion import Motion
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.types import UNLABELED, LabelImage


class Stability:
    """Counts the pixels that optical flow follows reliably, and those whose label changed."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Start at zero."""
        self._taxonomy = taxonomy
        self._tables = [taxonomy.node_id_at_level(level) for level in range(1, taxonomy.depth + 1)]
        self.pairs = 0
        self.steady = np.zeros(256, np.int64)
        """(256,) steady pixels by their node in the frame before."""
        self.changed = np.zeros(256, np.int64)
        self.changed_at_level = np.zeros(len(self._tables), np.int64)

    def add(self, before: LabelImage, now: LabelImage, motion: Motion) -> dict[str, Any]:
        """Count one pair of frames; return its metrics.

        Args:
            before: (h, w) reduced labels of the frame before.
            now: (h, w) reduced labels of this frame.
            motion: Motion between the two.
        """
        there = now[motion.row, motion.column]
        counted = motion.is_steady & (before != UNLABELED) & (there != UNLABELED)
        old, new = before[counted], there[counted]
        is_changed = old != new
        at_level = np.array([int((table[old] != table[new]).sum()) for table in self._tables])
        self.pairs += 1
        self.steady += np.bincount(old, minlength=256)
        self.changed += np.bincount(old[is_changed], minlength=256)
        self.changed_at_level += at_level
        return {
            'steady_share': round(old.size / max(1, before.size), 6),
            'flicker': _share(int(is_changed.sum()), old.size),
            'flicker_by_level': [_share(int(count), old.size) for count in at_level],
        }

    def summary(self) -> dict[str, Any]:
        """Return the metrics of all pairs; a share of no steady pixels is None."""
        total = int(self.steady.sum())
        return {
            'pairs': self.pairs,
            'steady_pixels': total,
            'flicker': _share(int(self.changed.sum()), total),
            'flicker_by_level': [
                {'level': level, 'flicker': _share(int(count), total)}
                for level, count in enumerate(self.changed_at_level, start=1)
            ],
            'by_node': [
                {
                    'node_id': node.node_id,
                    'name': node.name,
                    'steady_pixels': int(self.steady[node.node_id]),
                    'flicker': _share(
                        int(self.changed[node.node_id]), int(self.steady[node.node_id])
                    ),
                }
                for node in self._taxonomy.nodes
                if self.steady[node.node_id]
            ],
        }

    def state(self) -> dict[str, Any]:
        """Return the state that a resumed run starts from."""
        return {
            'pairs': self.pairs,
            'steady': self.steady,
            'changed': self.changed,
            'changed_at_level': self.changed_at_level,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self.pairs = state['pairs']
        self.steady, self.changed = state['steady'], state['changed']
        self.changed_at_level = state['changed_at_level']


def _share(part: int, total: int) -> float | None:
    return round(part / total, 6) if total else None
