# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg wrap`: convert a flat network into an engine file, checked against the original."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hiseg_ros.cli.shared.numbers import image_size
from hiseg_ros.errors import ConfigError
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.types import ImageSize, RgbImage

if TYPE_CHECKING:
    from hiseg_ros.export.flat.wrap import Wrapped
    from hiseg_ros.taxonomy import Taxonomy

VERIFICATION_SIZES: tuple[ImageSize, ...] = ((512, 1024), (256, 320))
"""Sizes (H, W) of the drawn scenes on which both are run."""

MEAN, STD = Preprocessing.mean, Preprocessing.std
"""Those of ImageNet, with which most networks are trained."""

UNSURE = 0.9
"""If a smaller share of the labels is the most probable class, an option may be wrong."""

HEIGHT = 1024
"""Height in pixels of the images of Cityscapes, on which such networks are mostly trained."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        '--onnx', type=Path, required=True, metavar='FILE', help='ONNX file of the flat network'
    )
    parser.add_argument(
        '--mapping',
        required=True,
        help="label set of its classes: 'cityscapes', 'vistas', 'camvid', ... or a YAML file",
    )
    parser.add_argument(
        '--output', type=Path, required=True, metavar='FILE.onnx', help='engine file to write'
    )
    parser.add_argument(
        '--taxonomy',
        default='street',
        help='taxonomy whose nodes become the labels (default: %(default)s)',
    )
    meaning = parser.add_argument_group('classes of the network')
    meaning.add_argument(
        '--classes',
        type=Path,
        metavar='FILE',
        help='text file with the label of each output channel, one per line, '
        "'unlabeled' for a channel without one (default: the order of the mapping, for 19 "
        'channels of Cityscapes that of the train ids)',
    )
    meaning.add_argument(
        '--label-ids', action='store_true', help='channel i has label id i of the mapping'
    )
    meaning.add_argument(
        '--node',
        type=_label_and_node,
        action='append',
        default=[],
        metavar='LABEL=NODE',
        help="node of the taxonomy for a label, or for 'unlabeled', may be repeated (default: by "
        'the mapping; the root for channels without a label)',
    )
    meaning.add_argument(
        '--softmax',
        choices=('auto', 'yes', 'no'),
        default='auto',
        help='apply softmax to the output (default: auto-detect)',
    )
    source = parser.add_argument_group('input of the network')
    for option, what, values in (('--mean', 'mean', MEAN), ('--std', 'standard deviation', STD)):
        source.add_argument(
            option,
            type=float,
            nargs=3,
            default=values,
            metavar=('R', 'G', 'B'),
            help=f'{what} of each channel in [0, 1] (default: '
            f'{" ".join(map(str, values))}); not used for a network with uint8 input',
        )
    source.add_argument('--bgr', action='store_true', help='network expects BGR input')
    source.add_argument(
        '--size',
        type=image_size,
        metavar='HxW',
        help='fixed input size for a network whose size is open; images of other sizes are '
        'resized to it',
    )
    source.add_argument(
        '--height',
        type=int,
        default=HEIGHT,
        metavar='N',
        help='largest shorter side of the input in pixels, for a network whose size is open '
        '(default: %(default)s)',
    )
    result = parser.add_argument_group('output of the network')
    result.add_argument(
        '--output-name',
        default='',
        metavar='NAME',
        help='tensor with the classes: one of several outputs, or a tensor inside the graph '
        '(default: the only output)',
    )
    result.add_argument(
        '--keep-tail',
        action='store_true',
        help='keep the last argmax and upsampling of the graph (default: use the tensor before '
        'them)',
    )
    result.add_argument(
        '--stride',
        type=int,
        choices=(1, 2, 4, 8),
        default=4,
        help='stride of the output in input pixels; a finer output is averaged (default: '
        '%(default)s; with 1 an image takes seconds)',
    )
    card = parser.add_argument_group('model card and check')
    card.add_argument('--name', default='', help="name of the model (default: the file's)")
    card.add_argument('--licence', default='', help='licence of its weights')
    card.add_argument(
        '--images',
        type=Path,
        nargs='+',
        default=[],
        metavar='IMAGE',
        help='images on which both are compared (default: two drawn scenes)',
    )


def _label_and_node(text: str) -> tuple[str, str]:
    label, separator, node = text.partition('=')
    if not (separator and label.strip() and node.strip()):
        raise argparse.ArgumentTypeError(
            f"must be LABEL=NODE, such as 'terrain=Nature', not {text!r}"
        )
    return label.strip(), node.strip()


def run(options: argparse.Namespace) -> None:
    """Write the engine file, compare it with the flat network, and print its classes."""
    from importlib.util import find_spec

    from hiseg_ros.taxonomy import load_taxonomy

    if find_spec('onnx') is None:
        raise ConfigError(
            'Python has no module onnx, which reads and writes ONNX files; expected it in this '
            'environment: pip install onnx.'
        )
    from hiseg_ros.export.flat.wrap import WrapOptions, wrap_flat

    taxonomy = load_taxonomy(options.taxonomy)
    preprocessing = Preprocessing(
        tuple(options.mean), tuple(options.std), largest_height=options.height
    )
    wrapped = wrap_flat(
        options.onnx,
        options.output,
        taxonomy,
        _images(options.images),
        WrapOptions(
            mapping=options.mapping,
            classes=options.classes,
            label_ids=options.label_ids,
            nodes=dict(options.node),
            preprocessing=preprocessing,
            bgr=options.bgr,
            size=options.size,
            stride=options.stride,
            softmax=options.softmax,
            output_name=options.output_name,
            keep_tail=options.keep_tail,
            name=options.name,
            licence=options.licence,
        ),
    )
    _print_classes(wrapped, taxonomy)
    _print_agreement(wrapped, 'images' if options.images else 'drawn scenes')
    print(f'written: {options.output}')


def _images(paths: list[Path]) -> list[RgbImage]:
    """Return the images of the comparison, read or drawn.

    Raises:
        ImageError: An image is missing or not readable.
    """
    if not paths:
        from hiseg_ros.datasets.scenes import draw_scene

        return [draw_scene(seed, size).rgb for seed, size in enumerate(VERIFICATION_SIZES)]
    from hiseg_ros.images import read_image

    return [read_image(path) for path in paths]


def _print_classes(wrapped: Wrapped, taxonomy: Taxonomy) -> None:
    """Print which channel has which label and node, for the user to check."""
    rows = [('channel', 'label', 'node')]
    for one in wrapped.classes:
        channels = ' '.join(map(str, one.channels))
        rows.append((channels, one.name, taxonomy.nodes[one.node_id].name))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print('  '.join(cells).strip())
    meaning, network = wrapped.meaning, wrapped.network
    kind = (
        'a label map'
        if meaning.is_label_map
        else ('scores' if meaning.needs_softmax else 'probabilities')
    )
    taken = network.source.name
    before = '' if taken == network.output.name else f' before {network.output.name!r}'
    down, across = wrapped.stride
    print(
        f'{meaning.order.words}; {kind} from tensor {taken!r}{before}; a cell is {down} x '
        f'{across} pixels'
    )


def _print_agreement(wrapped: Wrapped, what: str) -> None:
    for one in wrapped.agreements:
        print(
            f'{one.program}, on {one.images} {what}:\n'
            f'  {one.equal_classes:8.3%} of the cells have the class of the flat network; '
            f'probabilities differ by at most {one.largest_difference:.1e}\n'
            f'  {one.equal_output:8.3%} of the pixels have the class of its original output\n'
            f'  {one.equal_labels:8.3%} of the labels are the most probable class'
        )
        if one.equal_sure == one.equal_sure:  # else no class ever has more than half
            print(
                f'  {one.equal_sure:8.3%} where that class has more than half of the probability'
            )
    if min(one.equal_labels for one in wrapped.agreements) < UNSURE:
        print(
            'The network is very unsure: many labels are not the most probable class but a class '
            'of the most probable group. Check --mean, --std, --bgr and --softmax, and try real '
            '--images.'
        )
    for failure in wrapped.failures:
        print(f'not checked: {failure}')
