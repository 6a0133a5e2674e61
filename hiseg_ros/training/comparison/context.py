# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The comparison of training with and without removed objects: its rows and scores."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from hiseg_ros.datasets import dataset_entry, mapping_of
from hiseg_ros.datasets.counterfactuals import Redraws, Remover, remover_of
from hiseg_ros.datasets.registry import Measure
from hiseg_ros.errors import ConfigError
from hiseg_ros.evaluation.context import MIN_IMAGES, ContextScores, Removal
from hiseg_ros.evaluation.context_run import ContextRun
from hiseg_ros.evaluation.evaluate import PixelImage, evaluate_pixels
from hiseg_ros.inference.engine import Engine
from hiseg_ros.training.comparison.scores import MIOU, TestSet, open_test_set, open_test_sets
from hiseg_ros.training.config.dataset import DatasetConfig
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.types import RgbImage

PLAIN, REMOVAL = 'plain', 'removal'
"""The row without removed objects, and the one with all that the experiment names."""

DEPENDENCE = 'context dependence'

SCORES = {
    'context_dependence': DEPENDENCE,
    'drop': 'IoU lost',
    'control_drop': 'IoU lost to the control',
    'flip': 'turned wrong',
    'control_flip': 'turned wrong by the control',
}
"""Titles of the means over pairs of labels."""

HALLUCINATION = 'removed objects still seen'

HEADLINES = (MIOU, *SCORES.values(), HALLUCINATION)

ARROW = ' without '
"""Between the affected label and the removed one in the name of a score."""


@dataclass(frozen=True)
class ContextRow:
    """One way of training."""

    name: str
    title: str


def context_rows(base: TrainingConfig) -> list[ContextRow]:
    """Return the rows: without removal, with it, and with each way alone where there are two.

    Raises:
        ConfigError: No dataset of the experiment has a removal.
    """
    ways = {is_redrawn(item) for item in base.datasets.values() if item.removal is not None}
    if not ways:
        raise ConfigError(
            f'No dataset of experiment {base.name!r} has the setting removal; expected at least '
            'one: add `removal: {}` to it.'
        )
    rows = [
        ContextRow(PLAIN, 'all objects stay'),
        ContextRow(REMOVAL, 'objects removed'),
    ]
    if len(ways) == 2:
        rows += [
            ContextRow('inpainted', 'objects removed from photographs alone'),
            ContextRow('redrawn', 'objects removed from drawn scenes alone'),
        ]
    return rows


def is_redrawn(item: DatasetConfig) -> bool:
    """Return whether a dataset's images are drawn again without objects, by its settings."""
    if item.removal is None or not item.removal.redraw:
        return False
    return hasattr(dataset_entry(item.kind).load_loader(), Redraws.redrawn_without.__name__)


def context_config(base: TrainingConfig, row: ContextRow, seed: int) -> TrainingConfig:
    """Return the settings of a run: everything but the removal of objects is the base's."""
    kept = {
        PLAIN: lambda item: False,
        REMOVAL: lambda item: True,
        'inpainted': lambda item: not is_redrawn(item),
        'redrawn': is_redrawn,
    }[row.name]
    datasets = {
        name: item if kept(item) else replace(item, removal=None)
        for name, item in base.datasets.items()
    }
    return replace(base, name=row.name, seed=seed, datasets=datasets)


def context_test_sets(datasets: dict[str, DatasetConfig]) -> list[TestSet]:
    """Open the kept-out parts of the datasets with dense labels.

    A dataset without a kept-out part is measured on its split 'val', with its own options but for
    those in which the splits differ.

    Raises:
        DatasetError: A folder lacks something.
    """
    tests = [
        one
        for one in open_test_sets(datasets)
        if dataset_entry(one.kind).measure is Measure.PIXELS
    ]
    for name, config in datasets.items():
        entry = dataset_entry(config.kind)
        splits = entry.splits
        if entry.kept_out or entry.measure is not Measure.PIXELS or 'val' not in splits:
            continue
        own = {
            key: value
            for key, value in splits['val'].items()
            if splits.get('train', {}).get(key) != value or key not in config.options
        }
        tests.append(open_test_set(name, name, config, {**config.options, **own}))
    return tests


def indices_of(test: TestSet, limit: int) -> list[int]:
    """Return the images that are measured, evenly spread; a limit of 0 takes all."""
    count = min(limit or len(test.dataset), len(test.dataset))
    return [int(one) for one in np.linspace(0, len(test.dataset) - 1, count).round()]


def min_images(count: int) -> int:
    """Return how many of `count` images a pair of labels needs to count."""
    return max(1, min(MIN_IMAGES, count // 5))


def score_context(weights: Path, tests: Sequence[TestSet], limit: int = 0) -> dict[str, float]:
    """Measure one network on every test set, whole and without objects.

    Args:
        weights: Weights file.
        tests: Test sets.
        limit: Images of each test set; 0 takes all.

    Returns:
        By 'test set: score': mIoU, the means over pairs of labels (see `ContextScores.summary`),
        the share of removed objects' pixels that are still predicted as the object, and for each
        pair of labels the lost IoU, less the control's, as 'test set: label without object'.
        Differences may be negative; a score that does not exist is left out.
    """
    engine = Engine(weights)
    scores: dict[str, float] = {}
    for test in tests:
        scores |= _scores_of(engine, test, indices_of(test, limit))
    engine.close()
    return scores


def _scores_of(engine: Engine, test: TestSet, indices: Sequence[int]) -> dict[str, float]:
    mapping = mapping_of(test.kind, engine.taxonomy, test.options)
    remover = remover_of(test.dataset, mapping, engine.taxonomy)
    counts = ContextScores(mapping, remover.labels, min_images(len(indices)))
    run = ContextRun(engine, mapping, counts)
    shown: list[tuple[int, str]] = []

    def samples() -> Iterator[tuple[RgbImage, Any]]:
        for index in tqdm(indices, f'measuring on {test.name}', unit='image', leave=False):
            sample = test.dataset[index]
            shown.append((index, sample.name))
            yield sample.image, sample.label_ids

    def remove(one: PixelImage) -> None:
        index, name = shown[-1]
        run.add(name, one, remover.removals(name, index, one.image, one.truth))

    dense = evaluate_pixels(engine, samples(), mapping, remove)
    found = counts.summary()
    named = {MIOU: dense['summed']['miou']}
    named |= {title: found[key] for key, title in SCORES.items()}
    pixels = [value for value in found['hallucination'].values() if not math.isnan(value)]
    named[HALLUCINATION] = float(np.mean(pixels)) if pixels else None
    matrix = found['matrix']
    for removed, images, values in zip(
        matrix['rows'], matrix['images'], matrix['context'], strict=True
    ):
        for label, count, value in zip(matrix['columns'], images, values, strict=True):
            if count >= counts.min_images and label != removed:
                named[f'{label}{ARROW}{removed}'] = value
    return {
        f'{test.name}: {name}': float(value)
        for name, value in named.items()
        if value is not None and not math.isnan(value)
    }


def one_removal(tests: Sequence[TestSet], weights: Path) -> tuple[RgbImage, RgbImage, str] | None:
    """Return an image, the same without the objects of a label, and the label's name.

    It is the largest removal among the first images of the first test set.

    Args:
        tests: Test sets.
        weights: A weights file, for its tree.
    """
    engine = Engine(weights)
    test, taxonomy = tests[0], engine.taxonomy
    engine.close()
    mapping = mapping_of(test.kind, taxonomy, test.options)
    remover: Remover = remover_of(test.dataset, mapping, taxonomy)
    names = {label.label_id: label.name for label in remover.labels}
    best: tuple[float, RgbImage, RgbImage, str] | None = None
    for index in indices_of(test, 8):
        sample = test.dataset[index]
        for removal in remover.removals(sample.name, index, sample.image, sample.label_ids):
            if isinstance(removal, Removal):
                share = float(removal.without.changed.mean())
                if best is None or share > best[0]:
                    found = (sample.image, removal.without.image, names[removal.label_id])
                    best = (share, *found)
    return None if best is None else best[1:]
