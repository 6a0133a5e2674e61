# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg experiment`: comparisons that train and measure several networks."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hiseg_ros.cli.shared.training_packages import training_packages
from hiseg_ros.errors import ConfigError

if TYPE_CHECKING:
    from hiseg_ros.training.comparison.scores import TestSet
    from hiseg_ros.training.config.experiment import TrainingConfig
    from hiseg_ros.types import RgbImage

QUICK_STEPS = 300
"""Steps of each run with --quick: enough to order strides, too few to order neighbours."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        'name',
        choices=['heterogeneous', 'networks'],
        help='heterogeneous: flat, as published in 2018, set loss with either head, and each '
        'dataset alone; networks: every decoder of docs/networks.md, with its cost',
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
        help='experiment with network, datasets and budget: name in config/experiments or '
        'path (default: the name of the comparison; heterogeneous_drawn and networks_drawn need '
        'no downloads)',
    )
    parser.add_argument(
        '--seeds', type=int, help='training runs of each variant (default: 3; 1 with --quick)'
    )
    parser.add_argument(
        '--steps', type=int, default=0, help='steps of each run (default: those of the experiment)'
    )
    parser.add_argument(
        '--quick',
        action='store_true',
        help=f'networks: {QUICK_STEPS} steps, one seed, and the block of networks alone, unless '
        '--steps, --seeds or --only say otherwise',
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
    """Train, measure, and write tables and figures."""
    with training_packages():
        from hiseg_ros.training.config.experiment import load_training_config

    quick = options.quick
    if quick and options.name != 'networks':
        raise ConfigError(
            f'--quick was given with {options.name}; expected it with networks: use --steps and '
            '--seeds.'
        )
    if options.seeds is None:
        options.seeds = 1 if quick else 3
    for name in ('seeds', 'steps', 'limit'):
        if getattr(options, name) < (1 if name == 'seeds' else 0):
            raise ConfigError(f'--{name} is {getattr(options, name)}; expected a positive number.')
    base = load_training_config(options.base or options.name)
    base = base.with_paths(options.data, options.backbone_weights)
    steps = options.steps or (QUICK_STEPS if quick else base.steps)
    base = replace(base, steps=steps)
    {'heterogeneous': _heterogeneous, 'networks': _networks}[options.name](options, base)


def _trainer(options: argparse.Namespace) -> Callable[[TrainingConfig, Path], Path]:
    from hiseg_ros.training.run.train import train

    return lambda config, run_dir: train(config, run_dir, accelerator=options.accelerator)


def _heterogeneous(options: argparse.Namespace, base: TrainingConfig) -> None:
    """Compare ways to learn from several datasets."""
    with training_packages():
        from hiseg_ros.training.comparison import comparison
        from hiseg_ros.training.comparison import page as comparison_page
        from hiseg_ros.training.comparison import scores as comparison_scores

        train = _trainer(options)
    folder = options.output or Path('runs') / base.name
    tests = comparison_scores.open_test_sets(base.datasets)
    results = comparison.compare(
        base,
        range(1, options.seeds + 1),
        folder,
        train,
        lambda weights: comparison_scores.score_weights(weights, tests, limit=options.limit),
        options.only,
        measured_on=_measured_on(options),
    )
    known = comparison.variants(list(base.datasets))
    page = comparison_page.write_page(results, known, folder)
    print(comparison_page.table(results, known))
    print(f'written: {page}')


def _networks(options: argparse.Namespace, base: TrainingConfig) -> None:
    """Compare decoders, and measure what they cost."""
    from functools import partial

    with training_packages():
        from hiseg_ros.training.comparison import comparison, network_page, networks
        from hiseg_ros.training.comparison import scores as comparison_scores
        from hiseg_ros.training.comparison.costs import network_costs

        train = _trainer(options)
    folder = options.output or Path('runs') / base.name
    rows = networks.network_rows()
    comparison.check_names(options.only, [row.name for row in rows])
    if options.only:
        rows = [row for row in rows if row.name in options.only]
    elif options.quick:
        rows = [row for row in rows if row.block == networks.QUICK_BLOCK]
    rows, absent = networks.usable_rows(rows)
    for name, reason in absent.items():
        print(f'left out: {name}. {reason}')
    if not rows:
        raise ConfigError(
            f'None of the networks {sorted(absent)} can be built here; expected at least one: '
            'install the extra, or name others with --only.'
        )
    configs = {row.name: partial(networks.network_config, base, row) for row in rows}
    for configured in configs.values():
        configured(1)  # what a row cannot have is said before the first one is trained
    tests = comparison_scores.open_test_sets(base.datasets)
    results = comparison.train_and_score(
        configs,
        range(1, options.seeds + 1),
        folder,
        train,
        lambda weights: comparison_scores.score_weights(
            weights, tests, limit=options.limit, labels=networks.LABELS
        ),
        measured_on=_measured_on(options),
    )
    weights = {row.name: folder / f'{row.name}_1' / f'{row.name}.safetensors' for row in rows}
    costs = network_costs(weights)
    images = _one_image_by_all(weights, tests)
    page = network_page.write_page(results, rows, costs, absent, images, folder)
    print(network_page.tables(results, rows, costs))
    print(network_page.gaps(results, rows))
    print(f'written: {page}')


def _measured_on(options: argparse.Namespace) -> str:
    return f'{options.limit or "all"} images'


def _one_image_by_all(weights: dict[str, Path], tests: list[TestSet]) -> dict[str, RgbImage]:
    """Return the first image of the last test set, and the overlay of each network on it."""
    from hiseg_ros.inference.engine import Engine
    from hiseg_ros.visualization import overlay

    rgb = tests[-1].dataset[0].image
    images = {'image': rgb}
    for name, path in weights.items():
        engine = Engine(path)
        images[name] = overlay(rgb, engine.segment(rgb).labels, engine.taxonomy)
        engine.close()
    return images
