# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg train`: train a network, or a classical method, from an experiment file."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from hiseg_ros.cli.shared.training_packages import training_packages
from hiseg_ros.errors import ConfigError
from hiseg_ros.model.decoders.checks import check_exportable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument('experiment', help='name in config/experiments or path of a YAML file')
    parser.add_argument(
        '--output', type=Path, help='run folder (default runs/<name>); a run in it is resumed'
    )
    parser.add_argument(
        '--data',
        type=Path,
        default=Path(),
        metavar='DIR',
        help='folder of the datasets with relative paths (default: current folder)',
    )
    parser.add_argument(
        '--accelerator', default='auto', choices=['auto', 'cpu', 'gpu'], help='where to train'
    )
    parser.add_argument(
        '--force-config',
        action='store_true',
        help='resume a run although its settings were others',
    )
    parser.add_argument(
        '--exportable',
        action='store_true',
        help='refuse a network that `hiseg export` cannot write, before training it',
    )
    parser.add_argument(
        '--backbone-weights',
        metavar='FILE',
        help="file with the backbone's weights in timm's names, instead of downloading those that "
        'the experiment names',
    )


def run(options: argparse.Namespace) -> None:
    """Train and print the path of the weights."""
    import warnings

    with training_packages():
        from hiseg_ros.training.config.classical import is_classical_experiment
        from hiseg_ros.training.config.experiment import load_training_config

    if is_classical_experiment(options.experiment):
        _train_classical(options)
        return
    config = load_training_config(options.experiment)  # errors come before the slow imports
    if options.exportable:
        check_exportable(config.network.decoder, config.network.decoder_options)
    with training_packages():
        from hiseg_ros.training.run.train import train
    # The trainer's advice to its programmers: nothing that a user could act on.
    warnings.filterwarnings('ignore', module=r'lightning\.')
    config = config.with_paths(options.data, options.backbone_weights)
    run_dir = options.output or Path('runs') / config.name
    weights = train(
        config, run_dir, accelerator=options.accelerator, force_config=options.force_config
    )
    if os.environ.get('RANK', os.environ.get('SLURM_PROCID', '0')) == '0':
        print(f'weights: {weights}')


def _train_classical(options: argparse.Namespace) -> None:
    """Train a classical method and print the path of its file."""
    from hiseg_ros.training.classical.train import train_classical
    from hiseg_ros.training.config.classical import load_classical_config

    wrong = {
        '--accelerator gpu': options.accelerator == 'gpu',
        '--exportable': options.exportable,
        '--backbone-weights': options.backbone_weights is not None,
    }
    for option, is_given in wrong.items():
        if is_given:
            raise ConfigError(
                f'{option} is given for {options.experiment}, a classical method, which is '
                'trained on the CPU and cannot be exported; expected a network: leave it out.'
            )
    config = load_classical_config(options.experiment).with_paths(options.data)
    run_dir = options.output or Path('runs') / config.name
    print(f'weights: {train_classical(config, run_dir, force_config=options.force_config)}')
