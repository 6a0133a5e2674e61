# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""AdaBN: batch-norm statistics of the target in place of those of the source.

Li et al., "Revisiting Batch Normalization For Practical Domain Adaptation", 2016.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from hiseg_ros.errors import ConfigError
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.training.data.augmentation import NO_AUGMENTATION
from hiseg_ros.training.data.mixing import MixedSamples
from hiseg_ros.training.data.training_set import TrainingSet
from hiseg_ros.types import ImageSize

CROPS = 200
"""Crops of the target over which statistics are averaged."""

CROPS_AT_ONCE = 8
"""A batch norm averages the variances of batches: in larger ones they are those of the target."""


def target_crops(target: TrainingSet, crop: ImageSize, seed: int) -> Iterator[torch.Tensor]:
    """Yield CROPS crops of a target as they are, (N, 3, H, W) uint8; a seed fixes them."""
    clean = replace(target, config=replace(target.config, share=1, augmentation=NO_AUGMENTATION))
    samples = MixedSamples([clean], crop, CROPS, 0, seed)
    for first in range(0, CROPS, CROPS_AT_ONCE):
        yield torch.stack([samples[first + i][0] for i in range(CROPS_AT_ONCE)])


@torch.no_grad()
def adapt_norm_statistics(
    network: nn.Module, crops: Iterator[torch.Tensor], preprocessing: Preprocessing
) -> int:
    """Give the batch norms of a network the statistics of some images; return how many norms.

    Weights are untouched, and the norms' affine parameters with them.

    Args:
        network: Left in evaluation mode.
        crops: (N, 3, H, W) uint8.
        preprocessing: Of the network.

    Raises:
        ConfigError: The network has no batch norm, or a statistic is not finite.
    """
    norms = [part for part in network.modules() if isinstance(part, _BatchNorm)]
    if not norms:
        raise ConfigError(
            'The network has no batch norm, which adabn adapts; expected another method of '
            'adaptation, or a backbone with batch norms.'
        )
    device = next(network.parameters()).device
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.train()
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all batches
    for images in crops:
        network(preprocessing.normalize(images.to(device)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
        if norm.running_var is not None and not bool(norm.running_var.isfinite().all()):
            raise ConfigError(
                'Norm statistics of the target are not finite; expected finite numbers: the '
                'weights before are of no use, train them again.'
            )
    return len(norms)
