# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Batch norms with statistics for each dataset and shared affine weights, for training.

Images of different cameras and label policies differ in brightness and texture; normalised
together, each is shifted by the others. Here the images of one dataset in a batch are normalised
together, as in "Cross-Dataset Collaborative Learning" (CDCL); convolutions, scales and offsets
stay shared. A finished network has ordinary batch norms again: see `remove_dataset_norms`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

_Network = TypeVar('_Network', bound=nn.Module)
_STATISTICS = ('running_mean', 'running_var')


class _Grouping:
    """Which dataset each image of the current batch is of; shared by all norms of a network."""

    def __init__(self) -> None:
        self.datasets: list[int] = []
        """Datasets in the batch, ascending."""
        self.counts: list[int] = []
        """Images of each of them."""
        self.order: torch.Tensor | None = None
        """Images sorted by dataset; None where they are."""
        self.inverse: torch.Tensor | None = None

    def set(self, dataset_index: torch.Tensor) -> None:
        """Take the dataset of each image, (N,) int64."""
        index = dataset_index.detach().cpu()
        datasets, counts = np.unique(index.numpy(), return_counts=True)
        self.datasets, self.counts = datasets.tolist(), counts.tolist()
        order = index.argsort(stable=True)
        is_sorted = torch.equal(order, torch.arange(len(index)))
        self.order = None if is_sorted else order.to(dataset_index.device)
        self.inverse = None if is_sorted else order.argsort().to(dataset_index.device)

    def clear(self) -> None:
        """Forget the batch."""
        self.datasets, self.counts, self.order, self.inverse = [], [], None, None


class DatasetNorm(nn.Module):
    """A batch norm, of whichever class, with running statistics for each dataset."""

    def __init__(self, norm: _BatchNorm, shares: Sequence[float], grouping: _Grouping) -> None:
        """Wrap a norm; every dataset starts with its statistics.

        Args:
            norm: Batch norm with running statistics; it keeps the affine weights.
            shares: Images of each dataset in a batch, for the mixture.
            grouping: Says which image is of which dataset.
        """
        super().__init__()
        self.norm = norm
        self.grouping = grouping
        count = len(shares)
        self.register_buffer('shares', torch.tensor(shares, dtype=torch.float32), False)
        for name in _STATISTICS:
            self.register_buffer(name, cast(torch.Tensor, getattr(norm, name)).repeat(count, 1))
        # Fractional, since the average of the weights over time averages it too.
        self.register_buffer('seen_batches', torch.zeros(count))
        self.shares: torch.Tensor
        self.running_mean: torch.Tensor
        self.running_var: torch.Tensor
        self.seen_batches: torch.Tensor
        self.register_load_state_dict_pre_hook(  # type: ignore[no-untyped-call]
            _spread_plain_state
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Normalise (N, C, H, W): each image with its dataset, all with the mixture if unknown.

        Raises:
            RuntimeError: In training mode nobody said of which datasets the images are.
        """
        grouping = self.grouping
        if not grouping.datasets:
            if self.training:
                raise RuntimeError('Training needs dataset_norms_for(network, dataset_index).')
            mean, var = self.mixture()
            return self._call(features, mean, var, None)
        if grouping.order is not None:
            features = features.index_select(0, grouping.order)
        parts = [
            self._call(
                part,
                self.running_mean[dataset],
                self.running_var[dataset],
                self.seen_batches[dataset],
            )
            for dataset, part in zip(
                grouping.datasets, torch.split(features, grouping.counts), strict=True
            )
        ]
        result = torch.cat(parts) if len(parts) > 1 else parts[0]
        return result if grouping.inverse is None else result.index_select(0, grouping.inverse)

    def _call(
        self,
        features: torch.Tensor,
        mean: torch.Tensor,
        var: torch.Tensor,
        seen: torch.Tensor | None,
    ) -> torch.Tensor:
        # The norm's own code, activation included, runs on views: it updates them in place.
        statistics = {'running_mean': mean, 'running_var': var}
        if seen is not None:
            statistics['num_batches_tracked'] = seen
        return cast(torch.Tensor, functional_call(self.norm, statistics, (features,)))

    def mixture(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and variance, (C,) each, of the datasets mixed by their shares.

        Datasets that no batch held so far are left out.
        """
        shares = self.shares * (self.seen_batches > 0)
        shares = self.shares if not bool(shares.any()) else shares
        weights = (shares / shares.sum())[:, None]
        mean = (weights * self.running_mean).sum(0)
        square = (weights * (self.running_var + self.running_mean**2)).sum(0)
        return mean, (square - mean**2).clamp(min=0)

    def plain(self, dataset: int | None) -> _BatchNorm:
        """Return the wrapped norm with the statistics of one dataset, or of the mixture."""
        mean, var = (
            self.mixture()
            if dataset is None
            else (self.running_mean[dataset], self.running_var[dataset])
        )
        with torch.no_grad():
            cast(torch.Tensor, self.norm.running_mean).copy_(mean)
            cast(torch.Tensor, self.norm.running_var).copy_(var)
        return self.norm


def _spread_plain_state(module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Take the state of an ordinary batch norm: its statistics become those of every dataset."""
    assert isinstance(module, DatasetNorm)
    plain_mean = state.get(f'{prefix}running_mean')
    if plain_mean is None or plain_mean.ndim != 1:
        return
    for name in module.norm.state_dict():
        if f'{prefix}{name}' not in state:
            continue  # torch names what is missing
        value = state.pop(f'{prefix}{name}')
        state[f'{prefix}norm.{name}'] = value
        if name in _STATISTICS:
            state[f'{prefix}{name}'] = value.repeat(len(module.shares), 1)
    state[f'{prefix}seen_batches'] = torch.zeros_like(module.seen_batches)


def add_dataset_norms(network: nn.Module, shares: Sequence[float]) -> int:
    """Give every batch norm below a network statistics for each dataset; return how many.

    Args:
        network: Changed in place. It still loads the state of an ordinary network.
        shares: Images of each dataset in a batch, in the order of their indices.
    """
    grouping = _Grouping()
    found = [
        (parent, name, child)
        for parent in list(network.modules())
        for name, child in parent.named_children()
        if isinstance(child, _BatchNorm) and not isinstance(parent, DatasetNorm)
    ]
    for parent, name, norm in found:
        setattr(parent, name, DatasetNorm(norm, shares, grouping))
    return len(found)


@contextmanager
def dataset_norms_for(
    network: nn.Module, dataset_index: torch.Tensor | int | None
) -> Iterator[None]:
    """Within the block, say of which datasets the images are that the network is given.

    A network without `DatasetNorm` is not concerned.

    Args:
        network: The network.
        dataset_index: (N,) int64 dataset of each image; one number for all of a single image; or
            None for images of any dataset: in evaluation they are normalised by the mixture.
    """
    norm = next((part for part in network.modules() if isinstance(part, DatasetNorm)), None)
    if norm is None or dataset_index is None:
        yield
        return
    if isinstance(dataset_index, int):
        dataset_index = torch.tensor([dataset_index], device=norm.running_mean.device)
    norm.grouping.set(dataset_index)
    try:
        yield
    finally:
        norm.grouping.clear()


def remove_dataset_norms(network: _Network, dataset: int | None = None) -> _Network:
    """Return a copy of a network with ordinary batch norms.

    Args:
        network: Left as it is.
        dataset: The dataset whose statistics the copy uses; None for the mixture of all, by
            their shares.
    """
    network = copy.deepcopy(network)
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, DatasetNorm):
                setattr(parent, name, child.plain(dataset))
    return network
