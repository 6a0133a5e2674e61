# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg experiment`: comparisons that train and measure several networks."""

from __future__ import annotations

import argparse
from pathlib import Path

from hiseg_ros.cli.shared.training_packages import training_packages
from hiseg_ros.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        'name',
        choices=['heterogeneous'],
        help='heterogeneous: flat, as published in 2018, set loss with either head, and each '
        'dataset alone',
    )
    parser.add_argument(
        '--data',
        type=Path,
        default=Path(),
        metavar='DIR',
        help='folder of the datasets with relative paths (default: current folder)',
    )
    parser.add_argument(
        '--base',
        default='heterogeneous',
        help='experiment with network, datasets and budget: name in config/experiments or '
        'path (default: heterogeneous; heterogeneous_drawn needs no downloads)',
    )
    parser.add_argument('--seeds', type=int, default=3, help='training runs of each variant')
    parser.add_argument(
        '--steps', type=int, default=0, help='steps of each run (default: those of the experiment)'
    )
    parser.add_argument(
        '--limit',
        type=int,
        default=0,
        help='images of each test set, spread evenly (default: all)',
    )
    parser.add_argument(
        '--only',
        action='append',
        default=[],
        metavar='VARIANT',
        help='run only this variant; may be given several times',
    )
    parser.add_argument(
        '--output',
        type=Path,
        help='folder of the runs (default runs/<base>); resumed if it exists',
    )
    parser.add_argument(
        '--accelerator', default='auto', choices=['auto', 'cpu', 'gpu'], help='where to train'
    )
    parser.add_argument('--backbone-weights', metavar='FILE', help='as in `hiseg train`')


def run(options: argparse.Namespace) -> None:
    """Train, measure, and write a table and a figure."""
    from dataclasses import replace

    with training_packages():
        from hiseg_ros.training.config.experiment import load_training_config

    for name in ('seeds', 'steps', 'limit'):
        if getattr(options, name) < (1 if name == 'seeds' else 0):
            raise ConfigError(f'--{name} is {getattr(options, name)}; expected a positive number.')
    base = load_training_config(options.base)
    base = base.with_paths(options.data, options.backbone_weights)
    base = replace(base, steps=options.steps or base.steps)
    with training_packages():
        from hiseg_ros.training.comparison import comparison
        from hiseg_ros.training.comparison import page as comparison_page
        from hiseg_ros.training.comparison import scores as comparison_scores
        from hiseg_ros.training.run.train import train
    folder = options.output or Path('runs') / base.name
    tests = comparison_scores.open_test_sets(base.datasets)
    results = comparison.compare(
        base,
        range(1, options.seeds + 1),
        folder,
        lambda config, run_dir: train(config, run_dir, accelerator=options.accelerator),
        lambda weights: comparison_scores.score_weights(weights, tests, limit=options.limit),
        options.only,
        measured_on=f'{options.limit or "all"} images',
    )
    known = comparison.variants(list(base.datasets))
    page = comparison_page.write_page(results, known, folder)
    print(comparison_page.table(results, known))
    print(f'written: {page}')
