# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg adapt`: adapt weights to recordings without labels."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hiseg_ros.cli.shared.numbers import positive, positive_integer
from hiseg_ros.cli.shared.training_packages import training_packages
from hiseg_ros.errors import ConfigError
from hiseg_ros.resources import cache_folder, default_model

if TYPE_CHECKING:
    from hiseg_ros.adapt.adapt import Outcome, Request
    from hiseg_ros.adapt.source_set import SourceSet
    from hiseg_ros.retrieval.sources import Source

REFUSED = 4
"""Exit code where the adapted weights are worse, and the old ones stay."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        'recordings',
        nargs='+',
        type=Path,
        metavar='BAG|FOLDER|VIDEO',
        help='recordings of the target: bags, folders of images, video files; no labels are read',
    )
    parser.add_argument(
        '--output',
        type=Path,
        required=True,
        metavar='FILE.safetensors',
        help='weights to write; a card (.md), a page with before and after (.html) and a folder '
        'of finished parts (.adapt) lie beside them. The same command goes on after a stop',
    )
    parser.add_argument(
        '--model',
        type=Path,
        metavar='FILE',
        help='weights to start from (default: the shipped ones)',
    )
    parser.add_argument(
        '--minutes',
        type=positive,
        default=60.0,
        metavar='N',
        help='time for everything together (default: %(default)g)',
    )
    parser.add_argument(
        '--frames',
        type=positive_integer,
        default=200,
        metavar='N',
        help='most images to learn from, chosen for their spread in time and appearance '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--source',
        type=Path,
        metavar='DIR',
        help='folder of a labelled dataset to keep hold of, named by --dataset (default: street '
        'scenes that this program draws)',
    )
    parser.add_argument(
        '--dataset', metavar='KIND', help="with --source: kind of the dataset, such as 'camvid'"
    )
    parser.add_argument('--topic', help='camera topic of the bags (default: the best camera)')
    parser.add_argument(
        '--device', default='auto', choices=['auto', 'cpu', 'cuda'], help='where to train'
    )
    parser.add_argument(
        '--seed', type=positive_integer, default=1, help='of all draws (default: %(default)s)'
    )
    parser.add_argument(
        '--cache',
        type=Path,
        metavar='DIR',
        help='where drawn scenes and features of images are kept (default: ~/.cache/hiseg_ros)',
    )


def run(options: argparse.Namespace) -> int:
    """Adapt, and say what came of it; return 0, or REFUSED where the old weights stay."""
    import warnings

    model = options.model or default_model()
    if options.output.suffix != '.safetensors':
        raise ConfigError(
            f'--output is {options.output}; expected a name that ends in .safetensors.'
        )
    with training_packages():
        from hiseg_ros.adapt.adapt import Request, adapt
        from hiseg_ros.adapt.recordings import open_recording
    # The trainer's advice to its programmers: nothing that a user could act on.
    warnings.filterwarnings('ignore', module=r'lightning\.')
    recordings = [open_recording(path, options.topic) for path in options.recordings]
    for recording in recordings:
        if recording.note:
            print(recording.note)
    request = Request(
        recordings,
        model,
        options.output,
        _source_set(options),
        options.minutes,
        options.frames,
        options.device,
        options.seed,
        options.cache and options.cache / 'retrieval',
    )
    return _told(request, adapt(request, lambda text: print(text, flush=True)), recordings)


def _source_set(options: argparse.Namespace) -> SourceSet:
    """Return the labelled source.

    Raises:
        ConfigError: Only one of --source and --dataset is given, or the dataset is none to use.
    """
    from hiseg_ros.adapt.source_set import dataset_source, drawn_source

    if bool(options.source) != bool(options.dataset):
        raise ConfigError(
            '--source and --dataset belong together; expected a folder and its kind, such as '
            '--source DIR/camvid --dataset camvid, or neither for drawn scenes.'
        )
    if options.source:
        return dataset_source(options.dataset, options.source)
    return drawn_source(options.cache or cache_folder())


def _told(request: Request, outcome: Outcome, recordings: list[Source]) -> int:
    """Print the outcome and return the exit code."""
    from hiseg_ros.adapt.card import figure_rows

    for what, old, new in figure_rows(outcome.before, outcome.after):
        print(f'{what}: {old or "-"} before, {new} after')
    for damage in dict.fromkeys(damage for one in recordings for damage in one.damages):
        print(f'Damage in {damage}')
    print(f'page: {outcome.page}')
    if outcome.objections:
        print('The adapted weights are refused, since they are worse than the old ones:')
        for one in outcome.objections:
            print(f'  {one}')
        print(f'{request.output} has the old weights; the adapted ones are {outcome.weights}')
        return REFUSED
    print(f'weights: {outcome.weights}')
    return 0
