# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Writes costmap parameters for Nav2's semantic segmentation layer: every class with its cost."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hiseg_ros.errors import ConfigError, HisegError
from hiseg_ros.taxonomy import load_mapping, load_taxonomy

LAYER = 'semantic_segmentation_layer'
FREE, CAUTION, LETHAL = 0, 128, 254
COSTS = {
    'driveable': FREE,
    'walkable': FREE,
    'curb': CAUTION,
    'rail_track': CAUTION,
    'terrain': CAUTION,
}
"""Costs of the shipped classes; all others are lethal."""

_HEADER = """\
# Parameters of Nav2's semantic segmentation layer for the classes of {topic}.
# Merge them into Nav2's parameter file, and add {layer} to the plugins of the costmap.
# The layer reports every class of ~/nav2/label_info that is missing here; these are all.
# Costs: 0 is free, 253 and 254 are lethal.
"""


def costmap_parameters(
    costs: Mapping[str, int],
    *,
    node: str,
    cameras: Sequence[str],
    cloud: str,
    costmap: str,
) -> dict[str, Any]:
    """Return the content of a parameter file.

    Args:
        costs: Cost of each class, 0 to 254; classes of one cost become one class type.
        node: Full name of the segmentation node.
        cameras: Its cameras; one empty name for the only camera.
        cloud: Topic of the point clouds; {camera} stands for the camera's name.
        costmap: 'local_costmap' or 'global_costmap'.
    """
    types: dict[str, dict[str, Any]] = {}
    for cost in sorted(set(costs.values())):
        name = 'free' if cost == FREE else 'lethal' if cost == LETHAL else f'cost_{cost}'
        types[name] = {
            'classes': [entry for entry in costs if costs[entry] == cost],
            'base_cost': cost,
            'max_cost': cost,
            'mark_confidence': 0,
            'samples_to_max_cost': 0,
            'dominant_priority': cost == LETHAL,
        }
    sources = {}
    for camera in cameras:
        prefix = '/'.join(filter(None, (node, camera, 'nav2')))
        sources[camera.replace('/', '_') or 'camera'] = {
            'segmentation_topic': f'{prefix}/mask',
            'confidence_topic': f'{prefix}/confidence',
            'labels_topic': f'{prefix}/label_info',
            'pointcloud_topic': cloud.replace('{camera}', camera),
            'max_obstacle_distance': 5.0,
            'min_obstacle_distance': 0.3,
            'tile_map_decay_time': 5.0,
            'use_cost_selection': True,
            'class_types': list(types),
            **{name: dict(values) for name, values in types.items()},
        }
    layer = {
        'plugin': f'{LAYER}::SemanticSegmentationLayer',
        'enabled': True,
        'observation_sources': ' '.join(sources),
        **sources,
    }
    return {costmap: {costmap: {'ros__parameters': {LAYER: layer}}}}


def costs_of(names: Sequence[str], given: Mapping[str, int]) -> dict[str, int]:
    """Return the cost of each class: the given one, else the shipped one, else lethal.

    Raises:
        ConfigError: A cost is given for a class that does not exist.
    """
    if foreign := sorted(given.keys() - set(names)):
        raise ConfigError(
            f'A cost is given for {", ".join(foreign)}; expected some of {", ".join(names)}.'
        )
    return {name: given.get(name, COSTS.get(name, LETHAL)) for name in names}


def _cost(text: str) -> tuple[str, int]:
    name, _, cost = text.rpartition('=')
    if not name or not cost.isdecimal() or int(cost) > LETHAL:
        raise argparse.ArgumentTypeError(f'{text!r}; expected NAME=COST, COST from 0 to {LETHAL}')
    return name, int(cost)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser('nav2_params', description=__doc__)
    parser.add_argument(
        '--classes',
        default='nav2',
        metavar='M',
        help='as the parameter nav2.classes: a name in config/mappings or the path of a YAML file '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--taxonomy',
        default='street',
        metavar='T',
        help='tree of the weights: a name in config/taxonomies or a path (default: %(default)s)',
    )
    parser.add_argument(
        '--cost',
        type=_cost,
        action='append',
        default=[],
        metavar='NAME=COST',
        help=f'cost of a class, {FREE} (free) to {LETHAL} (lethal); once for each class',
    )
    parser.add_argument(
        '--node', default='/segmentation', help='full name of the node (default: %(default)s)'
    )
    parser.add_argument(
        '--cameras',
        default='',
        metavar='A,B',
        help="as the node's parameter cameras, with commas (default: one without a name)",
    )
    parser.add_argument(
        '--cloud',
        default='',
        metavar='TOPIC',
        help='point clouds, organised and aligned with the image; {camera} for its name '
        '(default: /camera/depth/points, /{camera}/depth/points with cameras)',
    )
    parser.add_argument(
        '--costmap',
        default='local_costmap',
        choices=('local_costmap', 'global_costmap'),
        help='whose layer it is (default: %(default)s)',
    )
    parser.add_argument('--output', type=Path, metavar='FILE', help='instead of standard output')
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the parameters; return the exit code, 2 with one line on standard error."""
    options = _parser().parse_args(arguments)
    try:
        mapping = load_mapping(options.classes, load_taxonomy(options.taxonomy))
        names = [label.name for label in mapping.evaluated_labels]
        given = dict(options.cost)
        costs = costs_of(names, given)
    except HisegError as problem:
        print(f'nav2_params: {problem}', file=sys.stderr)
        return 2
    cameras = [name for name in options.cameras.split(',') if name] or ['']
    cloud = options.cloud or f'/{"{camera}" if cameras[0] else "camera"}/depth/points'
    tree = costmap_parameters(
        costs, node=options.node, cameras=cameras, cloud=cloud, costmap=options.costmap
    )
    topic = '/'.join(filter(None, (options.node, cameras[0], 'nav2/mask')))
    text = _HEADER.format(topic=topic, layer=LAYER) + yaml.safe_dump(tree, sort_keys=False)
    unknown = [name for name in names if name not in given and name not in COSTS]
    if unknown and options.classes != 'nav2':
        print(
            f'nav2_params: no cost is known for {", ".join(unknown)}, so they are lethal; give '
            '--cost NAME=COST for those that are not.',
            file=sys.stderr,
        )
    if options.output is None:
        sys.stdout.write(text)
        return 0
    try:
        options.output.write_text(text, encoding='utf-8')
    except OSError as problem:
        print(
            f'nav2_params: {options.output} cannot be written ({problem.strerror}); expected a '
            'file in an existing folder.',
            file=sys.stderr,
        )
        return 2
    return 0
