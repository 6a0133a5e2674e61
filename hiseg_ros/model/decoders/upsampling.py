# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Kinds of upsampling: a coarse map brought to the size of the next finer one."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.model.decoders.layers import resize
from hiseg_ros.model.decoders.registry import UNPOOL


def unpool(coarse: torch.Tensor, fine: torch.Tensor) -> torch.Tensor:
    """Place each value of a coarse map where a finer one of as many channels is largest.

    Of each 2x2 cells of `fine` the largest says where the value goes; the others become 0. That
    is the unpooling of SegNet, whose decoder gets these indices from the encoder and no features.

    Args:
        coarse: (N, C, h, w).
        fine: (N, C, 2 h, 2 w).

    Returns:
        (N, C, 2 h, 2 w).
    """
    _, indices = F.max_pool2d(fine.detach(), 2, return_indices=True)
    return F.max_unpool2d(coarse, indices, [2, 2], output_size=list(fine.shape[-2:]))


class Upsampling(nn.Module):
    """One step of upsampling, of one of the kinds of UPSAMPLINGS."""

    def __init__(self, kind: str, channels: int, factor: int) -> None:
        """Build a step.

        Args:
            kind: 'bilinear' and 'nearest' interpolate; 'transposed' is a transposed convolution,
                4x4 with stride 2, for each channel, that begins as bilinear interpolation;
                'unpool' is `unpool`.
            channels: Of the coarse map.
            factor: Ratio of the sizes: 2, or 1 where there is nothing to do.
        """
        super().__init__()
        self.kind = kind if factor > 1 else 'bilinear'
        if self.kind == 'transposed':
            self.kernel = nn.ConvTranspose2d(
                channels, channels, 4, 2, 1, groups=channels, bias=False
            )
            tap = torch.tensor([0.25, 0.75, 0.75, 0.25])
            with torch.no_grad():
                self.kernel.weight.copy_(torch.outer(tap, tap).expand_as(self.kernel.weight))

    def forward(self, coarse: torch.Tensor, fine: torch.Tensor) -> torch.Tensor:
        """Return the coarse map (N, C, h, w) in the size of the finer one (N, C', H, W)."""
        if self.kind == 'transposed':
            finer: torch.Tensor = self.kernel(coarse)
            return finer
        if self.kind == UNPOOL:
            return unpool(coarse, fine)
        if self.kind == 'nearest':
            return F.interpolate(coarse, fine.shape[-2:], mode='nearest')
        return resize(coarse, fine.shape[-2:])
