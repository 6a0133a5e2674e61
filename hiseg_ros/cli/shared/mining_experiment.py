# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg experiment mining`: training on mined images against training on random ones."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hiseg_ros.cli.shared.training_packages import training_packages
from hiseg_ros.errors import ConfigError

if TYPE_CHECKING:
    from hiseg_ros.training.comparison.comparison import Trainer
    from hiseg_ros.training.config.experiment import TrainingConfig


def run_mining(options: argparse.Namespace, base: TrainingConfig, train: Trainer) -> None:
    """Train, mine, train again, measure, and write the page.

    Args:
        options: Of the verb.
        base: Network, dataset and budget of steps that all runs share.
        train: Trains in a run folder and returns the weights file.

    Raises:
        ConfigError: The options do not fit, or the folder has results of other settings.
    """
    with training_packages():
        from hiseg_ros.training.comparison import mined_images, mining_page
        from hiseg_ros.training.comparison import scores as comparison_scores

    if options.only:
        raise ConfigError(
            '--only was given with mining; expected it with another comparison: every run of '
            'mining is compared with the others.'
        )
    folder = options.output or Path('runs') / base.name
    pool = mined_images.open_pool(base, options.budgets or mined_images.BUDGETS)
    tests = comparison_scores.open_test_sets(base.datasets)
    results, rounds = mined_images.compare(
        pool,
        range(1, options.seeds + 1),
        folder,
        train,
        lambda weights: comparison_scores.score_weights(
            weights, tests, limit=options.limit, labels=mined_images.LABELS
        ),
        f'{options.limit or "all"} images',
        'cpu' if options.accelerator == 'cpu' else 'auto',
    )
    settings = (
        f'{len(pool.names)} images of {pool.dataset_name} as the pool, {base.steps} steps each, '
        f'{options.seeds} seed{"s" if options.seeds > 1 else ""}; measured on '
        f'{options.limit or "all"} images of each test set. Every run begins with the same '
        f'{pool.start_size} random images of its seed, on which the network that mines was '
        'trained. Scores are means ± standard deviations over the seeds in percent.'
    )
    page = mining_page.write_page(results, rounds, pool.budgets, settings, folder)
    print(mining_page.table(results, pool.budgets))
    print(mining_page.findings(results, pool.budgets))
    print(f'written: {page}')
