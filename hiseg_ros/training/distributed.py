# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Training in several processes: their number, batches they can share, sums over all of them."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import distributed

from hiseg_ros.errors import ConfigError


def launched_processes() -> tuple[int, int]:
    """Return (processes per machine, machines) as started by torchrun or SLURM.

    Raises:
        ConfigError: The machines run different numbers of processes, or SLURM does not tell them.
    """
    # Imported late: the losses import this file, and Lightning takes seconds to import.
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
    from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    if TorchElasticEnvironment.detect():
        here, everywhere = os.environ['LOCAL_WORLD_SIZE'], int(os.environ['WORLD_SIZE'])
    elif SLURMEnvironment.detect():
        everywhere = int(os.environ['SLURM_NTASKS'])
        # Lightning refuses SLURM's --ntasks without it as well.
        here = os.environ.get('SLURM_NTASKS_PER_NODE', '1' if everywhere == 1 else '0')
    else:
        return 1, 1
    if not here.isdigit() or int(here) == 0 or everywhere % int(here):
        raise ConfigError(
            f'{everywhere} processes were started, {here} of them on this machine (0: not said); '
            'expected the same number on every machine: --nproc-per-node of torchrun, '
            '--ntasks-per-node of SLURM.'
        )
    return int(here), everywhere // int(here)


def check_divisible(batch_sizes: Sequence[int], processes: int) -> None:
    """Check that all batches can be divided equally among the processes.

    Raises:
        ConfigError: A batch cannot be divided.
    """
    uneven = [size for size in batch_sizes if size % processes]
    if uneven:
        raise ConfigError(
            f'A batch of {uneven[0]} images (the shares of all datasets together) cannot be '
            f'divided among {processes} processes; expected a multiple of {processes}: change '
            'the shares or the number of processes.'
        )


def _process_count() -> int:
    started = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if started else 1


def global_mean(
    weighted_sums: torch.Tensor, weight_sums: torch.Tensor, least: float = 1.0
) -> torch.Tensor:
    """Return the contribution of this process to weighted means over the pixels of all processes.

    The average of the results over the processes is the mean of the whole batch, and so is the
    average of their gradients, which is what DistributedDataParallel takes. Dividing by the
    process's own weights instead would give pixels of sparsely labelled images more weight.

    Args:
        weighted_sums: Any shape; sums of weight times loss over the pixels of this process.
        weight_sums: Sums of the weights, in the same shape, which is that of every process.
        least: Smallest divisor, where all weights are 0.
    """
    count = _process_count()
    if count == 1:
        return weighted_sums / weight_sums.clamp(min=least)
    total = weight_sums.detach().clone()
    distributed.all_reduce(total)
    return weighted_sums * count / total.clamp(min=least)


def sum_over_processes(numbers: torch.Tensor) -> torch.Tensor:
    """Return the sums of a tensor over all processes, without gradient."""
    total = numbers.detach().clone()
    if _process_count() > 1:
        distributed.all_reduce(total)
    return total
