# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg benchmark`: latency, memory and agreement with the reference, by backend and size."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from hiseg_ros.benchmark import everything
from hiseg_ros.cli.shared.numbers import image_size, input_height, non_negative_integer
from hiseg_ros.datasets.registry import DATASETS, Measure, names_measured_by
from hiseg_ros.errors import ConfigError
from hiseg_ros.types import ImageSize

CHOICES = 'eager,onnx_runtime,openvino,openvino:bfloat16'
DEFAULTS = {'size': '512x1024', 'backend': CHOICES, 'cameras': '1'}
PROFILED = 'openvino:auto'
PEERS = 'openvino,openvino:int8'
MESSAGES = 'auto:auto'
RATES = '10,30,60'
DATASETS_WITH_MIOU = tuple(
    name for name in names_measured_by(Measure.PIXELS) if DATASETS[name].kept_out
)
RESULTS = 'labels,confidence'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument('--model', type=Path, help='model file (default: the shipped network)')
    parser.add_argument(
        '--size',
        metavar='HxW,...',
        help=f'sizes of the camera image (default: {DEFAULTS["size"]}; with --everything '
        f'{everything.SIZES})',
    )
    parser.add_argument(
        '--backend',
        metavar='NAME[:PRECISION],...',
        help='backends with their precisions (float32 where none is named); "auto:auto" is the '
        f"node's default (default: {CHOICES}; with --profile and --subtree {PROFILED}; with "
        f'--peers {PEERS}; with --messages {MESSAGES}; with --everything all of torch)',
    )
    parser.add_argument('--device', default='auto', help="'auto', 'cpu', 'cuda' or 'cuda:N'")
    parser.add_argument(
        '--input-height',
        type=input_height,
        default=0,
        metavar='PX',
        help="shorter side of the network's input (default: the weights' rule); labels are still "
        "compared with those of the reference at its own; with --ros also 'auto', the node's "
        'default',
    )
    parser.add_argument(
        '--cameras',
        metavar='N,...',
        help='images that arrive together; they run as a batch where that is faster (default: '
        f'{DEFAULTS["cameras"]}; with --everything {everything.CAMERAS})',
    )
    parser.add_argument(
        '--frames', type=int, default=50, metavar='N', help='timed frames (default: %(default)s)'
    )
    parser.add_argument(
        '--warm-up',
        type=int,
        default=10,
        metavar='N',
        help='frames before the timed ones (default: %(default)s)',
    )
    parser.add_argument(
        '--dataset',
        choices=DATASETS_WITH_MIOU,
        help='also measure the mIoU on this dataset, below --root',
    )
    parser.add_argument('--root', type=Path, help='folder of the dataset')
    parser.add_argument(
        '--limit',
        type=non_negative_integer,
        default=0,
        metavar='N',
        help='images of the dataset (0: all)',
    )
    parser.add_argument(
        '--ros',
        action='store_true',
        help='measure the node in a private ROS graph instead: sustained rate, latency, loss',
    )
    parser.add_argument(
        '--profile',
        action='store_true',
        help="measure the time of each kind of layer instead, by OpenVINO's counters",
    )
    parser.add_argument(
        '--peers',
        type=Path,
        metavar='DIR',
        help='measure the ONNX files of a folder instead, each in turns with our network: same '
        'runtime, same input, as ratios',
    )
    parser.add_argument(
        '--subtree',
        type=int,
        metavar='N',
        help='measure instead what N more classes cost: in a subtree below a rare node, and in '
        'one softmax over all classes; OpenVINO alone',
    )
    parser.add_argument(
        '--messages',
        action='store_true',
        help='measure the time of building the messages of a frame instead, by kind',
    )
    parser.add_argument(
        '--everything',
        action='store_true',
        help='measure everything in one call: the backends of torch with the shipped network and '
        'a large one, their distance from the peak of the device, and the node; the files are '
        'written after each step, and it ends after --minutes',
    )
    parser.add_argument(
        '--minutes',
        type=float,
        metavar='N',
        help='--everything: time for it all; what matters most comes first, and what is not '
        f'reached becomes a row that says so (default: {everything.MINUTES:g}; 0: as long as it '
        'takes)',
    )
    parser.add_argument(
        '--experiment',
        default=everything.EXPERIMENT,
        metavar='NAME',
        help='--everything: experiment whose untrained network is the large one '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--rates',
        default=RATES,
        metavar='HZ,...',
        help='--ros: camera rates at which latency is measured (default: %(default)s)',
    )
    parser.add_argument(
        '--seconds',
        type=float,
        default=10.0,
        metavar='S',
        help='--ros: length of each run (default: %(default)s)',
    )
    parser.add_argument(
        '--results',
        default=RESULTS,
        metavar='TOPIC,...',
        help='--ros: outputs to subscribe to, such as overlay/image, traffic_signs and '
        'level_3/probabilities '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--parameter',
        action='append',
        default=[],
        metavar='NAME:=VALUE',
        help='--ros: a parameter of the node, such as overlap:=false; may be repeated',
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the results as JSON')
    parser.add_argument(
        '--markdown', type=Path, metavar='FILE', help='also write the tables to this file'
    )


def run(options: argparse.Namespace) -> None:
    """Measure, print the tables, and write the files."""
    from hiseg_ros.benchmark.machine import describe_machine
    from hiseg_ros.benchmark.page import markdown
    from hiseg_ros.cli.shared import measurements

    fill_in(options)
    check(options)
    result: dict[str, Any] = {
        'command': command_line(options),
        'machine': describe_machine(),
    }

    def keep(found: dict[str, Any]) -> None:
        result.update(found)
        write(options.json, json.dumps(result, indent=1) + '\n')
        write(options.markdown, markdown(result))

    if options.everything:
        keep(measurements.everything(options, keep))
    elif options.subtree:
        keep({'subtree': measurements.subtrees(options)})
    elif options.profile:
        keep({'profile': measurements.profiles(options)})
    elif options.messages:
        keep({'messages': measurements.message_rows(options)})
    elif options.peers:
        keep({'peers': measurements.peers(options)})
    elif options.ros:
        keep({'graph': measurements.node(options)})
    else:
        keep({'engines': measurements.engines(options)})
    print(markdown(result), end='')


def fill_in(options: argparse.Namespace) -> None:
    """Set options that were not given to their defaults, and parse sizes and numbers.

    Raises:
        ConfigError: A size or a number cannot be parsed.
    """
    defaults = DEFAULTS
    if options.everything:
        defaults = {
            'size': everything.SIZES,
            'backend': everything.CHOICES,
            'cameras': everything.CAMERAS,
        }
        options.node_backend = options.backend or everything.GRAPH
        options.minutes = everything.MINUTES if options.minutes is None else options.minutes
    kinds = {'profile': PROFILED, 'subtree': PROFILED, 'peers': PEERS, 'messages': MESSAGES}
    for name, backend in kinds.items():
        if getattr(options, name):
            defaults = {**defaults, 'backend': backend}
    options.given = [name for name in defaults if getattr(options, name) is not None]
    for name, value in defaults.items():
        if name not in options.given:
            setattr(options, name, value)
    options.sizes = [parse_size(text) for text in options.size.split(',')]
    try:
        options.camera_counts = [int(text) for text in options.cameras.split(',')]
    except ValueError:
        options.camera_counts = [0]


def write(path: Path | None, text: str) -> None:
    """Write a text file; None writes none.

    Raises:
        ConfigError: It cannot be written.
    """
    if path:
        try:
            path.write_text(text)
        except OSError as problem:
            raise ConfigError(
                f'{path} cannot be written ({problem}); expected a file in a folder that exists.'
            ) from problem


def parse_size(text: str) -> ImageSize:
    """Return (H, W) of a text such as '512x1024'.

    Raises:
        ConfigError: The text is anything else.
    """
    try:
        return image_size(text)
    except argparse.ArgumentTypeError as problem:
        raise ConfigError(f'--size {problem}.') from None


KINDS = ('ros', 'profile', 'peers', 'messages', 'subtree', 'everything')
"""Options that choose another kind of measurement than that of engines."""

MOST_LEAVES = 10_000
"""More take gigabytes as one softmax."""

MOST_MINUTES = 1440

LEFT_OUT = {
    'ros': ('dataset',),
    'profile': ('dataset', 'cameras'),
    'peers': ('dataset', 'cameras'),
    'subtree': ('dataset', 'cameras'),
    'messages': ('dataset', 'cameras'),
    'everything': ('model', 'input_height', 'dataset'),
}
"""Options that do not apply to a kind of measurement."""


def check(options: argparse.Namespace) -> None:
    """Check ranges and combinations of options.

    Raises:
        ConfigError: An option is out of range, or two do not fit together.
    """
    if (
        options.frames < 1
        or options.warm_up < 0
        or not all(1 <= count <= 64 for count in options.camera_counts)
    ):
        raise ConfigError(
            f'--frames is {options.frames}, --warm-up {options.warm_up} and --cameras '
            f'{options.cameras}; expected at least 1, at least 0, and numbers from 1 to 64.'
        )
    given = [name for name in KINDS if getattr(options, name)]
    given += [
        name
        for name in LEFT_OUT.get(given[0] if given else '', ())
        if (name in options.given if name in DEFAULTS else getattr(options, name))
    ]
    if len(given) > 1:
        one, other = (f'--{name.replace("_", "-")}' for name in given[:2])
        raise ConfigError(f'{other} is given with {one}; expected one of them.')
    if options.subtree is not None and not 2 <= options.subtree <= MOST_LEAVES:
        raise ConfigError(
            f'--subtree is {options.subtree}; expected a number of leaves from 2 to {MOST_LEAVES}.'
        )
    if options.minutes is not None and not options.everything:
        raise ConfigError(
            f'--minutes is {options.minutes:g} without --everything; expected it with that alone: '
            'other measurements take --frames or --seconds.'
        )
    if options.minutes is not None and not 0 <= options.minutes <= MOST_MINUTES:
        raise ConfigError(
            f'--minutes is {options.minutes:g}; expected a number from 0, which is no limit, to '
            f'{MOST_MINUTES}.'
        )
    if options.input_height == 'auto' and not options.ros:
        raise ConfigError(
            '--input-height is auto without --ros; expected a number of pixels: only the node '
            'follows its cameras.'
        )
    if any(':=' not in text for text in options.parameter):
        raise ConfigError(
            f'--parameter is {options.parameter}; expected NAME:=VALUE, such as overlap:=false.'
        )
    if options.dataset and not options.root:
        raise ConfigError(
            f'--dataset {options.dataset} is given without --root; expected its folder.'
        )
    try:
        rates = [float(text) for text in options.rates.split(',')]
    except ValueError:
        rates = [0.0]
    if not all(0 < rate <= 1000 for rate in rates) or not 0 < options.seconds <= 3600:
        raise ConfigError(
            f'--rates is {options.rates} and --seconds {options.seconds}; expected numbers of '
            'hertz up to 1000 with commas between them, and up to 3600 seconds.'
        )


def command_line(options: argparse.Namespace) -> str:
    """Return the command that repeats the measurement, without paths of this machine."""
    kind = next((name for name in KINDS if getattr(options, name)), '')
    words = ['hiseg benchmark', *([f'--{kind}'] if kind else [])]
    words += ['DIR'] if kind == 'peers' else []
    words += [str(options.subtree)] if kind == 'subtree' else []
    if kind != 'everything' or 'size' in options.given:
        words.append(f'--size {options.size}')
    # --backend then also holds for the node of --everything.
    if kind != 'everything' or 'backend' in options.given:
        words.append(f'--backend {options.backend}')
    if kind != 'ros':
        words += [f'--frames {options.frames}', f'--warm-up {options.warm_up}']
    if kind in ('ros', 'everything'):
        words += [f'--rates {options.rates}', f'--seconds {options.seconds:g}']
        words += [f'--results {options.results}'] if options.results != RESULTS else []
        words += [f'--parameter {text}' for text in options.parameter]
    words += [f'--cameras {options.cameras}'] if 'cameras' in options.given else []
    if kind == 'everything' and options.minutes != everything.MINUTES:
        words.append(f'--minutes {options.minutes:g}')
    if kind == 'everything' and options.experiment != everything.EXPERIMENT:
        words.append(f'--experiment {Path(options.experiment).name}')
    words += [f'--device {options.device}'] if options.device != 'auto' else []
    words += [f'--input-height {options.input_height}'] if options.input_height else []
    if options.model:
        words.append(f'--model {options.model.name}')
    if options.dataset:
        words.append(f'--dataset {options.dataset} --root DIR --limit {options.limit}')
    return ' '.join(words)
