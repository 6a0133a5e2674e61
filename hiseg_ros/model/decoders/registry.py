# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The decoders by name, with their options and limits; read without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

LIBRARY = 'segmentation_models_pytorch'
"""Python module of the library that some of the decoders are from; the extra is "networks"."""

DETAIL_SHARE = 3
"""One of this many channels of 'summed_detail' is of its second path."""

UNPOOL = 'unpool'
UPSAMPLINGS = ('bilinear', 'nearest', 'transposed', UNPOOL)

LARGEST_WIDTH = 2048
LARGEST_RATE = 256


@dataclass(frozen=True)
class Option:
    """An option of a decoder, a keyword argument of its class."""

    default: Any
    is_usable: Callable[[Any], bool]
    expected: str
    """Usable values in words."""


@dataclass(frozen=True)
class DecoderEntry:
    """What is known of a decoder before it is built."""

    module: str
    """Name of its module below this package."""

    implementation: str
    """Name of its class there."""

    fixed: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Arguments that make this decoder of a class with several."""

    options: Mapping[str, Option] = field(default_factory=lambda: MappingProxyType({}))
    """Arguments that `network.decoder_options` may set."""

    output_strides: tuple[int, ...] = (8, 16, 32)
    """Strides of the backbone's last features that it can have."""

    backbones: str = ''
    """Beginning of the names of the only backbones that it can have; empty for all."""

    package: str = ''
    """Python module that it needs besides those of every network."""

    bins: int = 0
    """Pooling bins along each side of the last features, at most; 0 where it does not pool."""

    unpools: bool = False
    """Whether it places features by pooling indices."""

    reads_points: bool = False
    """Whether it computes features of single points, without those of the whole grid."""

    has_edges: bool = False
    """Whether it predicts the outlines of segments, which losses may use."""


def _width(default: int) -> Option:
    return Option(
        default,
        lambda value: type(value) is int and 1 <= value <= LARGEST_WIDTH,
        f'a whole number from 1 to {LARGEST_WIDTH}',
    )


def _switch(default: bool) -> Option:
    return Option(default, lambda value: isinstance(value, bool), 'true or false')


def _are_rates(value: Any) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == 3
        and all(type(rate) is int and 1 <= rate <= LARGEST_RATE for rate in value)
    )


RATES = Option((3, 6, 9), _are_rates, f'three whole numbers from 1 to {LARGEST_RATE}')
"""Atrous rates. The papers' 6, 12, 18 are for grids of 33x33 cells; in a crop of 256x320 pixels at
stride 16 they would mostly meet the padding."""

UPSAMPLING = Option(
    UPSAMPLINGS[0],
    lambda value: isinstance(value, str) and value in UPSAMPLINGS,
    f'one of {list(UPSAMPLINGS)}',
)

FINEST = Option(4, lambda value: type(value) is int and value in (1, 2, 4), 'one of [1, 2, 4]')
"""Stride of the grid that is computed. Finer ones cost 4 and 16 times as much."""

_BINS = 6
_DILATED = (8, 16)


def _fcn(finest: int) -> DecoderEntry:
    return DecoderEntry(
        'fcn', 'FcnDecoder', {'finest': finest}, {'width': _width(256)}, output_strides=(32,)
    )


def _library(
    kind: str,
    options: Mapping[str, Option],
    output_strides: tuple[int, ...] = (8, 16, 32),
    bins: int = 0,
) -> DecoderEntry:
    return DecoderEntry(
        'library',
        'LibraryDecoder',
        {'kind': kind},
        options,
        output_strides,
        package=LIBRARY,
        bins=bins,
    )


DECODERS: Mapping[str, DecoderEntry] = {
    'fusion': DecoderEntry('fusion', 'FusionDecoder', options={'upsampling': UPSAMPLING}),
    'projection': DecoderEntry('projection', 'ProjectionDecoder'),
    'summed': DecoderEntry('summed', 'SummedDecoder'),
    'summed_detail': DecoderEntry('summed_detail', 'SummedDetailDecoder'),
    'summed_fine': DecoderEntry('summed_fine', 'SummedFineDecoder'),
    'fcn32': _fcn(32),
    'fcn16': _fcn(16),
    'fcn8': _fcn(8),
    'segnet': DecoderEntry(
        'segnet', 'SegNetDecoder', output_strides=(32,), backbones='vgg', unpools=True
    ),
    'unet': _library('unet', {'width': _width(128)}),
    'fpn': _library('fpn', {'width': _width(128)}, output_strides=(32,)),
    'pspnet': _library('pspnet', {'width': _width(128)}, bins=_BINS),
    'deeplabv3': _library('deeplabv3', {'width': _width(128), 'rates': RATES}, _DILATED),
    'deeplabv3plus': _library('deeplabv3plus', {'width': _width(128), 'rates': RATES}, _DILATED),
    'upernet': _library('upernet', {'width': _width(128)}, bins=_BINS),
    'segformer': _library('segformer', {'width': _width(128)}),
    'refinenet': DecoderEntry('refinenet', 'RefineNetDecoder', options={'light': _switch(True)}),
    'parsenet': DecoderEntry('parsenet', 'ParseNetDecoder', options={'normalise': _switch(True)}),
    'gscnn': DecoderEntry(
        'gscnn',
        'GscnnDecoder',
        options={'width': _width(128), 'rates': RATES},
        output_strides=_DILATED,
        has_edges=True,
    ),
    'pixelnet': DecoderEntry(
        'pixelnet',
        'PixelNetDecoder',
        options={'width': _width(256), 'stride': FINEST},
        reads_points=True,
    ),
}
"""By the name that `network.decoder` has in an experiment file."""


def option_values(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of every option of a decoder: the given ones, and defaults."""
    defaults = {key: option.default for key, option in DECODERS[name].options.items()}
    return {**defaults, **given}
