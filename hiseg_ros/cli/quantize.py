# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg quantize`: write an exported network in int8, and measure the loss of accuracy."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hiseg_ros.cli.shared.numbers import non_negative_integer
from hiseg_ros.datasets.registry import Measure, names_measured_by
from hiseg_ros.errors import ConfigError
from hiseg_ros.images.file import visible

IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.ppm', '.webp')

COMPARED_SHARE = 8
"""One image in so many is not used for calibration; on it the labels are compared."""

LEAST_AGREEMENT = 0.85
"""Share of pixels with the same label as in float32; 0.95 to 0.98 were measured with trained
weights. Below it a layer does not work in eight bits."""

LARGEST_LOSS = 0.005
"""Largest accepted loss of mIoU, in [0, 1]."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        '--output', type=Path, required=True, metavar='FILE', help='.onnx file to write'
    )
    parser.add_argument(
        '--model',
        type=Path,
        help='.onnx file of `hiseg export` or `hiseg wrap` (default: the shipped network)',
    )
    parser.add_argument(
        '--calibration',
        type=Path,
        required=True,
        metavar='DIR',
        help='folder with images like those of the camera, searched with its subfolders; the '
        'ranges of int8 are calibrated on them',
    )
    parser.add_argument(
        '--images',
        type=int,
        default=120,
        metavar='N',
        help='images to use, spread evenly over the folder (default: %(default)s)',
    )
    parser.add_argument(
        '--dataset',
        choices=names_measured_by(Measure.PIXELS),
        help='also measure the mIoU in float32 and int8 on this dataset, and keep the file only '
        f'if int8 loses at most {100 * LARGEST_LOSS:g} percentage points',
    )
    parser.add_argument('--root', type=Path, help='folder of the dataset')
    parser.add_argument(
        '--split', default='val', help='split of the dataset (default: %(default)s)'
    )
    parser.add_argument('--mapping', help='label set of the dataset, as in `hiseg evaluate`')
    parser.add_argument(
        '--limit',
        type=non_negative_integer,
        default=0,
        metavar='N',
        help='only the first N images (0: all)',
    )
    parser.set_defaults(drive=[])


def run(options: argparse.Namespace) -> None:
    """Quantize, compare with float32, and keep the file if it loses little accuracy."""
    from hiseg_ros.export.quantize import add_facts, check_source, quantize
    from hiseg_ros.resources import default_model

    source = options.model or default_model('.onnx')
    if options.output.suffix != '.onnx':
        raise ConfigError(
            f'The output {options.output} has the suffix {options.output.suffix!r}; expected '
            '.onnx.'
        )
    check_source(source)
    if options.output.exists() and options.output.samefile(source):
        raise ConfigError(f'{options.output} is the source itself; expected another file.')
    if options.dataset and not options.root:
        raise ConfigError(
            f'--dataset {options.dataset} is given without --root; expected its folder.'
        )
    paths = _images(options.calibration, options.images)
    compared = paths[::COMPARED_SHARE]
    # Under another name until it is verified: a file of an earlier run stays as it was.
    draft = options.output.with_name(f'{options.output.stem}.draft.onnx')
    try:
        quantize(source, draft, _inputs(source, [p for p in paths if p not in compared]))
        add_facts(draft, _facts(options, source, draft, compared))
        draft.replace(options.output)
    finally:
        draft.unlink(missing_ok=True)
    print(f'written: {options.output}, {options.output.stat().st_size / 1e6:.1f} MB')


def _images(folder: Path, count: int) -> list[Path]:
    """Return up to `count` image files, spread evenly over a folder."""
    if not folder.is_dir():
        raise ConfigError(f'--calibration {folder} is not a folder; expected one with images.')
    files = sorted(
        path for path in visible(folder.rglob('*')) if path.suffix.lower() in IMAGE_SUFFIXES
    )
    if count < 2 or len(files) < 2:
        raise ConfigError(
            f'--calibration {folder} has {len(files)} images, and --images is {count}; expected '
            'at least 2 of each, about a hundred in different light and places.'
        )
    count = min(count, len(files))
    return [files[index * len(files) // count] for index in range(count)]


def _inputs(source: Path, paths: Sequence[Path]) -> list[Any]:
    """Return the network's input for each image file."""
    from tqdm import tqdm

    from hiseg_ros.images import read_image
    from hiseg_ros.inference.open_model import open_backend

    backend, _, _ = open_backend(
        source, backend='auto', device='cpu', precision='float32', input_height=0
    )
    try:
        return [backend.prepare(read_image(path)) for path in tqdm(paths, 'reading', unit='image')]
    finally:
        backend.close()


def _facts(
    options: argparse.Namespace, source: Path, draft: Path, compared: Sequence[Path]
) -> dict[str, Any]:
    """Return and print the differences between int8 and float32.

    Raises:
        ConfigError: int8 loses too much accuracy.
    """
    from hiseg_ros.images import read_image
    from hiseg_ros.inference.engine import Engine

    engines = [
        Engine(source, device='cpu'),
        Engine(draft, device='cpu', precision='int8'),
    ]
    try:
        equal = [
            float((engines[0].segment(rgb).labels == engines[1].segment(rgb).labels).mean())
            for rgb in map(read_image, compared)
        ]
        agreement = sum(equal) / len(equal)
        print(f'{agreement:.1%} of the labels of {len(compared)} images are those of float32')
        if agreement < LEAST_AGREEMENT:
            raise ConfigError(
                f'Only {agreement:.1%} of the labels are those of float32; expected at least '
                f'{LEAST_AGREEMENT:.0%}: this network does not work in int8, nothing is written.'
            )
        facts: dict[str, Any] = {'labels_as_float32': round(agreement, 4)}
        if options.dataset:
            facts |= _miou(options, engines)
    finally:
        for engine in engines:
            engine.close()
    return facts


def _miou(options: argparse.Namespace, engines: Sequence[Any]) -> dict[str, Any]:
    from hiseg_ros.cli.shared.labelled_sets import dataset_of, mapping_of_options, samples_of
    from hiseg_ros.evaluation.evaluate import evaluate_pixels

    dataset = dataset_of(options)
    mapping = mapping_of_options(options, engines[0].taxonomy)
    found = []
    for engine in engines:
        pairs = ((one.image, one.label_ids) for one in samples_of(dataset, options, []))
        found.append(float(evaluate_pixels(engine, pairs, mapping)['summed']['miou']))
    in_float, in_int8 = found
    print(
        f'mIoU on {options.dataset} {options.split}: {in_float:.2%} in float32, '
        f'{in_int8:.2%} in int8'
    )
    if in_float - in_int8 > LARGEST_LOSS:
        raise ConfigError(
            f'int8 has {in_int8:.2%} mIoU and float32 {in_float:.2%}; expected at most '
            f'{LARGEST_LOSS:.1%} less: nothing is written; use --calibration images that are '
            'more like those of the camera, or use bfloat16.'
        )
    return {
        'measured_on': f'{options.dataset} {options.split}',
        'miou_float32': round(in_float, 4),
        'miou_int8': round(in_int8, 4),
    }
