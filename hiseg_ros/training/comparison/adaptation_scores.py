# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Scores of an adapted network: IoU and class shares by test set, and how domains mix in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hiseg_ros.datasets import mapping_of
from hiseg_ros.evaluation.common import common_classes
from hiseg_ros.evaluation.confusion import confusion_counts
from hiseg_ros.evaluation.evaluate import evaluate_pixels
from hiseg_ros.inference.engine import Engine
from hiseg_ros.retrieval.domains import LEAST, compare
from hiseg_ros.retrieval.features import FeatureNetwork, Kind
from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.training.comparison.scores import MIOU, TestSet

TRUE_SHARE, PREDICTED_SHARE = 'true share of', 'predicted share of'
"""Begin the names of scores that are shares of pixels."""

COMMON = 'common-class mean'

MIXING, DISTANCE = 'domains: mixing@10', 'domains: proxy A-distance'


@dataclass(frozen=True)
class Tests:
    """Test sets of the comparison."""

    source: TestSet
    """Scenes of the source that training has not."""
    targets: Sequence[TestSet]
    """Of the target: the kept-out split, then drives that training left out."""

    @property
    def every(self) -> list[TestSet]:
        """All of them, the target's first."""
        return [*self.targets, self.source]


def score_adapted(weights: Path, tests: Tests, limit: int = 0) -> dict[str, float]:
    """Measure one network.

    Args:
        weights: Weights file.
        tests: What it is measured on.
        limit: Images of each test set, evenly spread; 0 takes all.

    Returns:
        By 'test set: score': mIoU over the labels that occur, IoU of each label, the common-class
        mean on the target, shares of pixels that are and that are predicted to be of each label,
        mixing@10 and proxy A-distance of source and target by the backbone's features.
    """
    engine = Engine(weights)
    scores: dict[str, float] = {}
    for test in tests.every:
        mapping = mapping_of(test.kind, engine.taxonomy, test.options)
        scores |= _of_test_set(engine, test, mapping, limit)
    common = common_labels(engine.taxonomy, tests)
    for test in tests.targets:
        found = [scores.get(f'{test.name}: {label}') for label in common]
        known = [value for value in found if value is not None]
        if known:
            scores[f'{test.name}: {COMMON}'] = float(np.mean(known))
    engine.close()
    return scores | _domains(weights, tests, limit)


def common_labels(taxonomy: Taxonomy, tests: Tests) -> list[str]:
    """Return the labels of the target that the source has as well, alone or with others."""
    first = tests.targets[0]
    target = mapping_of(first.kind, taxonomy, first.options)
    source = mapping_of(tests.source.kind, taxonomy, tests.source.options)
    positions = {
        position for one in common_classes([target, source]) for position in one.members[0]
    }
    return [
        label.name
        for position, label in enumerate(target.evaluated_labels)
        if position in positions
    ]


def _of_test_set(engine: Engine, test: TestSet, mapping: Mapping, limit: int) -> dict[str, float]:
    indices = tqdm(_spread(test, limit), f'measuring on {test.name}', unit='image', leave=False)
    samples = (test.dataset[index] for index in indices)
    pairs = ((sample.image, sample.label_ids) for sample in samples)
    summary = evaluate_pixels(engine, pairs, mapping)['summed']
    counts = confusion_counts(summary)
    pixels = max(1, int(counts.sum()))
    names = [label.name for label in mapping.evaluated_labels]
    return {
        f'{test.name}: {MIOU}': float(summary['miou']),
        **{
            f'{test.name}: {name}': float(value)
            for name, value in summary['iou'].items()
            if value is not None
        },
        **{
            f'{test.name}: {TRUE_SHARE} {name}': float(count / pixels)
            for name, count in zip(names, counts.sum(1), strict=True)
        },
        **{
            f'{test.name}: {PREDICTED_SHARE} {name}': float(count / pixels)
            for name, count in zip(names, counts.sum(0), strict=False)
        },
    }


def _spread(test: TestSet, limit: int) -> list[int]:
    count = min(limit or len(test.dataset), len(test.dataset))
    return [int(i) for i in np.linspace(0, len(test.dataset) - 1, count).round()]


def _domains(weights: Path, tests: Tests, limit: int) -> dict[str, float]:
    """Return how source and target mix in the backbone's features; nothing of too few images."""
    network = FeatureNetwork(weights, Kind.BACKBONE)
    features = []
    for test in (tests.source, tests.targets[0]):
        chosen = _spread(test, limit)
        if len(chosen) < LEAST:
            return {}
        features.append(np.stack([network.compute(test.dataset[i].image) for i in chosen]))
    found = compare(features[0], features[1])
    return {MIXING: found.mixing, DISTANCE: found.a_distance}
