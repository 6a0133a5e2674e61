# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg benchmark`: how fast back-ends are here, and how near they come to the reference."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hiseg_ros.errors import ConfigError
from hiseg_ros.types import ImageSize

SHORT_SIZES = '512x1024'
CHOICES = 'eager,onnx_runtime,openvino,openvino:bfloat16,openvino:int8'
RATES = '10,30,60'
RESULTS = 'labels,confidence'
PICTURES = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument('--model', type=Path, help='model file (default: the shipped network)')
    parser.add_argument(
        '--size', default=SHORT_SIZES, metavar='HxW,...',
        help='sizes of the camera image (default: %(default)s)',
    )
    parser.add_argument(
        '--backend', default=CHOICES, metavar='NAME[:PRECISION],...',
        help='back-ends with their precisions, float32 where none is named; "auto:auto" is what '
        'the node takes (default: %(default)s)',
    )
    parser.add_argument('--device', default='auto', help="'auto', 'cpu', 'cuda' or 'cuda:N'")
    parser.add_argument(
        '--input-height', type=int, default=0, metavar='PX',
        help="shorter side of the network's input (default: the weights' rule); labels are still "
        'compared with those of the reference at its own',
    )
    parser.add_argument(
        '--cameras', type=int, default=1, metavar='N',
        help='images at hand together, a batch where the back-end has them (default: %(default)s)',
    )
    parser.add_argument(
        '--frames', type=int, default=50, metavar='N', help='timed frames (default: %(default)s)'
    )
    parser.add_argument(
        '--warm-up', type=int, default=10, metavar='N',
        help='frames before those (default: %(default)s)',
    )
    parser.add_argument(
        '--dataset', choices=['camvid', 'cityscapes', 'vistas'],
        help='also measure the mIoU on this data set, below --root',
    )
    parser.add_argument('--root', type=Path, help='folder of the data set')
    parser.add_argument('--limit', type=int, default=0, help='images of the data set (0: all)')
    parser.add_argument(
        '--ros', action='store_true',
        help='measure the node in a ROS graph of its own instead: sustained rate, latency, loss',
    )
    parser.add_argument(
        '--rates', default=RATES, metavar='HZ,...',
        help='--ros: camera rates whose latency is measured (default: %(default)s)',
    )
    parser.add_argument(
        '--seconds', type=float, default=10.0, metavar='S',
        help='--ros: length of each run (default: %(default)s)',
    )
    parser.add_argument(
        '--results', default=RESULTS, metavar='TOPIC,...',
        help='--ros: outputs that are read, such as overlay/image and level_3/probabilities '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--parameter', action='append', default=[], metavar='NAME:=VALUE',
        help='--ros: a parameter of the node, such as overlap:=false; may be given again',
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the figures here')
    parser.add_argument(
        '--markdown', type=Path, metavar='FILE', help='also write the tables here'
    )


def run(options: argparse.Namespace) -> None:
    """Measure, print the tables, and write the files."""
    from hiseg_ros.benchmark.machine import describe_machine
    from hiseg_ros.benchmark.page import markdown

    sizes = [parse_size(text) for text in options.size.split(',')]
    check(options)
    result: dict[str, Any] = {
        'command': command_line(options), 'machine': describe_machine(),
    }
    key, measure = ('graph', measure_graph) if options.ros else ('engines', measure_engines)
    result[key] = measure(options, sizes)
    page = markdown(result)
    print(page, end='')
    for path, text in ((options.json, json.dumps(result, indent=1) + '\n'),
                       (options.markdown, page)):
        if path:
            try:
                path.write_text(text)
            except OSError as problem:
                raise ConfigError(
                    f'{path} cannot be written ({problem}); expected a file in a folder that is '
                    'there.'
                ) from problem


def parse_size(text: str) -> ImageSize:
    """Return (H, W) of a text such as 512x1024.

    Raises:
        ConfigError: It is none.
    """
    match = re.fullmatch(r'([1-9]\d{0,4})x([1-9]\d{0,4})', text.strip())
    if match is None:
        raise ConfigError(f'--size has {text!r}; expected HxW, such as 512x1024.')
    return int(match[1]), int(match[2])


def check(options: argparse.Namespace) -> None:
    """Check what argparse cannot.

    Raises:
        ConfigError: Options do not fit together or are out of range.
    """
    if options.frames < 1 or options.warm_up < 0 or not 1 <= options.cameras <= 64:
        raise ConfigError(
            f'--frames is {options.frames}, --warm-up {options.warm_up} and --cameras '
            f'{options.cameras}; expected at least 1, at least 0, and 1 to 64.'
        )
    if any(':=' not in text for text in options.parameter):
        raise ConfigError(
            f'--parameter is {options.parameter}; expected NAME:=VALUE, such as overlap:=false.'
        )
    if options.ros and options.cameras > 1:
        raise ConfigError('--cameras is given with --ros; expected one of them.')
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
    """Return the command that measures the same again, without the folders of this machine."""
    words = ['hiseg benchmark', *(['--ros'] if options.ros else []), f'--size {options.size}',
             f'--backend {options.backend}']
    if options.ros:
        words += [f'--rates {options.rates}', f'--seconds {options.seconds:g}']
        words += [f'--results {options.results}'] if options.results != RESULTS else []
        words += [f'--parameter {text}' for text in options.parameter]
    else:
        words += [f'--frames {options.frames}', f'--warm-up {options.warm_up}']
        words += [f'--cameras {options.cameras}'] if options.cameras > 1 else []
    words += [f'--input-height {options.input_height}'] if options.input_height else []
    if options.model:
        words.append(f'--model {options.model.name}')
    if options.dataset:
        words.append(f'--dataset {options.dataset} --root DIR --limit {options.limit}')
    return ' '.join(words)


def measure_engines(
    options: argparse.Namespace, sizes: list[ImageSize]
) -> list[dict[str, Any]]:
    """Return a row for every size and back-end."""
    import numpy as np

    from hiseg_ros.benchmark import engines
    from hiseg_ros.training.datasets.synthetic import draw_scene

    choices = [engines.EngineChoice.parse(text) for text in options.backend.split(',')]
    rows = []
    with TemporaryDirectory(prefix='hiseg_benchmark_') as scratch:
        for size in sizes:
            pictures = np.stack([draw_scene(seed, size).rgb for seed in range(PICTURES)])
            rows += engines.measure_engines(
                size, pictures, choices, Path(scratch), model=options.model,
                device=options.device, frames=options.frames, warm_up=options.warm_up,
                cameras=options.cameras, input_height=options.input_height,
            )
        if options.dataset:
            for row in rows:
                if 'error' not in row:
                    row['miou'] = _miou(options, row, Path(scratch) / 'scores.json')
    return rows


def _miou(options: argparse.Namespace, row: dict[str, Any], target: Path) -> float:
    """Return the mIoU that `hiseg evaluate` finds for a row's engine."""
    command = [sys.executable, '-m', 'hiseg_ros.cli', 'evaluate', '--dataset', options.dataset]
    command += ['--root', str(options.root), '--limit', str(options.limit)]
    command += ['--backend', row['backend'], '--precision', row['precision']]
    command += ['--device', row['device'], '--json', str(target)]
    command += ['--input-height', str(row['input_height'])]
    if options.model:
        command += ['--model', str(options.model.with_name(row['model']))]
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode:
        raise ConfigError(process.stderr.strip().splitlines()[-1].partition(': ')[2])
    return float(json.loads(target.read_text())['summed']['miou'])


def measure_graph(options: argparse.Namespace, sizes: list[ImageSize]) -> list[dict[str, Any]]:
    """Return rows of the node in a ROS graph.

    Raises:
        ConfigError: ROS or the messages are missing.
    """
    try:
        from hiseg_ros.ros.graph_benchmark import GraphPlan, measure
    except ModuleNotFoundError as problem:
        raise ConfigError(
            f'The Python module {problem.name} is not here; expected ROS 2 and the built '
            'messages: source the ROS installation and the install folder, or run `make setup`.'
        ) from problem
    from hiseg_ros.benchmark.engines import EngineChoice

    rows = []
    for size in sizes:
        for text in options.backend.split(','):
            choice = EngineChoice.parse(text)
            plan = GraphPlan(
                size=size, backend=choice.backend, precision=choice.precision,
                model=str(options.model or ''), device=options.device, seconds=options.seconds,
                input_height=options.input_height, parameters=options.parameter,
                results=options.results.split(','),
                rates=tuple(float(rate) for rate in options.rates.split(',')),
            )
            rows += measure(plan)
    return rows
