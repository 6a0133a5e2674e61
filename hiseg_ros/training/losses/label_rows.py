# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What every loss needs to know about the rows of the label table: weights and mixtures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from hiseg_ros.errors import ConfigError
from hiseg_ros.training.data.label_table import IGNORED, LabelTable


def row_weights(table: LabelTable, level_weights: Sequence[float] = ()) -> torch.Tensor:
    """Return (R + 1,) float: the weight of a pixel of each row; the last one, [-1], is 0.

    Args:
        table: Rows with the weights of their labels.
        level_weights: Factor by the level of a row's node; the last goes for deeper ones.

    Raises:
        ConfigError: There are more level weights than levels.
    """
    weights = table.weights
    if level_weights:
        if len(level_weights) > table.depth + 1:
            raise ConfigError(
                f'Loss setting level_weights has {len(level_weights)} values; expected at most '
                f'{table.depth + 1}, one for each level of the taxonomy.'
            )
        by_level = torch.tensor(level_weights, dtype=weights.dtype)
        weights = weights * by_level[table.levels.clamp(max=len(level_weights) - 1)]
    return torch.cat([weights, weights.new_zeros(1)])


def present_rows(rows: torch.Tensor, count: int) -> torch.Tensor:
    """Return the rows that occur, ascending, without IGNORED; a fraction of torch.unique's time.

    Args:
        rows: Any shape, int64.
        count: Number of rows of the table.
    """
    return torch.bincount((rows - IGNORED).flatten(), minlength=count + 1)[1:].nonzero().flatten()


class MixtureLayers(torch.nn.Module):
    """Targets with mixtures as layers of plain labels, each layer with a share per pixel."""

    def __init__(self, table: LabelTable) -> None:
        """Take the mixtures that the table has by now."""
        super().__init__()
        self.label_count = table.label_count
        components, shares = table.mixture_components()
        self.register_buffer('components', components, persistent=False)
        self.register_buffer('shares', shares, persistent=False)
        self.components: torch.Tensor
        self.shares: torch.Tensor

    def forward(self, rows: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
        """Yield rows without mixtures, and the share of each pixel; None where all are 1.

        Args:
            rows: (H, W) int64 rows of the label table; -1 = unlabeled.
        """
        mixture = rows - self.label_count
        is_mixture = mixture >= 0
        if self.components.shape[0] == 0 or not bool(is_mixture.any()):
            yield rows, None
            return
        if not bool(is_mixture.all()):
            yield rows.masked_fill(is_mixture, IGNORED), None
        mixture = mixture.clamp(min=0)
        for components, shares in zip(self.components.T, self.shares.T, strict=True):
            share = shares[mixture] * is_mixture
            yield torch.where(share > 0, components[mixture], IGNORED), share
