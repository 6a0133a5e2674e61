# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg taxonomy`: print or draw a taxonomy, or check it and mappings onto it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from hiseg_ros.errors import ConfigError, ImageError, TaxonomyError
from hiseg_ros.taxonomy import Mapping, Taxonomy, load_mapping, load_taxonomy

SWATCH_WIDTH = 4
TAXONOMY_HELP = "name in config/taxonomies ('street', 'iv2018') or path of a YAML file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    actions = parser.add_subparsers(dest='action', metavar='ACTION', required=True)
    show = actions.add_parser('show', help='print the tree with node ids and colours')
    show.add_argument(
        'taxonomy', nargs='?', default='street', help=f'{TAXONOMY_HELP} (default %(default)s)'
    )
    show.add_argument(
        '--level', type=int, metavar='N', help='cut the tree below this level; the root is 0'
    )
    show.add_argument(
        '--json', action='store_true', help='print a JSON list of id, name, parent and color'
    )
    legend = actions.add_parser('legend', help='draw the tree as an image: colours and names')
    legend.add_argument(
        'taxonomy', nargs='?', default='street', help=f'{TAXONOMY_HELP} (default %(default)s)'
    )
    legend.add_argument('--output', type=Path, required=True, metavar='FILE.png', help='the image')
    legend.add_argument('--level', type=int, metavar='N', help='leave out nodes below this level')
    legend.add_argument(
        '--labels',
        type=Path,
        nargs='+',
        metavar='PNG',
        help='draw only the classes in these label images, with their shares',
    )
    legend.add_argument(
        '--height',
        type=int,
        default=1080,
        metavar='ROWS',
        help='largest height in pixels; a longer legend gets more columns (default %(default)s)',
    )
    check = actions.add_parser('check', help='check a tree, and mappings onto it')
    check.add_argument('taxonomy', help=TAXONOMY_HELP)
    check.add_argument(
        '--mapping',
        nargs='+',
        action='extend',
        default=[],
        metavar='M',
        help="also check these: names in config/mappings ('camvid', ...) or paths of YAML files",
    )


def run(options: argparse.Namespace) -> None:
    """Print or draw the tree, or check it; a check raises an error if the tree is invalid."""
    taxonomy = load_taxonomy(options.taxonomy)
    if options.action == 'legend':
        draw_legend(taxonomy, options)
        return
    if options.action == 'show':
        # In one piece, so that a reader such as `head` may close the pipe early.
        print(shown(taxonomy, options.level, as_json=options.json, colors=terminal_colors()))
        return
    mappings = [load_mapping(mapping, taxonomy) for mapping in options.mapping]
    print('\n'.join([checked(taxonomy), *(checked_mapping(m, taxonomy) for m in mappings)]))


def shown(taxonomy: Taxonomy, level: int | None, *, as_json: bool, colors: int) -> str:
    """Return a tree as text: a line per node, or JSON.

    Args:
        taxonomy: The tree.
        level: Nodes below this level are left out; None shows all.
        as_json: JSON instead of lines, with the keys of the file that `hiseg predict` writes.
        colors: Colours that the reader can show: 0, 256 or 2 ** 24.

    Raises:
        TaxonomyError: The level is negative.
    """
    if level is not None and level < 0:
        raise TaxonomyError(f'--level is {level}; expected 0 (the root) or more.')
    nodes = [node for node in taxonomy.nodes if level is None or node.level <= level]
    if as_json:
        import json

        keys = ('id', 'name', 'parent', 'color')
        rows = [
            json.dumps(dict(zip(keys, (n.node_id, n.name, n.parent, n.color), strict=True)))
            for n in nodes
        ]
        return '[\n ' + ',\n '.join(rows) + '\n]'
    lines = [summary(taxonomy)]
    for node in nodes:
        red, green, blue = node.color
        below = len(taxonomy.leaves_below(node.node_id))
        hidden = node.level == level and below > 1
        lines.append(
            f'{node.node_id:4d}  #{red:02x}{green:02x}{blue:02x} {swatch(node.color, colors)} '
            f'{"  " * node.level}{node.name}{f" ({below} leaves)" if hidden else ""}'
        )
    return '\n'.join(lines)


def draw_legend(taxonomy: Taxonomy, options: argparse.Namespace) -> None:
    """Write the legend as an image.

    Raises:
        ConfigError: The image cannot be written, or its height is too small.
        ImageError: A label image cannot be read or belongs to another tree.
        TaxonomyError: The level is negative.
    """
    from hiseg_ros.images import write_image
    from hiseg_ros.visualization import legend

    if options.height < 64:
        raise ConfigError(f'--height is {options.height}; expected 64 or more.')
    if options.level is not None and options.level < 0:
        raise TaxonomyError(f'--level is {options.level}; expected 0 (the root) or more.')
    depth = taxonomy.depth if options.level is None else options.level
    shares: dict[int, float] | None = None
    if options.labels:
        shares = {}
        for path in options.labels:
            for node_id, share in label_shares(path, taxonomy).items():
                shown_id = taxonomy.ancestor_at_level(node_id, depth)
                shares[shown_id] = shares.get(shown_id, 0.0) + share / len(options.labels)
    node_ids = [node.node_id for node in taxonomy.nodes if node.level <= depth]
    chosen = node_ids if shares is None else sorted(shares)
    image = legend(taxonomy, chosen, shares=shares, max_height=options.height)
    try:
        write_image(options.output, image)
    except ImageError as problem:
        raise ConfigError(
            f'--output {options.output} cannot be written; expected a name that ends in .png or '
            '.jpg, in a writable folder.'
        ) from problem


def label_shares(path: Path, taxonomy: Taxonomy) -> dict[int, float]:
    """Return the share of each node in a label image, in [0, 1], without the smallest ones.

    Raises:
        ImageError: The file is not a label image of this tree.
    """
    import numpy as np

    from hiseg_ros.images import read_ids
    from hiseg_ros.types import UNLABELED
    from hiseg_ros.visualization.legend import present_shares

    try:
        labels = read_ids(path)
    except ImageError as problem:
        raise ImageError(f'{path} is missing or not an image of node ids: {problem}') from problem
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise ImageError(
            f'{path} is missing or not an image of one byte per pixel; expected node ids, such as '
            '<name>_labels.png of `hiseg predict`.'
        )
    foreign = np.unique(labels[(labels >= len(taxonomy)) & (labels != UNLABELED)])
    if foreign.size:
        raise ImageError(
            f'{path} holds the id {foreign[0]}; expected 0 to {len(taxonomy) - 1} or '
            f'{UNLABELED}, the ids of taxonomy {taxonomy.name!r}: name the tree of these labels.'
        )
    return present_shares(labels.astype(np.uint8, copy=False), taxonomy)


def summary(taxonomy: Taxonomy) -> str:
    """Return name, version, sizes and digest of a taxonomy in one line."""
    return (
        f'{taxonomy.name} {taxonomy.version}: {len(taxonomy)} nodes, {len(taxonomy.leaves)} '
        f'leaves, {len(taxonomy.classifiers)} classifiers, depth {taxonomy.depth}, '
        f'digest {taxonomy.digest}'
    )


def checked(taxonomy: Taxonomy) -> str:
    """Return the report of a valid taxonomy, in lines."""
    lines = [f'valid: {summary(taxonomy)}']
    for level in range(1, taxonomy.depth + 1):
        lines.append(f'  level {level}: {len(taxonomy.level_nodes(level))} nodes')
    for inner in taxonomy.classifiers:
        name, count = taxonomy.nodes[inner].name, len(taxonomy.children(inner))
        lines.append(f'  classifier {name}: {count} children')
    if taxonomy.subclass_root is not None:
        count = len(taxonomy.leaves_below(taxonomy.subclass_root))
        name = taxonomy.nodes[taxonomy.subclass_root].name
        lines.append(f'  subclasses of {name}: {count} leaves')
    return '\n'.join(lines)


def checked_mapping(mapping: Mapping, taxonomy: Taxonomy) -> str:
    """Return the report of a valid mapping, in lines."""
    labels = mapping.evaluated_labels
    owners: dict[int, list[str]] = {leaf: [] for leaf in taxonomy.leaves}
    for label in labels:
        for leaf in label.leaves:
            owners[leaf].append(label.name)
    covered = sum(bool(names) for names in owners.values())
    shared = sorted({name for names in owners.values() if len(names) > 1 for name in names})
    text = (
        f'valid: mapping {mapping.name} onto {taxonomy.name}: {len(labels)} labels that are '
        f'evaluated, {len(mapping.labels) - len(labels)} that only train, {covered} of '
        f'{len(taxonomy.leaves)} leaves in a label'
    )
    if shared:
        text += f'\n  labels that share leaves, so that these count for none: {", ".join(shared)}'
    return text


def swatch(color: tuple[int, int, int], colors: int) -> str:
    """Return a patch of colour in terminal escapes; empty without colours."""
    if colors == 0:
        return ''
    red, green, blue = color
    if colors == 256:
        # The terminal's cube of 6 x 6 x 6 colours starts at index 16.
        cube = [(value * 5 + 127) // 255 for value in color]
        code = f'5;{16 + 36 * cube[0] + 6 * cube[1] + cube[2]}'
    else:
        code = f'2;{red};{green};{blue}'
    return f'\x1b[48;{code}m{" " * SWATCH_WIDTH}\x1b[0m'


def terminal_colors() -> int:
    """Return the number of colours of standard output: 0 (no terminal), 256 or 2 ** 24."""
    term = os.environ.get('TERM', 'dumb')
    if not sys.stdout.isatty() or term == 'dumb' or os.environ.get('NO_COLOR'):
        return 0
    return 2**24 if os.environ.get('COLORTERM') in {'truecolor', '24bit'} else 256
