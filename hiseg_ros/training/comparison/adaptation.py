# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The comparison of adaptation methods: which runs, on which test sets, and its page."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from hiseg_ros.datasets import dataset_entry, mapping_of, open_dataset
from hiseg_ros.errors import CheckpointError, ConfigError
from hiseg_ros.model.checkpoint import load_checkpoint
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.training.comparison import adaptation_page
from hiseg_ros.training.comparison.adaptation_answers import answers
from hiseg_ros.training.comparison.adaptation_rows import (
    SWEEP,
    adaptation_rows,
    row_config,
    source_and_target,
)
from hiseg_ros.training.comparison.adaptation_scores import (
    Tests,
    common_labels,
    score_adapted,
    source_shares,
)
from hiseg_ros.training.comparison.comparison import (
    Result,
    Trainer,
    check_names,
    train_and_score,
    with_earlier_calls,
    write_results,
)
from hiseg_ros.training.comparison.scores import TestSet, check_test_sets, open_test_sets
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.run.run_folder import METRICS


def open_tests(base: TrainingConfig) -> Tests:
    """Open the test sets: the source's held-out scenes, and the kept-out parts of the target.

    Raises:
        ConfigError: The base is none of this comparison, or has nothing to measure on.
        DatasetError: A folder lacks something.
    """
    source, target = source_and_target(base)
    targets = open_test_sets({target: base.datasets[target]})
    check_test_sets(targets, base.name, {target: base.datasets[target]})
    config = base.datasets[source]
    splits = dataset_entry(config.kind).splits
    if 'val' not in splits:
        raise ConfigError(
            f'The source {source} of experiment {base.name!r} is of the kind {config.kind!r}, '
            'which has no split val; expected one with held-out scenes, such as drawn: name '
            'another experiment with --base.'
        )
    options = dict(splits['val'])
    scenes = open_dataset(config.kind, config.root, options)
    return Tests(TestSet(f'{source} held-out', config.kind, scenes, options, source), targets)


def compare(
    base: TrainingConfig,
    only: Sequence[str],
    seeds: int,
    folder: Path,
    train: Trainer,
    limit: int = 0,
) -> tuple[Path, str]:
    """Train and score all rows; what is done is not repeated.

    The page has the rows and seeds that other calls left in the folder with the same settings too.

    The weights of the adversarial loss are tried on the first seed. The other seeds have the one
    that is best on the source's held-out scenes.

    Args:
        base: Network, budget, source, target.
        only: Rows to train; empty for all.
        seeds: Runs of each row.
        folder: Gets a run folder for each run, results.json and comparison.md.
        train: Trains in a run folder.
        limit: Images of each test set; 0 takes all.

    Returns:
        The page, and what is to be printed.

    Raises:
        HisegError: A row does not exist, or as training does.
    """
    known = adaptation_rows()
    check_names(only, [row.name for row in known])
    rows = [row for row in known if not only or row.name in only]
    configs = {row.name: partial(row_config, base, row) for row in known}
    for row in rows:
        configs[row.name](1)  # what a row cannot have is said before the first one is trained
    tests = open_tests(base)
    measured_on = f'{limit or "all"} images'
    score = partial(score_adapted, tests=tests, limit=limit)

    def run(names: Sequence[str], numbers: Sequence[int]) -> list[Result]:
        chosen = {name: configs[name] for name in names}
        return train_and_score(chosen, numbers, folder, train, score, measured_on=measured_on)

    results = run([row.name for row in rows], [1])
    results = with_earlier_calls(results, configs, folder, measured_on)
    single = adaptation_page.chosen_weight(results, tests.source.name)
    main = [row.name for row in rows if row.name not in SWEEP or row.name == single]
    if seeds > 1:
        results += run(main, range(2, seeds + 1))
        results = with_earlier_calls(results, configs, folder, measured_on)
    write_results(results, folder)
    rows = [row for row in known if any(one.variant == row.name for one in results)]
    ended = {
        (one.variant, one.seed): why
        for one in results
        if (why := ended_early(_weights(folder, one)))
    }
    facts = _facts(base, tests, folder, measured_on, ended)
    page = adaptation_page.write_page(results, rows, facts, single, folder)
    said = [
        adaptation_page.main_table(results, rows, facts),
        answers(results, rows, facts.targets, single),
    ]
    return page, '\n\n'.join(said)


def _facts(
    base: TrainingConfig,
    tests: Tests,
    folder: Path,
    measured_on: str,
    ended: Mapping[tuple[str, int], str],
) -> adaptation_page.Facts:
    first = tests.targets[0]
    taxonomy = load_taxonomy(base.taxonomy)
    mapping = mapping_of(first.kind, taxonomy, first.options)
    losses = {name: discriminator_loss(folder / f'{name}_1') for name in SWEEP}
    return adaptation_page.Facts(
        tests.source.name,
        [test.name for test in tests.targets],
        [label.name for label in mapping.evaluated_labels],
        common_labels(taxonomy, tests),
        measured_on,
        base.steps,
        {name: loss for name, loss in losses.items() if loss is not None},
        source_shares(base.datasets[source_and_target(base)[0]], mapping, taxonomy),
        ended,
    )


def _weights(folder: Path, result: Result) -> Path:
    """Return the weights file of a run."""
    return folder / f'{result.variant}_{result.seed}' / f'{result.variant}.safetensors'


def ended_early(weights: Path) -> str:
    """Return why a run ended before its last step, from its card; empty where it did not."""
    try:
        card = load_checkpoint(weights).card
    except CheckpointError:  # removed since it was measured
        return ''
    adaptation = card.get('adaptation')
    return str(adaptation.get('ended_early', '')) if isinstance(adaptation, dict) else ''


def discriminator_loss(run_dir: Path) -> float | None:
    """Return the last logged loss of a run's discriminator; None where there is none."""
    path = run_dir / METRICS
    if not path.is_file():
        return None
    with path.open(newline='') as file:
        found = [row.get('discriminator_main') for row in csv.DictReader(file)]
    values = [value for value in found if value]
    return float(values[-1]) if values else None
