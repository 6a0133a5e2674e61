# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The comparison of networks: every decoder on one backbone, tree, dataset and budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hiseg_ros.errors import ConfigError
from hiseg_ros.evaluation.boundary import Width
from hiseg_ros.model.decoders.checks import check_package
from hiseg_ros.model.decoders.registry import UPSAMPLINGS
from hiseg_ros.training.config.experiment import TrainingConfig

REFERENCE = 'fusion'
"""The row that the others' time and score are compared with."""

BLOCKS = {
    'networks': 'Networks',
    'upsampling': 'Kinds of upsampling in the decoder fusion',
    'points': 'PixelNet by the number of points of the loss',
    'crf': 'Dense CRF after the network with the best first mIoU',
    'classical': 'Before deep networks',
    'random': 'From random numbers; not to be compared with pretrained rows',
}
"""Titles of the parts of the table."""

QUICK_BLOCK = 'networks'

COMPARED = ('networks', 'upsampling')
"""Blocks whose rows differ from the reference in the decoder alone."""

POINTS = {'pixelnet_500': 500, 'pixelnet': 2000, 'pixelnet_8000': 8000, 'pixelnet_all': 0}
"""Points of an image that PixelNet learns from, by the name of the row; 0 for all pixels."""

AT_EVERY_PIXEL = 'pixelnet_full'
"""PixelNet as the paper tests it: trained as `pixelnet` is, computed at every pixel."""

LABELS = (
    'column_pole',
    'pole',
    'signsymbol',
    'traffic sign',
    'traffic_sign',
    'pedestrian',
    'person',
)
"""Labels, in lower case, whose own IoU the table has: what is thin or small."""


BOUNDARY_WIDTH = Width(3)
"""Tolerance of the boundary F that the table has."""


@dataclass(frozen=True)
class TableRow:
    """One row of the table."""

    name: str
    block: str


@dataclass(frozen=True)
class NetworkRow(TableRow):
    """One network of the comparison."""

    network: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the network that differ from the base."""

    loss: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the loss that belong to the network."""


def network_rows() -> list[NetworkRow]:
    """Return the rows of networks: decoders, kinds of upsampling, points, from random numbers."""
    dilated = {'output_stride': 16}
    named: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        **{name: ({}, {}) for name in (REFERENCE, 'summed', 'fcn32', 'fcn16', 'fcn8')},
        **{name: ({}, {}) for name in ('unet', 'fpn')},
        **{name: (dilated, {}) for name in ('pspnet', 'deeplabv3', 'deeplabv3plus')},
        **{name: ({}, {}) for name in ('upernet', 'segformer', 'refinenet', 'parsenet')},
        'gscnn': (
            dilated,
            {'edge_weight': 20.0, 'edge_attention_weight': 1.0, 'dual_task_weight': 1.0},
        ),
        'pixelnet': ({}, {'points': POINTS['pixelnet']}),
    }
    return [
        *(
            NetworkRow(name, 'networks', {'decoder': name, **network}, loss)
            for name, (network, loss) in named.items()
        ),
        *(
            NetworkRow(
                f'fusion_{kind}',
                'upsampling',
                {'decoder': 'fusion', 'decoder_options': {'upsampling': kind}},
            )
            for kind in UPSAMPLINGS[1:]
        ),
        *(
            NetworkRow(name, 'points', {'decoder': 'pixelnet'}, {'points': points})
            for name, points in POINTS.items()
            if name != 'pixelnet'
        ),
        NetworkRow(
            AT_EVERY_PIXEL,
            'points',
            {'decoder': 'pixelnet', 'decoder_options': {'stride': 1}},
            {'points': POINTS['pixelnet']},
        ),
        NetworkRow('fusion_random', 'random', {'decoder': 'fusion'}),
        NetworkRow('segnet', 'random', {'decoder': 'segnet', 'backbone': 'vgg16_bn'}),
    ]


def network_config(base: TrainingConfig, row: NetworkRow, seed: int) -> TrainingConfig:
    """Return the settings of a row: data, budget, optimiser and head are those of the base.

    Raises:
        ConfigError: The base's crop or channels are not for this network.
    """
    if row.block == 'random':
        base = base.from_random_numbers()
    return replace(
        base,
        name=row.name,
        seed=seed,
        network=replace(base.network, **{'decoder_options': {}, **row.network}),
        loss=replace(base.loss, **row.loss),
    )


def usable_rows(rows: list[NetworkRow]) -> tuple[list[NetworkRow], dict[str, str]]:
    """Return the rows whose packages are installed, and by name why the others are left out."""
    usable, absent = [], {}
    for row in rows:
        try:
            check_package(row.network['decoder'])
        except ConfigError as problem:
            absent[row.name] = str(problem)
        else:
            usable.append(row)
    return usable, absent
