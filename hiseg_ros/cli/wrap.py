# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg wrap`: make an engine file of a flat network, and prove that it says the same."""

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

PROOF_SIZES: tuple[ImageSize, ...] = ((512, 1024), (256, 320))
"""Of the drawn scenes on which both are run."""

MEAN, STD = Preprocessing.mean, Preprocessing.std
"""Of ImageNet, with which most networks are trained."""

UNSURE = 0.9
"""Share of labels that are the most probable class below which something may be wrong."""

HEIGHT = 1024
"""Of the images of Cityscapes, which a network of its labels has mostly seen at full size."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        '--onnx', type=Path, required=True, metavar='FILE', help='the flat network, an ONNX file'
    )
    parser.add_argument(
        '--mapping',
        required=True,
        help="what its classes are: 'cityscapes', 'vistas', 'camvid', ... or a YAML file",
    )
    parser.add_argument(
        '--output', type=Path, required=True, metavar='FILE.onnx', help='engine file to write'
    )
    parser.add_argument(
        '--taxonomy', default='street', help="tree of the labels (default 'street')"
    )
    meaning = parser.add_argument_group('what the channels mean')
    meaning.add_argument(
        '--classes',
        type=Path,
        metavar='FILE',
        help='text file with the label of each channel, one a line (default: the order of the '
        "mapping; 19 of Cityscapes are in the order of train ids); 'unlabeled' for none",
    )
    meaning.add_argument(
        '--label-ids', action='store_true', help="channel i is the mapping's label id i"
    )
    meaning.add_argument(
        '--node',
        type=_label_and_node,
        action='append',
        default=[],
        metavar='LABEL=NODE',
        help='give a label this node of the taxonomy',
    )
    meaning.add_argument(
        '--softmax',
        choices=('auto', 'yes', 'no'),
        default='auto',
        help='whether the output still needs one (default: found out)',
    )
    source = parser.add_argument_group('what it takes')
    for option, values in (('--mean', MEAN), ('--std', STD)):
        source.add_argument(
            option,
            type=float,
            nargs=3,
            default=values,
            metavar=('R', 'G', 'B'),
            help=f'of each colour in [0, 1] (default {" ".join(map(str, values))}); a network '
            'that takes bytes gets them as they are',
        )
    source.add_argument('--bgr', action='store_true', help='it takes blue first')
    source.add_argument(
        '--size',
        type=image_size,
        metavar='HxW',
        help='only input size, where the network leaves it '
        'open; images of other sizes are resized to it',
    )
    source.add_argument(
        '--height',
        type=int,
        default=HEIGHT,
        metavar='N',
        help='images whose shorter side is larger are reduced to N pixels, where the network '
        f'leaves the size open (default {HEIGHT})',
    )
    result = parser.add_argument_group('what it gives')
    result.add_argument(
        '--output-name',
        default='',
        metavar='NAME',
        help='tensor with the classes, where the graph has several outputs, or one inside',
    )
    result.add_argument(
        '--keep-tail',
        action='store_true',
        help="start from the output itself, not from the tensor before the graph's last argmax "
        'and enlargement',
    )
    result.add_argument(
        '--stride',
        type=int,
        choices=(1, 2, 4, 8),
        default=4,
        help='pixels along each side of a cell, where the output is finer (default 4); 1 takes '
        'seconds for an image',
    )
    card = parser.add_argument_group('what is written about it')
    card.add_argument('--name', default='', help="default: the file's")
    card.add_argument('--licence', default='', help='of its weights')
    card.add_argument(
        '--images',
        type=Path,
        nargs='+',
        default=[],
        metavar='IMAGE',
        help='images for the proof (default: two drawn scenes)',
    )


def _label_and_node(text: str) -> tuple[str, str]:
    label, separator, node = text.partition('=')
    if not (separator and label.strip() and node.strip()):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no pair; expected LABEL=NODE, such as 'terrain=Nature'"
        )
    return label.strip(), node.strip()


def run(options: argparse.Namespace) -> None:
    """Write the file, run it beside the flat network, and say what it takes for what."""
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
    """Return the images to prove on.

    Raises:
        ImageError: One is missing or not readable.
    """
    if not paths:
        from hiseg_ros.datasets.scenes import draw_scene

        return [draw_scene(seed, size).rgb for seed, size in enumerate(PROOF_SIZES)]
    from hiseg_ros.cli.shared.image_files import read_rgb

    return [read_rgb(path) for path in paths]


def _print_classes(wrapped: Wrapped, taxonomy: Taxonomy) -> None:
    """Print the table that a person checks: which channel is labelled with which node."""
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
            f"  {one.equal_classes:8.3%} of the cells have the flat network's class, and "
            f'probabilities differ by at most {one.largest_difference:.1e}\n'
            f'  {one.equal_output:8.3%} of the pixels of its own output have the class it gives '
            'there\n'
            f'  {one.equal_labels:8.3%} of the labels are the most probable class'
        )
        if one.equal_sure == one.equal_sure:  # else no class ever has more than half
            print(
                f'  {one.equal_sure:8.3%} where that class has more than half of the probability'
            )
    if min(one.equal_labels for one in wrapped.agreements) < UNSURE:
        print(
            'The classes are hardly told apart: many labels are not the most probable class but '
            'one of the most probable group. Check --mean, --std, --bgr and --softmax, and try '
            'real --images.'
        )
    for failure in wrapped.failures:
        print(f'not proven: {failure}')
