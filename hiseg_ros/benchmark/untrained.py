# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Writes random weights for the network of an experiment, which is as fast as a trained one.

python -m hiseg_ros.benchmark.untrained SETTINGS.json RESULT.json
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from hiseg_ros.errors import ConfigError, HisegError
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.resources import named_or_path
from hiseg_ros.taxonomy import load_taxonomy


@dataclass(frozen=True)
class UntrainedSettings:
    """Settings of the process."""

    experiment: str
    folder: str


def write_untrained(experiment: str, folder: Path) -> Path:
    """Write weights for the network of an experiment.

    Args:
        experiment: Name of a file in config/experiments, or the path of one.
        folder: Where NAME.safetensors is written.

    Returns:
        The file.

    Raises:
        ConfigError: There is no such experiment, or it does not describe a network.
    """
    source = named_or_path(experiment, 'experiments')
    try:
        settings = yaml.safe_load(source.read_text())
        taxonomy = load_taxonomy(settings['taxonomy'])
        config = NetworkConfig(**settings['network'])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as problem:
        raise ConfigError(
            f'The experiment {experiment!r} does not describe a network ({problem}); expected a '
            'file of config/experiments.'
        ) from problem
    import torch

    from hiseg_ros.model.checkpoint import save_checkpoint
    from hiseg_ros.model.network import HierarchicalNetwork

    torch.manual_seed(0)
    network = HierarchicalNetwork(config, taxonomy).eval()
    path = folder / f'{source.stem}.safetensors'
    card = {
        'name': f'{source.stem}, untrained',
        'recipe': 'random weights, to measure speed',
        'training_sets': [],
        'scores': {},
    }
    save_checkpoint(path, network, taxonomy, Preprocessing(), card)
    return path


def main(arguments: list[str]) -> int:
    """Write the weights in a process of its own, so that the caller does not import torch."""
    source, target = map(Path, arguments)
    settings = UntrainedSettings(**json.loads(source.read_text()))
    try:
        row = {'model': str(write_untrained(settings.experiment, Path(settings.folder)))}
    except HisegError as problem:
        row = {'error': str(problem)}
    target.write_text(json.dumps([row]))
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
