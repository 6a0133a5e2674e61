# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Builds a decoder by its name, and what a decoder may offer besides its feature map."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from hiseg_ros.model.decoders.checks import check_package
from hiseg_ros.model.decoders.registry import DECODERS, option_values

Pyramid = Callable[[torch.Tensor], list[torch.Tensor]]
"""Images (N, 3, H, W) to features, finest first."""


@runtime_checkable
class PointDecoder(Protocol):
    """A decoder that computes features of single points, without those of the whole grid."""

    def at_places(self, features: list[torch.Tensor], places: torch.Tensor) -> torch.Tensor:
        """Return (N, channels, 1, P) at places (N, P, 2): x, y from -1 to 1 between the edges."""


@runtime_checkable
class EdgeDecoder(Protocol):
    """A decoder that also predicts the outlines of segments."""

    def with_edges(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what `forward` does, and the logits (N, 1, h, w) of outlines on its grid."""


@runtime_checkable
class PathsDecoder(Protocol):
    """A decoder whose output consists of parts that share nothing but the image."""

    reads_image: bool

    def paths(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """Return the parts, which `forward` puts side by side."""


def build_decoder(
    name: str,
    in_channels: Sequence[int],
    strides: Sequence[int],
    channels: int,
    options: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Return a decoder with random weights.

    Its `stride` is that of its output; `decoded` calls it.

    Args:
        name: One of DECODERS.
        in_channels: Channels of the features, finest first.
        strides: Their strides in image pixels.
        channels: Channels of the output.
        options: Those of the decoder that are not to have their defaults.

    Raises:
        ConfigError: The decoder cannot have these features or this number of channels, or its
            package is not installed.
    """
    check_package(name)
    entry = DECODERS[name]
    module = import_module(f'{__package__}.{entry.module}')
    build = getattr(module, entry.implementation)
    values = {**entry.fixed, **option_values(name, options or {})}
    decoder: nn.Module = build(in_channels, strides, channels, **values)
    return decoder


def decoder_input(backbone: Pyramid, decoder: nn.Module, images: torch.Tensor) -> Any:
    """Return what a decoder reads of images: features, and before them the images if it asks.

    Args:
        backbone: Makes the features.
        decoder: Asks for the images with an attribute `reads_image`.
        images: (N, 3, H, W) normalised.
    """
    features = backbone(images)
    return [images, *features] if getattr(decoder, 'reads_image', False) else features


def decoded(backbone: Pyramid, decoder: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the decoder's map of images: (N, channels, H / stride, W / stride)."""
    features: torch.Tensor = decoder(decoder_input(backbone, decoder, images))
    return features


def decoded_paths(
    backbone: Pyramid, decoder: nn.Module, images: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """Return the parts that a `PathsDecoder` computes apart; side by side they are `decoded`."""
    assert isinstance(decoder, PathsDecoder)
    return decoder.paths(decoder_input(backbone, decoder, images))
