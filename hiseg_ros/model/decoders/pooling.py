# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Adaptive average pooling in operations that can be exported for any size of the input."""

from __future__ import annotations

import torch
from torch import nn


def bin_sums(length: int | torch.Tensor, bins: int, like: torch.Tensor) -> torch.Tensor:
    """Return the (bins, length) matrix of zeros and ones of the cells that belong to each bin.

    A bin reaches from floor(i length / bins) to ceil((i + 1) length / bins), as in torch's
    adaptive pooling: bins overlap by a cell where the length is no multiple of their number.
    """
    cells = torch.arange(length, device=like.device)  # type: ignore[arg-type]
    numbers = torch.arange(bins, device=like.device)[:, None]
    begins = numbers * length // bins
    ends = ((numbers + 1) * length + bins - 1) // bins
    return ((cells >= begins) & (cells < ends)).to(like.dtype)


class BinPooling(nn.Module):
    """The result of `torch.nn.AdaptiveAvgPool2d(bins)` as two products with matrices.

    ONNX has no such operation, and torch's exporter writes it for a few sizes only.
    """

    def __init__(self, bins: int) -> None:
        """Pool into bins x bins."""
        super().__init__()
        self.bins = bins

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (N, C, bins, bins) for (N, C, h, w)."""
        if self.bins == 1:
            return features.mean((2, 3), keepdim=True)
        rows = bin_sums(features.shape[-2], self.bins, features)
        columns = bin_sums(features.shape[-1], self.bins, features)
        sums = torch.matmul(torch.matmul(rows, features), columns.T)
        return sums / (rows.sum(1)[:, None] * columns.sum(1))
