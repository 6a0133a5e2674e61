# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg predict`: segment images and write label images and overlays."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hiseg_ros.cli.shared.crf import add_crf_arguments, crf_of
from hiseg_ros.cli.shared.engines import ahead, engine_of
from hiseg_ros.cli.shared.fleet import add_ray_arguments
from hiseg_ros.errors import ConfigError
from hiseg_ros.output_files import output_file

SUFFIX_LABELS = '_labels.png'
SUFFIX_OVERLAY = '_overlay.png'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument('images', nargs='+', type=Path, metavar='IMAGE', help='image files')
    parser.add_argument(
        '--output', type=Path, required=True, metavar='DIR', help='folder for the results'
    )
    parser.add_argument(
        '--model',
        type=Path,
        help='model file, also of a classical method (default: the shipped network)',
    )
    parser.add_argument('--device', default='auto', help="'auto', 'cpu', 'cuda' or 'cuda:N'")
    parser.add_argument(
        '--backend',
        default='auto',
        help="'eager', 'compile' or 'cuda_graph' for weights, 'onnx_runtime' or 'openvino' for a "
        '.onnx file (default: the fastest that is installed)',
    )
    parser.add_argument(
        '--precision',
        default='float32',
        help="precision of the convolutions: 'float32', 'bfloat16', 'float16', 'int8' or 'auto' "
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--mapping', help="also write label ids of a dataset: 'camvid', ... or a YAML file"
    )
    parser.add_argument(
        '--min-probability',
        type=float,
        default=0.0,
        metavar='P',
        help='with --mapping, for pseudo labels: less probable pixels are written as unlabeled, '
        '255 (default: %(default)s)',
    )
    parser.add_argument(
        '--threshold',
        type=float,
        default=0.0,
        help='least conditional probability of a child, from 0 (always a leaf) to 1 '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--input-height',
        type=int,
        default=0,
        help="shorter side of the network input in pixels (default: the weights' rule)",
    )
    parser.add_argument(
        '--alpha',
        type=float,
        default=0.5,
        help='share of colour in the overlay (default: %(default)s)',
    )
    parser.add_argument(
        '--names',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='class names in large regions of the overlay (default: with)',
    )
    parser.add_argument(
        '--legend',
        action='store_true',
        help='beside the overlay, a legend with the classes and their shares',
    )
    add_crf_arguments(parser)
    add_ray_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Segment every image; the first unreadable one ends the run."""
    if not 0 <= options.alpha <= 1:
        raise ConfigError(f'--alpha is {options.alpha}; expected a number from 0 to 1.')
    if not 0 <= options.min_probability <= 1:
        raise ConfigError(
            f'--min-probability is {options.min_probability}; expected a number from 0 to 1.'
        )
    if options.min_probability and not options.mapping:
        raise ConfigError('--min-probability is given without --mapping; expected both.')
    stems = [path.stem for path in options.images]
    repeated = sorted({stem for stem in stems if stems.count(stem) > 1})
    if repeated:
        raise ConfigError(
            f'Several images are named {repeated}; expected different names, since the results '
            'are named after them: write them to different folders.'
        )
    with engine_of(options) as engine:
        _segment_all(options, engine)


def _segment_all(options: argparse.Namespace, engine: Any) -> None:
    import json

    from tqdm import tqdm

    from hiseg_ros.decision.mapped import decide_mapping
    from hiseg_ros.images import read_image, write_image
    from hiseg_ros.taxonomy import load_mapping
    from hiseg_ros.visualization import (
        draw_names,
        overlay,
        place_names,
        to_height,
        with_legend,
    )
    from hiseg_ros.visualization.legend import MIN_HEIGHT

    mapping = load_mapping(options.mapping, engine.taxonomy) if options.mapping else None
    crf = crf_of(options, engine)
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise ConfigError(f'--output {options.output} cannot be created: {problem}.') from problem

    count = len(options.images)
    read = ((path, read_image(path)) for path in options.images)
    images = ahead(engine, read, lambda one: one[1])
    for path, rgb in tqdm(images, 'segmenting', unit='image', total=count, disable=count < 2):
        if crf is not None:
            crf.check_memory((rgb.shape[0], rgb.shape[1]))
        result = engine.segment(rgb)
        if crf is not None:
            result = crf.refine(rgb, result, engine.threshold)
        shown = result.labels
        if options.legend:  # enlarged to the height of the legend before names are drawn
            rgb, shown = to_height(rgb, shown, max(MIN_HEIGHT, rgb.shape[0]))
        image = overlay(rgb, shown, engine.taxonomy, options.alpha)
        if options.names:
            names = place_names(shown, engine.taxonomy)
            image = draw_names(image, names, engine.taxonomy)
        if options.legend:
            image = with_legend(image, shown, engine.taxonomy)
        write_image(options.output / f'{path.stem}{SUFFIX_LABELS}', result.labels)
        write_image(options.output / f'{path.stem}{SUFFIX_OVERLAY}', image)
        if mapping is not None:
            label_ids = decide_mapping(
                result.probabilities, engine.taxonomy, mapping, options.min_probability
            )
            write_image(options.output / f'{path.stem}_{mapping.name}.png', label_ids)
    nodes = [
        {
            'id': node.node_id,
            'name': node.name,
            'parent': node.parent,
            'color': list(node.color),
        }
        for node in engine.taxonomy.nodes
    ]
    output_file(options.output / 'taxonomy.json').write_text(json.dumps(nodes, indent=1) + '\n')
