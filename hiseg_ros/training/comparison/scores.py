# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Scores of a comparison: every network on the kept-out part of every dataset."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from hiseg_ros.classical.engine import ClassicalEngine
from hiseg_ros.classical.model_file import is_classical
from hiseg_ros.datasets import dataset_entry, mapping_of, open_dataset
from hiseg_ros.datasets.registry import Measure
from hiseg_ros.datasets.sample import SegmentationDataset
from hiseg_ros.datasets.true_signs import true_signs
from hiseg_ros.errors import ConfigError
from hiseg_ros.evaluation.boundary import BoundaryScores, Width
from hiseg_ros.evaluation.evaluate import evaluate_pixels, evaluate_signs
from hiseg_ros.evaluation.segmenter import Segmenter
from hiseg_ros.inference.engine import Engine
from hiseg_ros.postprocessing.crf import DenseCrf
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.training.comparison.box_scores import (
    BOXES_FOUND,
    PIXELS_IN_BOXES,
    evaluate_boxes,
)
from hiseg_ros.training.comparison.own_outputs import (
    OwnOutputs,
    has_outputs_for,
    has_own_labels,
)
from hiseg_ros.training.config.dataset import DatasetConfig

MIOU = 'mIoU'

SIGN_SCORES = (
    ('recall', 'sign recall'),
    ('found_with_right_type', 'found with right type'),
    ('precision', 'region precision'),
)
"""Keys of a summary of signs, and their titles."""

HEADLINES = (MIOU, *(title for _, title in SIGN_SCORES), BOXES_FOUND, PIXELS_IN_BOXES)
"""Scores of a whole test set; the others are those of single labels."""

ACCURACIES = {
    'mean_class_accuracy': 'mean class accuracy',
    'pixel_accuracy': 'pixel accuracy',
}
"""Keys of a summary of pixels that older tables have instead of an mIoU, and their titles."""


ALL_LABELS = 'all'
"""In place of names of labels: every label's own score is wanted."""


@dataclass(frozen=True)
class TestSet:
    """One test set of a comparison."""

    name: str
    kind: str
    dataset: SegmentationDataset
    options: dict[str, Any]
    """Arguments of the loader."""
    source: str = ''
    """Name of the dataset in the experiment."""


def open_test_sets(datasets: dict[str, DatasetConfig]) -> list[TestSet]:
    """Open the kept-out parts of all datasets, and the drives that training leaves out.

    Raises:
        DatasetError: A folder lacks something.
    """
    tests = []
    for name, config in datasets.items():
        entry = dataset_entry(config.kind)
        if not entry.kept_out:
            continue
        given = config.options
        kept = {key: given[key] for key in entry.kept_out_options if key in given}
        tests.append(open_test_set(name, name, config, {**entry.splits[entry.kept_out], **kept}))
        drives = given.get(entry.drives.leave_out) if entry.drives else None
        if entry.drives and drives:
            # The drives are left out of the split that is trained on, where they are by default.
            held_out = {'split': given.get('split', 'train'), entry.drives.keep: drives}
            tests.append(open_test_set(f'{name} held-out drive', name, config, held_out))
    return tests


def open_test_set(
    name: str, source: str, config: DatasetConfig, options: dict[str, Any]
) -> TestSet:
    """Open one test set of a dataset `source` of the experiment, with other loader options.

    Raises:
        DatasetError: The folder lacks something.
    """
    dataset = open_dataset(config.kind, config.root, options)
    return TestSet(name, config.kind, dataset, options, source)


def check_test_sets(
    tests: Sequence[TestSet], experiment: str, datasets: Mapping[str, DatasetConfig]
) -> None:
    """Check that there is something to measure on, before anything is trained.

    Args:
        tests: The test sets that were opened.
        experiment: Name of the experiment.
        datasets: Those of which they are parts.

    Raises:
        ConfigError: There is no test set.
    """
    if not tests:
        kinds = ', '.join(f'{name} ({config.kind})' for name, config in datasets.items())
        raise ConfigError(
            f'Experiment {experiment!r} has nothing to measure on, since no part of {kinds} is '
            'kept out of training; expected a dataset with one, such as camvid: name '
            'another experiment with --base.'
        )


def score_weights(
    weights: Path,
    tests: list[TestSet],
    *,
    limit: int = 0,
    device: str = 'auto',
    labels: Collection[str] = (),
    tree: str = '',
    boundary: Width | None = None,
    accuracies: bool = False,
    with_crf: bool = False,
) -> dict[str, float]:
    """Measure one network or classical method on every test set.

    Args:
        weights: Weights file.
        tests: Test sets.
        limit: Number of images of each test set, evenly spread; 0 takes all.
        device: Device of the engine.
        labels: Labels whose own score is wanted too, in lower case, those that a test set has; or
            ALL_LABELS.
        tree: Taxonomy on which a network without common classes is measured; each test set by the
            outputs of its own dataset, and those without outputs are left out.
        boundary: Tolerance of mean boundary F, if it is wanted for pixel labels.
        accuracies: Whether ACCURACIES are wanted too, for pixel labels.
        with_crf: Whether a dense CRF follows the network, for pixel labels.

    Returns:
        By 'test set: score', in [0, 1]: mIoU of the summed probabilities for pixel labels, and
        recall, type accuracy of found signs, both together and precision for boxes of signs; boxes
        found and labelled pixels in boxes for other boxes.
    """
    engine = opened(weights, device)
    crf = DenseCrf(engine.taxonomy) if with_crf else None
    scores: dict[str, float] = {}
    for test in tests:
        measured = _measured(engine, test, tree)
        if measured is None:
            continue
        count = min(limit or len(test.dataset), len(test.dataset))
        chosen = np.linspace(0, len(test.dataset) - 1, count).round().astype(int).tolist()
        indices = tqdm(chosen, f'measuring on {test.name}', unit='image', leave=False)
        measure = dataset_entry(test.kind).measure
        if measure is Measure.SIGNS:
            scores |= _sign_scores(measured, test, indices, labels)
        elif measure is Measure.BOXES:
            scores |= _box_scores(measured, test, indices, labels)
        else:
            scores |= _pixel_scores(measured, test, indices, labels, boundary, accuracies, crf)
    engine.close()
    return scores


def opened(path: Path, device: str = 'auto') -> Engine | ClassicalEngine:
    """Return the engine of a network or of a classical method; raise as they do."""
    return ClassicalEngine(path) if is_classical(path) else Engine(path, device=device)


def _measured(engine: Segmenter, test: TestSet, tree: str) -> Segmenter | None:
    """Return what is measured on a test set; None where the network has no outputs for it."""
    if not has_own_labels(engine):
        return engine
    taxonomy = load_taxonomy(tree)
    mapping = mapping_of(test.kind, taxonomy, test.options)
    if not has_outputs_for(engine, test.source, mapping):
        return None
    return OwnOutputs(engine, test.source, mapping, taxonomy)


def _is_wanted(label: str, labels: Collection[str]) -> bool:
    return labels == ALL_LABELS or label.lower() in labels


def _pixel_scores(
    engine: Segmenter,
    test: TestSet,
    indices: Iterable[int],
    labels: Collection[str],
    boundary: Width | None,
    accuracies: bool,
    crf: DenseCrf | None,
) -> dict[str, float]:
    mapping = mapping_of(test.kind, engine.taxonomy, test.options)
    samples = (test.dataset[index] for index in indices)
    pairs = ((sample.image, sample.label_ids) for sample in samples)
    edges = BoundaryScores(mapping, [boundary]) if boundary else None
    scores = evaluate_pixels(
        engine, pairs, mapping, boundary=edges, refine=crf.refine if crf else None
    )
    summary = scores['summed']
    others = {}
    if boundary:
        f = scores['boundary']['widths'][str(boundary)]['f']
        if not math.isnan(f):  # no boundary between two labels
            others[f'{test.name}: boundary F {boundary}'] = float(f)
    if accuracies:
        others |= {
            f'{test.name}: {title}': float(summary[key])
            for key, title in ACCURACIES.items()
            if not math.isnan(summary[key])
        }
    of_labels = {
        f'{test.name}: {name}': float(value)
        for name, value in summary['iou'].items()
        if _is_wanted(name, labels) and value is not None
    }
    return {f'{test.name}: {MIOU}': float(summary['miou']), **others, **of_labels}


def _sign_scores(
    engine: Segmenter, test: TestSet, indices: Iterable[int], labels: Collection[str]
) -> dict[str, float]:
    mapping = mapping_of(test.kind, engine.taxonomy, test.options)
    samples = (test.dataset[index] for index in indices)
    pairs = ((sample.image, true_signs(sample.boxes, mapping)) for sample in samples)
    # Networks of short runs are seldom sure of a type: what they take for the likeliest is
    # compared, not what a node would name.
    summary = evaluate_signs(engine, pairs, mapping, min_vote=0.0)
    of_types = {
        f'{test.name}: {name}': float(metrics['found_with_right_type'])
        for name, metrics in summary['by_type'].items()
        if labels == ALL_LABELS and metrics['found_with_right_type'] is not None
    }
    return {
        **{f'{test.name}: {title}': float(summary[key] or 0.0) for key, title in SIGN_SCORES},
        **of_types,
    }


def _box_scores(
    engine: Segmenter, test: TestSet, indices: Iterable[int], labels: Collection[str]
) -> dict[str, float]:
    mapping = mapping_of(test.kind, engine.taxonomy, test.options)
    samples = (test.dataset[index] for index in indices)
    pairs = ((sample.image, sample.boxes) for sample in samples)
    scores = evaluate_boxes(engine, pairs, mapping)
    headlines = (BOXES_FOUND, PIXELS_IN_BOXES)
    return {
        f'{test.name}: {name}': value
        for name, value in scores.items()
        if name in headlines or _is_wanted(name, labels)
    }
