# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What a decoder cannot have, said before it is built or trained; without torch."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.decoders.registry import DECODERS, UNPOOL, option_values
from hiseg_ros.types import ImageSize


def check_decoder(
    name: str, options: Mapping[str, Any], backbone: str, output_stride: int
) -> None:
    """Check a decoder's options and what it is put upon.

    Raises:
        ConfigError: There is no such option, it cannot have this value, or the decoder cannot
            have this backbone or output stride.
    """
    entry = DECODERS[name]
    for key, value in options.items():
        if key not in entry.options:
            known = f'one of {list(entry.options)}' if entry.options else 'none'
            raise ConfigError(
                f'Network setting decoder_options has {key!r} for the decoder {name!r}; expected '
                f'{known}: remove it.'
            )
        option = entry.options[key]
        if not option.is_usable(value):
            raise ConfigError(
                f'Network setting decoder_options.{key} is {value!r} for the decoder {name!r}; '
                f'expected {option.expected}.'
            )
    if output_stride not in entry.output_strides:
        raise ConfigError(
            f'Network setting output_stride is {output_stride} for the decoder {name!r}; expected '
            f'one of {list(entry.output_strides)}, or another decoder.'
        )
    if not backbone.startswith(entry.backbones):
        raise ConfigError(
            f'Network setting backbone is {backbone!r} for the decoder {name!r}, which mirrors '
            f"the poolings of a VGG network; expected one such as 'vgg16_bn', or another decoder."
        )


def check_package(name: str) -> None:
    """Check that what a decoder needs is installed.

    Raises:
        ConfigError: Its package is missing.
    """
    package = DECODERS[name].package
    if package and find_spec(package) is None:
        raise ConfigError(
            f'Decoder {name!r} needs the Python module {package}, which is not installed; '
            'expected the extra "networks": pip install "hiseg_ros[networks]".'
        )


def check_exportable(name: str, options: Mapping[str, Any]) -> None:
    """Check that a network with a decoder can be written as an exported file.

    Raises:
        ConfigError: It cannot.
    """
    entry = DECODERS[name]
    if entry.unpools or option_values(name, options).get('upsampling') == UNPOOL:
        what = f'Decoder {name!r}' + ('' if entry.unpools else ' with unpooling')
        raise ConfigError(
            f'{what} cannot be exported: it places features by pooling indices, which runtimes of '
            'exported files lack; expected another decoder or upsampling, or the weights '
            'themselves, which torch runs.'
        )


def check_crop(name: str, options: Mapping[str, Any], output_stride: int, crop: ImageSize) -> None:
    """Check that a training crop is large enough for what a decoder does on the last features.

    Args:
        name: The decoder.
        options: As given.
        output_stride: Of the backbone.
        crop: (h, w) in pixels.

    Raises:
        ConfigError: It is smaller than the pooling bins or the reach of the atrous convolutions.
    """
    cells = (crop[0] // output_stride, crop[1] // output_stride)
    grid = (
        f'A crop of {crop[0]}x{crop[1]} has {cells[0]}x{cells[1]} cells at stride {output_stride}'
    )
    bins = DECODERS[name].bins
    if bins > min(cells):
        raise ConfigError(
            f'{grid}, and the decoder {name!r} pools into {bins}x{bins} bins; expected at least '
            f'{bins * output_stride} pixels along each side: enlarge crop, or lower '
            'network.output_stride.'
        )
    largest = max(option_values(name, options).get('rates', (0,)))
    if largest >= min(cells):
        raise ConfigError(
            f'{grid}, and the decoder {name!r} has an atrous rate of {largest}, which would meet '
            'nothing but padding; expected rates below the shorter side: enlarge crop, or lower '
            'network.decoder_options.rates.'
        )
