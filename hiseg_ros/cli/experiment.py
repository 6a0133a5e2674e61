# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg experiment`: comparisons that train and measure several networks."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiseg_ros.cli.shared.compare_networks import compare_networks
from hiseg_ros.cli.shared.mining_experiment import run_mining
from hiseg_ros.cli.shared.numbers import positive_integer
from hiseg_ros.cli.shared.training_packages import training_packages
from hiseg_ros.errors import ConfigError

if TYPE_CHECKING:
    from hiseg_ros.training.config.experiment import TrainingConfig
    from hiseg_ros.types import RgbImage

HETEROGENEOUS = 'heterogeneous'

IMAGENET = 'imagenet'
"""Backbone weights that are no file."""

ADAPTATION = 'adaptation'

MINING = 'mining'

SEEDS = {HETEROGENEOUS: 2, 'networks': 3, 'context': 3, ADAPTATION: 3, MINING: 3}

QUICK_STEPS = {HETEROGENEOUS: 60, 'networks': 300, 'context': 300, ADAPTATION: 300, MINING: 60}
"""Steps of each run with --quick: of networks enough to order strides, too few to order
neighbours; of joint training and of mining enough to see every part of the page."""

QUICK_LIMIT = {HETEROGENEOUS: 10, 'context': 25, MINING: 10}
"""Images of each test set with --quick."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        'name',
        choices=list(SEEDS),
        help='heterogeneous: joint training in several ways against each dataset alone; networks: '
        'every decoder of docs/networks.md, with its cost, and classical methods; context: '
        'training with and without removed objects, see docs/context.md; adaptation: from drawn '
        'scenes to pictures without labels by every method of docs/adaptation.md; mining: images '
        'that a network chose against random ones',
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
        'path (default: the name of the comparison; those that end in _drawn need no downloads)',
    )
    parser.add_argument(
        '--seeds',
        type=int,
        help='training runs of each variant (default: heterogeneous 2, the others 3, --quick 1)',
    )
    parser.add_argument(
        '--steps', type=int, default=0, help='steps of each run (default: those of the experiment)'
    )
    parser.add_argument(
        '--quick',
        action='store_true',
        help=f'one seed; networks: {QUICK_STEPS["networks"]} steps, and the block of networks '
        f'alone; heterogeneous: {QUICK_STEPS[HETEROGENEOUS]} steps, '
        f'{QUICK_LIMIT[HETEROGENEOUS]} images; context: {QUICK_STEPS["context"]} steps, '
        f'{QUICK_LIMIT["context"]} images; adaptation: {QUICK_STEPS[ADAPTATION]} steps, five '
        f'rows; mining: {QUICK_STEPS[MINING]} steps, {QUICK_LIMIT[MINING]} images; unless '
        '--steps, --seeds, --limit or --only say otherwise',
    )
    parser.add_argument(
        '--classical',
        action='store_true',
        help='networks: with --quick, the block of classical methods too',
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
        '--factor',
        action='append',
        default=[],
        metavar='VARIANT=F',
        help='heterogeneous: F times the steps for this variant (default: iv2018=2); may be given '
        'several times',
    )
    parser.add_argument(
        '--budgets',
        nargs='+',
        type=positive_integer,
        metavar='N',
        help='mining: numbers of labelled images, ascending; half of the smallest is what every '
        'run begins with (default: 40 80)',
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
    if options.factor and options.name != HETEROGENEOUS:
        raise ConfigError(
            f'--factor was given with {options.name}; expected it with {HETEROGENEOUS}: use '
            '--steps.'
        )
    if options.classical and options.name != 'networks':
        raise ConfigError(
            f'--classical was given with {options.name}; expected it with networks: leave it out.'
        )
    if options.budgets and options.name != MINING:
        raise ConfigError(
            f'--budgets was given with {options.name}; expected it with {MINING} only.'
        )
    if options.seeds is None:
        options.seeds = 1 if quick else SEEDS[options.name]
    if quick and options.name in QUICK_LIMIT:
        options.limit = options.limit or QUICK_LIMIT[options.name]
    for name in ('seeds', 'steps', 'limit'):
        if getattr(options, name) < (1 if name == 'seeds' else 0):
            raise ConfigError(f'--{name} is {getattr(options, name)}; expected a positive number.')
    base = load_training_config(options.base or options.name)
    base = base.with_paths(options.data, options.backbone_weights)
    steps = options.steps or (QUICK_STEPS[options.name] if quick else base.steps)
    warmup = base.warmup_steps
    # Warm-ups of stored runs of networks stay as they were.
    if options.name != 'networks' or steps <= warmup:
        warmup = min(warmup, warmup * steps // base.steps)
    base = replace(base, steps=steps, warmup_steps=warmup)
    base, start = _with_start(base, options.backbone_weights)
    if options.name == 'networks':
        compare_networks(options, base, _trainer(options), _measured_on(options), start)
    elif options.name == MINING:
        run_mining(options, base, _trainer(options))
    elif options.name == HETEROGENEOUS:
        _heterogeneous(options, base, start)
    else:
        compare = {'context': _context, ADAPTATION: _adaptation}
        compare[options.name](options, base)


def _trainer(options: argparse.Namespace) -> Callable[[Any, Path], Path]:
    from hiseg_ros.training.classical.train import train_classical
    from hiseg_ros.training.config.classical import ClassicalConfig
    from hiseg_ros.training.run.train import train

    def trained(config: Any, run_dir: Path) -> Path:
        if isinstance(config, ClassicalConfig):
            return train_classical(config, run_dir)
        return train(config, run_dir, accelerator=options.accelerator)

    return trained


def _heterogeneous(options: argparse.Namespace, base: TrainingConfig, start: str) -> None:
    """Compare joint with separate training on several datasets.

    Args:
        options: Of the verb.
        base: The experiment.
        start: What its backbone starts from, in words.
    """
    with training_packages():
        from hiseg_ros.training.comparison import comparison, heterogeneous_page, rows
        from hiseg_ros.training.comparison import scores as comparison_scores

        train = _trainer(options)
    folder = options.output or Path('runs') / base.name
    known = rows.comparison_rows(base, _factors(options.factor))
    rows.check_rows(options.only, known)
    tests = comparison_scores.open_test_sets(base.datasets)
    comparison_scores.check_test_sets(tests, base.name, base.datasets)
    configs = rows.configs_of(base, known, folder / 'trees')
    results = comparison.train_and_score(
        configs,
        range(1, options.seeds + 1),
        folder,
        train,
        lambda weights: comparison_scores.score_weights(
            weights,
            tests,
            limit=options.limit,
            labels=comparison_scores.ALL_LABELS,
            tree=base.taxonomy,
        ),
        options.only,
        measured_on=_measured_on(options),
    )
    results = comparison.with_earlier_calls(results, configs, folder, _measured_on(options))
    comparison.write_results(results, folder)
    trained = [row for row in known if any(one.variant == row.name for one in results)]
    facts = heterogeneous_page.Facts(
        known,
        list(base.datasets),
        {row.name: rows.exposure(configs[row.name](1)) for row in trained},
        {row.name: _parameters(folder, row.name) for row in trained},
        {test.name: test.source for test in tests},
        _measured_on(options),
        start,
    )
    page = heterogeneous_page.write_page(results, facts, folder)
    print(heterogeneous_page.scores_table(results, facts))
    print(heterogeneous_page.answers(results, facts))
    print(f'written: {page}')


def _with_start(base: TrainingConfig, given: str | None) -> tuple[TrainingConfig, str]:
    """Return the experiment, and in words what its backbone starts from.

    The experiment's own file of weights may be missing: then it starts from random numbers, and a
    sentence says so. A file that was asked for is taken as it is. Without the file of its teacher
    there are no rows with one, which a sentence says too.
    """
    if base.teacher and not Path(base.teacher.weights).is_file():
        print(
            f'No row has a teacher, since {base.teacher.weights} does not exist; expected the '
            'weights that the experiment names: put them there.'
        )
        base = replace(base, teacher=None)
    weights = base.backbone_weights
    if weights and not given and weights != IMAGENET and not Path(weights).is_file():
        print(
            'The backbone starts from random numbers, and learns at the full rate, since '
            f'{weights} does not exist; expected the weights that the experiment names: put them '
            'there, or name others with --backbone-weights.'
        )
        return base.from_random_numbers(), 'random numbers'
    return base, Path(weights).name if weights else 'random numbers'


def _factors(given: Sequence[str]) -> dict[str, float]:
    """Return the factors on the steps by row.

    Raises:
        ConfigError: A text is not a row and a number.
    """
    factors = {}
    for text in given:
        name, _, value = text.partition('=')
        try:
            factors[name] = float(value)
        except ValueError as problem:
            raise ConfigError(
                f'--factor is {text!r}; expected a variant and a number, such as iv2018=3.'
            ) from problem
    return factors


def _parameters(folder: Path, name: str) -> int:
    """Return the number of parameters of a row's network."""
    from hiseg_ros.model.checkpoint import load_checkpoint

    weights = folder / f'{name}_1' / f'{name}.safetensors'
    return sum(parameter.numel() for parameter in load_checkpoint(weights).build().parameters())


def _context(options: argparse.Namespace, base: TrainingConfig) -> None:
    """Compare training with and without removed objects."""
    from functools import partial

    with training_packages():
        from hiseg_ros.training.comparison import comparison, context, context_page, scores

        train = _trainer(options)
    folder = options.output or Path('runs') / base.name
    rows = context.context_rows(base)
    comparison.check_names(options.only, [row.name for row in rows])
    if options.only:
        rows = [row for row in rows if row.name in options.only]
    tests = context.context_test_sets(base.datasets)
    scores.check_test_sets(tests, base.name, base.datasets)
    results = comparison.train_and_score(
        {row.name: partial(context.context_config, base, row) for row in rows},
        range(1, options.seeds + 1),
        folder,
        train,
        lambda weights: context.score_context(weights, tests, options.limit),
        measured_on=_measured_on(options),
    )
    weights = {row.name: folder / f'{row.name}_1' / f'{row.name}.safetensors' for row in rows}
    pair = context.one_removal(tests, next(iter(weights.values())))
    images = {} if pair is None else _pair_by_all(weights, *pair)
    page = context_page.write_page(results, rows, images, folder)
    print(context_page.scores_table(results, rows))
    print(context_page.answers(results))
    print(f'written: {page}')


def _pair_by_all(
    weights: dict[str, Path], rgb: RgbImage, without: RgbImage, label: str
) -> dict[str, RgbImage]:
    """Return an image with and without the objects of a label, and their overlays by networks."""
    from hiseg_ros.inference.engine import Engine
    from hiseg_ros.visualization import overlay

    images = {'image': rgb, f'without {label}': without}
    for name, path in weights.items():
        engine = Engine(path)
        for title, one in (('', rgb), (f', without {label}', without)):
            images[name + title] = overlay(one, engine.segment(one).labels, engine.taxonomy)
        engine.close()
    return images


def _adaptation(options: argparse.Namespace, base: TrainingConfig) -> None:
    """Compare methods of adaptation from a labelled source to an unlabelled target."""
    with training_packages():
        from hiseg_ros.training.comparison import adaptation
        from hiseg_ros.training.comparison.adaptation_rows import QUICK_ROWS

        train = _trainer(options)
    only = options.only or (QUICK_ROWS if options.quick else ())
    folder = options.output or Path('runs') / base.name
    page, said = adaptation.compare(base, only, options.seeds, folder, train, options.limit)
    print(said)
    print(f'written: {page}')


def _measured_on(options: argparse.Namespace) -> str:
    return f'{options.limit or "all"} images'
