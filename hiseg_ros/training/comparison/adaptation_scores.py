# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Scores of an adapted network: IoU and class shares by test set, and how domains mix in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hiseg_ros.datasets import mapping_of, open_dataset
from hiseg_ros.evaluation.common import common_classes
from hiseg_ros.evaluation.confusion import confusion_counts
from hiseg_ros.evaluation.evaluate import evaluate_pixels
from hiseg_ros.inference.engine import Engine
from hiseg_ros.retrieval.domains import LEAST, compare
from hiseg_ros.retrieval.features import FeatureNetwork, Kind
from hiseg_ros.taxonomy import Mapping, Taxonomy
from hiseg_ros.training.comparison.scores import MIOU, TestSet
from hiseg_ros.training.config.dataset import DatasetConfig

TRUE_SHARE, PREDICTED_SHARE = 'true share of', 'predicted share of'
"""Begin the names of scores that are shares of pixels."""

COMMON = 'common-class mean'

MOST_COUNTED = 200
"""Images of the source, evenly spread, whose labels are counted."""

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


@dataclass(frozen=True)
class SourceShares:
    """Shares of the source's pixels by label of the target."""

    images: int
    """Images that were counted."""
    shares: dict[str, float]
    """By label of the target, in [0, 1], of the pixels that belong to exactly one."""
    left_out: float
    """Share of the labelled pixels that belong to no label of the target, or to several."""


def source_shares(source: DatasetConfig, target: Mapping, taxonomy: Taxonomy) -> SourceShares:
    """Count the source's labels as those of the target, on at most MOST_COUNTED of its images.

    A label of the source belongs to the labels of the target that share a leaf with it.

    Args:
        source: The dataset that training reads.
        target: Mapping of the target's labels.
        taxonomy: The tree.

    Raises:
        DatasetError: A file is missing or damaged.
        MappingError: The source's mapping does not fit the tree.
    """
    options = {**source.options, **({'mapping': source.mapping} if source.mapping else {})}
    mapping = mapping_of(source.kind, taxonomy, options)
    names = [label.name for label in target.evaluated_labels]
    several, unlabeled = len(names), len(names) + 1
    rows = np.full(256, unlabeled, np.int64)
    for label in mapping.labels:
        owners = [
            row
            for row, one in enumerate(target.evaluated_labels)
            if set(one.leaves) & set(label.leaves)
        ]
        rows[label.label_id] = owners[0] if len(owners) == 1 else several
    dataset = open_dataset(source.kind, source.root, source.options)
    count = min(MOST_COUNTED, len(dataset))
    pixels = np.zeros(len(names) + 2, np.int64)
    for place in range(count):
        truth = dataset[place * len(dataset) // count].label_ids
        pixels += np.bincount(rows[truth].ravel(), minlength=len(pixels))
    of_one, labelled = max(1, int(pixels[:several].sum())), max(1, int(pixels[:unlabeled].sum()))
    shares = {name: float(pixels[row] / of_one) for row, name in enumerate(names)}
    return SourceShares(count, shares, float(pixels[several] / labelled))


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
