# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What a run with a target domain does before and after its training steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from hiseg_ros.errors import ConfigError
from hiseg_ros.training.adaptation.norm_statistics import adapt_norm_statistics, target_crops
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.data.data_module import MixedData


def check_processes(config: TrainingConfig, processes: int) -> None:
    """Check that a run with adaptation is one process.

    Raises:
        ConfigError: It is several.
    """
    chosen = config.adaptation
    if chosen is not None and chosen.opens_target and processes > 1:
        raise ConfigError(
            f'The run has adaptation to a target and {processes} processes; expected one process: '
            'start it without torchrun.'
        )


def finish_adaptation(
    network: nn.Module, config: TrainingConfig, data: MixedData
) -> dict[str, Any]:
    """Adapt norm statistics where the method does; return what the model card says of it.

    Args:
        network: The trained network.
        config: Settings of the run.
        data: Has the target's images.
    """
    chosen = config.adaptation
    if chosen is None or data.target is None:
        return {}
    if chosen.method == 'adabn':
        crops = target_crops(data.target, config.crop, config.seed)
        adapt_norm_statistics(network, crops, config.preprocessing)
    return {
        'adaptation': {
            'method': chosen.method,
            'target': Path(chosen.target.root).name,
            'target_images': len(data.target.images),
            'fda_beta': chosen.beta,
        }
    }
