# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Decoder `summed_fine`: the sum of `summed` carried on to stride 4."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hiseg_ros.model.decoders.inverted_bottleneck import (
    EXPANSION,
    InvertedBottleneck,
    projection,
    silence,
)
from hiseg_ros.model.decoders.layers import resize
from hiseg_ros.model.decoders.summed import SummedDecoder


class SummedFineDecoder(SummedDecoder):
    """The sum carried on to the backbone's finest stride, 4, for what is thin or far."""

    def __init__(self, in_channels: Sequence[int], strides: Sequence[int], channels: int) -> None:
        """Build for a backbone's channels and strides, finest first.

        Raises:
            ConfigError: As of SummedDecoder.
        """
        super().__init__(in_channels, strides, channels)
        self.stride = strides[0]
        narrow = channels // EXPANSION
        self.fine = projection(in_channels[0], narrow)
        self.refine = InvertedBottleneck(narrow, 2)
        silence(self.fine)
        self.refine.start_as_identity()

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return (N, channels, H / stride, W / stride)."""
        coarse = resize(self.summed(features), features[0].shape[-2:])
        wide: torch.Tensor = self.output(self.refine(coarse + self.fine(features[0])))
        return wide
