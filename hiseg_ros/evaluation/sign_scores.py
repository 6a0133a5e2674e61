# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Metrics of traffic signs, accumulated image by image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hiseg_ros.evaluation.sign_masks import SignMasks, true_types
from hiseg_ros.evaluation.signs import (
    CLEAR_SIZE,
    RegionOutcome,
    SignOutcome,
    TrueSign,
    judge_regions,
    judge_signs,
    sign_metrics,
    size_groups,
)
from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.types import LabelImage, SubclassMask

MISSED, NO_ANNOTATED_TYPE = 'missed', 'no annotated type'
COMMON_ERRORS = 20
"""Pairs of types listed."""


@dataclass(frozen=True)
class ImageOutcome:
    """Outcome for the signs and regions of one image."""

    signs: tuple[SignOutcome, ...]
    regions: tuple[RegionOutcome, ...]

    @property
    def score(self) -> float:
        """Signs found with their type, over signs and false regions, in [0, 1]."""
        false = sum(not region.is_on_sign for region in self.regions)
        return sum(sign.is_right for sign in self.signs) / max(1, len(self.signs) + false)


class SignScores:
    """Counts over images."""

    def __init__(self, mapping: Mapping, taxonomy: Taxonomy) -> None:
        """Start at zero.

        Args:
            mapping: Its evaluated labels are the annotated types, each a leaf.
            taxonomy: The tree, with a subclass root.
        """
        root = taxonomy.subclass_root
        assert root is not None, 'checked by evaluate_signs'
        self.taxonomy = taxonomy
        self.types = {
            leaf: label.name for label in mapping.evaluated_labels for leaf in label.leaves
        }
        self.is_sign = np.zeros(256, np.bool_)
        self.is_sign[list(taxonomy.nodes_below(root))] = True
        self.images = 0
        self.signs: list[SignOutcome] = []
        self.regions: list[RegionOutcome] = []
        self.by_pixel = SignMasks(frozenset(self.types))
        self.by_vote = SignMasks(frozenset(self.types))

    def add(
        self, truth: Sequence[TrueSign], labels: LabelImage, masks: Sequence[SubclassMask]
    ) -> ImageOutcome:
        """Count one image.

        Args:
            truth: Its annotated signs.
            labels: (H, W) predicted node ids.
            masks: Predicted regions with their votes.
        """
        size = (labels.shape[0], labels.shape[1])
        signs = judge_signs(truth, labels, masks, self.is_sign)
        regions = judge_regions(truth, size, masks, frozenset(self.types))
        raster = true_types(truth, size)
        self.by_pixel.add(raster, labels)
        voted = np.zeros(size, np.uint8)
        for mask in masks:
            y, x, height, width = mask.roi
            voted[y : y + height, x : x + width][mask.mask] = mask.node_id
        self.by_vote.add(raster, voted)
        self.images += 1
        self.signs += signs
        self.regions += regions
        return ImageOutcome(signs, regions)

    def summary(self) -> dict[str, Any]:
        """Return all metrics, shares in [0, 1].

        Overall, from CLEAR_SIZE on, by size, by type; the confusion of the types' parents in the
        tree; the most frequent wrong types; IoU of the types' pixels as labelled and as voted.
        """
        large_signs = [sign for sign in self.signs if sign.size >= CLEAR_SIZE]
        large_regions = [region for region in self.regions if region.size >= CLEAR_SIZE]
        return {
            'images': self.images,
            **sign_metrics(self.signs, self.regions),
            f'from_{CLEAR_SIZE}_px': sign_metrics(large_signs, large_regions),
            'by_size': {
                name: sign_metrics(
                    [sign for sign in self.signs if low <= sign.size < high],
                    [region for region in self.regions if low <= region.size < high],
                )
                for name, low, high in size_groups()
            },
            'category_confusion': self._category_confusion(),
            'wrong_types': self._wrong_types(),
            'mask_iou': {'nodes': self.by_pixel.summary(), 'voted': self.by_vote.summary()},
            'by_type': self._by_type(),
        }

    def _by_type(self) -> dict[str, dict[str, object]]:
        pixel, vote = (
            dict(zip(masks.types, masks.iou(), strict=True))
            for masks in (self.by_pixel, self.by_vote)
        )
        rows = {}
        for node_id, name in self.types.items():
            metrics = sign_metrics(
                [sign for sign in self.signs if sign.node_id == node_id],
                [region for region in self.regions if region.node_id == node_id],
            )
            for key, iou in (('iou_nodes', pixel[node_id]), ('iou_voted', vote[node_id])):
                metrics[key] = None if np.isnan(iou) else round(float(iou), 4)
            rows[name] = metrics
        return rows

    def _category(self, node_id: int) -> str:
        parent = self.taxonomy.parent(node_id)
        return self.taxonomy.nodes[node_id if parent is None else parent].name

    def _category_confusion(self) -> dict[str, object]:
        rows = list(dict.fromkeys(self._category(node_id) for node_id in self.types))
        columns = [*rows, NO_ANNOTATED_TYPE, MISSED]
        counts = Counter(
            (
                self._category(sign.node_id),
                MISSED
                if sign.top is None
                else self._category(sign.top[0])
                if sign.top[0] in self.types
                else NO_ANNOTATED_TYPE,
            )
            for sign in self.signs
        )
        return {
            'rows': rows,
            'columns': columns,
            'signs': [[counts[row, column] for column in columns] for row in rows],
        }

    def _wrong_types(self) -> list[dict[str, object]]:
        names = self.taxonomy.nodes
        counts = Counter(
            (names[sign.node_id].name, names[sign.top[0]].name)
            for sign in self.signs
            if sign.top is not None and not sign.is_right
        )
        return [
            {'true': true, 'predicted': predicted, 'signs': count}
            for (true, predicted), count in counts.most_common(COMMON_ERRORS)
        ]
