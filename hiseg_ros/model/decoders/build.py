# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Builds a decoder by its name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from torch import nn

from hiseg_ros.model.decoders.registry import DECODERS


def build_decoder(
    name: str, in_channels: Sequence[int], strides: Sequence[int], channels: int
) -> nn.Module:
    """Return a decoder with random weights.

    Its `stride` is that of its output; called with the backbone's features, finest first, it
    returns (N, channels, H / stride, W / stride).

    Args:
        name: One of DECODERS.
        in_channels: Channels of the features, finest first.
        strides: Their strides in image pixels.
        channels: Channels of the output.

    Raises:
        ConfigError: The decoder cannot have these features or this number of channels.
    """
    entry = DECODERS[name]
    module = import_module(f'{__package__}.{entry.module}')
    decoder: nn.Module = getattr(module, entry.implementation)(in_channels, strides, channels)
    return decoder
